"""A client list imported from the console: uploaded, checked, and only then taken in."""

import io
import os
import re

import flask
import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic
from ringnote import Ringnote, person
from ringnote.directory.upload_work import claim_upload
from ringnote.directory.uploads import Stage, Upload
from ringnote.models import Client, ColumnChoice
from ringnote.web.console import clients as pages
from stories import Phone, entries, settle

LIST = b"""\
Code,Owner,Ring them,Pets
C1,Jane Doe,(212) 555-0142,Rex
C2,John Doe,212-555-0143,
,Nobody,212-555-0144,
C3,=cmd(),ask her,
"""


@pytest.fixture
def clinic(runtime):
    return make_clinic(runtime.db, name="Oak Street Vets")


@pytest.fixture
def browser(runtime, clinic):
    """A browser in which an operator of the one clinic is signed in."""
    host = flask.Flask("host")
    kim = person("kim", "operator", [clinic.id])
    Ringnote(host, runtime=runtime, url_prefix="", current_user=lambda: kim)
    return host.test_client()


@pytest.fixture
def upload(runtime, clinic):
    return Upload(runtime.settings.data_dir, clinic.id)


@pytest.fixture
def post(browser, clinic):
    def send(step, **fields):
        page = browser.get(f"/clients/import?clinic={clinic.id}").text
        [token, *_] = re.findall(r'name="form_token" value="(\w+)"', page)
        data = {"form_token": token, "clinic": str(clinic.id), **fields}
        return browser.post(f"/clients/import/{step}", data=data, follow_redirects=True)

    return send


@pytest.fixture
def work(runtime):
    """Do what a worker finds to do."""

    def act(is_stopping=lambda: False):
        folder = runtime.settings.data_dir
        while job := claim_upload(runtime.db, folder, runtime.clock, is_stopping):
            job()
            if is_stopping():
                break

    return act


def columns(*holds):
    return {f"column-{place}": what for place, what in enumerate(holds)}


def listed(runtime):
    with runtime.db.reading() as session:
        found = session.execute(sa.select(Client.external_id, Client.name).order_by(Client.id))
        return [tuple(row) for row in found]


def put(post, content=LIST, name="clients.csv"):
    return post("upload", list=(io.BytesIO(content), name))


CHOSEN = columns("id", "name", "phones", "patients")


def test_a_list_is_shown_corrected_checked_and_taken_in(
    runtime, clinic, browser, post, work, upload
):
    Phone(runtime, clinic).answered("u-1", "+12125550142")
    settle(runtime)

    shown = put(post).text
    assert '<option value="name" selected>' in shown
    assert "cannot tell by itself" in shown
    assert "(212) 555-0142" in shown

    post("check", **CHOSEN)
    work()
    checked = browser.get(f"/clients/import?clinic={clinic.id}").text
    assert re.findall(r"<strong>(\d)</strong> (new|row)", checked) == [("2", "new"), ("2", "row")]
    assert "it has no client id" in checked
    assert listed(runtime) == []

    post("commit")
    work()
    settle(runtime)

    assert listed(runtime) == [("C1", "Jane Doe"), ("C2", "John Doe")]
    assert [entry.client for entry in entries(runtime)] == ["C1"]
    done = browser.get(f"/clients/import?clinic={clinic.id}").text
    assert "1 calls and conversations waited for them" in done
    assert not upload.list.exists()
    with runtime.db.reading() as session:
        kept = session.get_one(ColumnChoice, clinic.id)
    assert (kept.columns["phones"], kept.chosen_by) == (["Ring them"], "kim")


def test_rejected_rows_are_downloaded_with_the_reason_and_no_formula(browser, post, work, clinic):
    put(post)
    post("check", **CHOSEN)
    work()

    with browser.get(f"/clients/import/rejected.csv?clinic={clinic.id}") as answer:
        assert answer.mimetype == "text/csv"
        assert "attachment" in answer.headers["Content-Disposition"]
        [headings, first, second] = answer.get_data().decode("utf-8-sig").splitlines()
    assert headings == "ringnote_line,ringnote_reason,Code,Owner,Ring them,Pets"
    assert first.startswith("4,it has no client id,")
    assert ",'=cmd()," in second


