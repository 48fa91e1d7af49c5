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
    both = "id and which the phone number."
    assert both in post("check", **columns("name")).text
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


MORE = LIST + b"C4,Ann Poe,212-555-0145,\n"
GOOD = b"Code,Owner,Ring them,Pets\nC1,Jane Doe,(212) 555-0142,Rex\nC4,Ann Poe,212-555-0145,\n"


def page_of(browser, clinic):
    return browser.get(f"/clients/import?clinic={clinic.id}").text


def living(runtime):
    with runtime.db.reading() as session:
        return set(
            session.scalars(sa.select(Client.external_id).where(Client.deleted_at.is_(None)))
        )


@pytest.fixture
def checked(runtime, clinic, post, work):
    """Check a list at a clinic that knows this many clients beside C1."""

    def check(others, content=GOOD):
        for number in range(others):
            make_client(runtime.db, clinic, f"X{number}", "Bob Roe")
        make_client(runtime.db, clinic, "C1", "Jane Doe")
        put(post, content)
        post("check", **CHOSEN)
        work()

    return check


def test_clients_missing_from_the_list_are_marked_as_deleted_where_a_person_says_so(
    runtime, clinic, browser, post, work, checked
):
    for number in range(19):
        make_client(runtime.db, clinic, f"Y{number}", "Sue Poe")
    rows = "".join(f"Y{number},Sue Poe,212-555-01{number:02},\n" for number in range(19))
    checked(1, GOOD + rows.encode())
    page = page_of(browser, clinic)
    assert "1 client of 21 known here that is not in this list" in " ".join(page.split())
    assert "type how many they are" not in page

    post("commit", replace="yes", missing="1")
    work()

    assert "X0" not in living(runtime)
    assert len(living(runtime)) == 21
    assert "1 client that was not in the list is marked as deleted" in page_of(browser, clinic)


def test_without_the_tick_nobody_is_marked(runtime, post, work, checked):
    checked(1)

    post("commit", missing="1")
    work()

    assert living(runtime) == {"X0", "C1", "C4"}


def test_many_are_marked_only_by_who_types_how_many(
    runtime, clinic, browser, post, work, checked, upload
):
    checked(3)
    assert "type how many they are" in page_of(browser, clinic)

    for typed in ("", "2", "yes"):
        answer = post("commit", replace="yes", missing="3", agreed=typed)
        assert (answer.status_code, upload.read().stage) == (400, Stage.CHECKED)
        assert "type how many they are, 3." in answer.text
    post("commit", replace="yes", missing="3", agreed="3")
    work()

    assert living(runtime) == {"C1", "C4"}


def test_no_more_are_marked_than_were_shown(runtime, clinic, browser, post, work, checked):
    checked(1)
    make_client(runtime.db, clinic, "X9", "Pat Roe")

    post("commit", replace="yes", missing="1", agreed="1")
    work()

    assert living(runtime) == {"X0", "X9", "C1", "C4"}
    assert "you were shown 1" in page_of(browser, clinic)


def test_a_number_that_another_check_outdated_is_not_taken(post, checked, upload):
    checked(2)

    answer = post("commit", replace="yes", missing="1", agreed="1")

    assert "checked again meanwhile" in answer.text
    assert upload.read().stage is Stage.CHECKED


def test_nobody_is_marked_while_rows_are_rejected(runtime, clinic, browser, post, work, checked):
    checked(1, MORE)
    page = page_of(browser, clinic)
    assert 'name="replace"' not in page
    assert "mend the rejected rows first" in page

    post("commit", replace="yes", missing="1", agreed="1")
    work()

    assert living(runtime) == {"X0", "C1", "C2", "C4"}


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 xl/ and more"])
def test_what_is_refused_is_told_where_another_list_can_be_chosen(clinic, post, content):
    page = put(post, content).text

    assert 'role="alert"' in page
    assert 'type="file"' in page
    assert clinic.name in page


def test_what_is_too_large_is_told_there_too(browser, clinic, monkeypatch):
    monkeypatch.setattr(pages, "LARGEST", 1024)
    monkeypatch.setattr(pages, "FORM_BESIDES", 1024)
    where = f"/clients/import/upload?clinic={clinic.id}"

    answer = browser.post(where, data={"list": (io.BytesIO(b"x" * 5000), "a.csv")})

    assert answer.status_code == 413
    assert 'role="alert"' in answer.text
    assert 'type="file"' in answer.text


def test_columns_that_cannot_be_keep_what_was_chosen(post):
    put(post)

    page = post("check", **columns("id", "id", "phones", "patients")).text

    assert page.count('<option value="id" selected>') == 2