def test_what_is_stopped_writes_nothing_more_and_leaves_no_list(
    runtime, clinic, browser, post, work, upload, monkeypatch
):
    rows = [f"C{n},Client {n},212-555-01{n % 100:02}" for n in range(3000)]
    put(post, "\n".join(["id,name,phone", *rows]).encode())
    post("check", **columns("id", "name", "phones"))
    work()
    post("commit")
    release = upload.hold()
    post("stop")
    release()

    work()

    assert upload.read().stage is Stage.CANCELLED
    assert len(listed(runtime)) < 3000
    assert not upload.list.exists()
    assert "Stopped" in browser.get(f"/clients/import?clinic={clinic.id}").text


def test_a_worker_that_ends_leaves_it_to_the_next(runtime, clinic, post, work, upload):
    put(post)
    post("check", **CHOSEN)
    work()
    post("commit")

    work(is_stopping=lambda: True)
    assert upload.read().stage is Stage.IMPORTING
    work()

    assert upload.read().stage is Stage.DONE
    assert len(listed(runtime)) == 2


def test_what_nobody_works_on_is_thrown_away_at_once(post, upload):
    put(post)

    page = post("stop").text

    assert upload.read() is None
    assert not upload.list.exists()
    assert 'type="file"' in page


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "The file is empty"), (b"PK\x03\x04 xl/ and more", "an Excel workbook")],
)
def test_what_is_no_list_is_refused_and_not_kept(post, upload, content, why):
    answer = put(post, content)

    assert answer.status_code == 400
    assert why in answer.text
    assert upload.read() is None


def test_what_is_too_large_is_refused_with_the_limit(post, upload, monkeypatch):
    monkeypatch.setattr(pages, "LARGEST", 1024)
    monkeypatch.setattr(pages, "FORM_BESIDES", 1024)

    for size in (1500, 5000):
        answer = put(post, b"id,phone\n" + b"x" * size)

        assert answer.status_code in (400, 413)
        assert "the most that can be uploaded" in answer.text
        assert upload.read() is None


def test_a_column_that_is_missing_or_named_twice_is_asked_for(post, upload):
    put(post)

    assert "Say which column holds the phone number." in post("check", **columns("id")).text
    twice = columns("id", "id", "phones")
    assert "Only one column can be the client" in post("check", **twice).text
    assert upload.read().stage is Stage.COLUMNS


def test_a_list_with_unknown_columns_can_still_be_told(post):
    assert "cannot tell by itself" in put(post, b"A,B\n1,212-555-0142\n").text


def test_nothing_goes_on_out_of_turn(post, work):
    put(post)
    post("check", **CHOSEN)
    assert "has gone on meanwhile" in post("commit").text
    work()
    assert "has gone on meanwhile" in post("check", **CHOSEN).text


def test_what_nobody_goes_on_with_is_deleted_after_a_day(post, upload, work, runtime):
    put(post)
    for each in upload.list.parent.iterdir():
        os.utime(each, (0, 0))

    work()

    assert [each.name for each in upload.list.parent.iterdir()] == ["lock"]


def test_a_list_being_worked_on_is_not_replaced(post, upload):
    put(post)
    release = upload.hold()

    answer = put(post)

    release()
    assert (answer.status_code, upload.read().stage) == (400, Stage.COLUMNS)


def test_the_clients_page_counts_each_clinics_clients(runtime, clinic, browser):
    make_client(runtime.db, clinic, "C1", "Jane Doe")

    page = browser.get("/clients").text

    assert "Oak Street Vets" in page
    assert "1 client<" in page
