"""The page of a clinic's policy: what everybody reads there, and what an admin sets."""

import re

import flask
import pytest

from factories import make_client, make_clinic
from ringnote import Ringnote, person
from ringnote.ledger.policies import get_policy, list_policies
from ringnote.ledger.policy_words import tell_policy
from ringnote.ledger.rules import read_stored
from stories import CALLER, Phone, settle

FEWER = '[callbacks]\noutcomes = ["voicemail"]\n'


@pytest.fixture
def clinic(db):
    return make_clinic(db, name="Oak Street Vets")


@pytest.fixture
def browser(runtime, clinic):
    """A browser in which somebody of a role is signed in, below a prefix."""

    def sign_in(role: str):
        host = flask.Flask("host")
        theirs = [clinic.id]
        kim = lambda: person("kim", role, theirs)  # noqa: E731
        Ringnote(host, runtime=runtime, url_prefix="/phones", current_user=kim)
        return host.test_client()

    return sign_in


def send(browser, do, text, version="1", **fields):
    page = browser.get("/phones/policy").text
    [token, *_] = re.findall(r'name="form_token" value="(\w+)"', page) or [""]
    [clinic_id, *_] = re.findall(r'name="clinic" value="(\d+)"', page) or ["1"]
    form = {"form_token": token, "clinic": clinic_id, "version": version, "do": do, "text": text}
    return browser.post("/phones/policy", data=form | fields)


def versions(db, clinic):
    with db.reading() as session:
        return [each.version for each in list_policies(session, clinic)]


def test_whoever_looks_reads_it_in_words_and_takes_it_along_but_sets_nothing(db, clinic, browser):
    viewer = browser("viewer")

    page = viewer.get("/phones/policy").text
    file = viewer.get(f"/phones/policy/file?clinic={clinic.id}&version=1")

    assert "After 60 minutes of opening hours; 120 after a try without an answer" in page
    assert "<textarea" not in page
    assert "due_minutes = 60" in file.text
    assert "attachment" in file.headers["Content-Disposition"]
    assert send(viewer, "save", FEWER).status_code in (400, 403)
    absent = viewer.get("/phones/policy?clinic=999")
    assert absent.status_code == 404
    assert "it is of a clinic that is not yours" in absent.text
    assert viewer.get(f"/phones/policy/file?clinic={clinic.id}&version=x").status_code == 404
    assert versions(db, clinic) == [1]


def test_every_fault_is_named_with_its_line_and_what_was_typed_stays(db, clinic, browser):
    answer = send(browser("admin"), "save", FEWER + "due_minutes = 0\nx = 1\n")

    assert answer.status_code == 400
    assert "2 faults, so nothing was changed" in answer.text
    assert "line 3, callbacks.due_minutes: must be at least 1, not 0" in answer.text
    assert "line 4, callbacks.x: there is no such setting" in answer.text
    assert "due_minutes = 0\nx = 1" in answer.text
    nope = send(browser("admin"), "check", '[callbacks]\noutcomes = ["nope"]\n').text
    assert "is none of" in nope
    assert "no call will ever become a callback task" not in nope
    assert versions(db, clinic) == [1]


def test_a_rehearsal_names_who_would_have_no_task_and_writes_nothing(runtime, db, clinic, browser):
    make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    Phone(runtime, clinic).missed("u-1")
    settle(runtime)

    page = send(browser("admin"), "rehearse", FEWER + '[matching]\nshared = "all"\n').text

    assert "1 → 0 tasks" in page
    assert "These callers would no longer have a task" in page
    assert "+1 212-555-0142" in page
    assert "Not foreseen: matching.shared." in page
    assert versions(db, clinic) == [1]


def test_what_is_too_much_to_rehearse_costs_nothing_of_what_was_typed(
    runtime, clinic, browser, monkeypatch
):
    monkeypatch.setattr("ringnote.web.console.policy.MOST_PAST", 1)
    phone = Phone(runtime, clinic)
    phone.missed("u-1")
    phone.missed("u-2")
    settle(runtime)

    page = send(browser("admin"), "rehearse", FEWER).text

    assert "Over 1 calls and texts came in 14 days" in page
    assert "outcomes = [&#34;voicemail&#34;]" in page
    assert "Save as version 2" in page


def test_an_admin_saves_it_and_the_versions_say_who_and_what(db, clinic, browser):
    admin = browser("admin")
    checked = send(admin, "check", FEWER).text

    answer = send(admin, "save", FEWER)

    assert "Save as version 2" in checked
    assert answer.status_code == 302
    assert answer.location.startswith("/phones/policy?")
    page = admin.get(answer.location).text
    assert "Version 2 is in force." in page
    assert re.search(r"<h3>Version 2 <span[^>]*>kim, ", page)
    assert "<code>callbacks.outcomes</code>" in page
    with db.reading() as session:
        assert get_policy(session, clinic).rules["callbacks"]["outcomes"] == ["voicemail"]


def test_what_was_edited_from_a_former_version_is_not_saved_over_a_newer_one(db, clinic, browser):
    admin = browser("admin")
    send(admin, "save", FEWER)

    answer = send(admin, "save", "watch_only = true\n")

    assert answer.status_code == 409
    assert "Somebody set another version meanwhile" in answer.text
    assert versions(db, clinic) == [1, 2]


def test_a_button_pressed_twice_saves_once_and_blames_nobody(db, clinic, browser):
    admin = browser("admin")

    answers = [send(admin, "save", FEWER, version="1") for _ in range(2)]

    assert [each.status_code for each in answers] == [302, 302]
    assert "Version 2 is in force." in admin.get(answers[1].location).text
    assert versions(db, clinic) == [1, 2]


def test_before_there_is_a_clinic_the_page_says_how_the_first_one_is_made(runtime):
    host = flask.Flask("host")
    Ringnote(
        host, runtime=runtime, url_prefix="/phones", current_user=lambda: person("kim", "viewer")
    )

    answer = host.test_client().get("/phones/policy")

    assert answer.status_code == 200
    assert "<code>ringnote clinic add</code>" in answer.text


def test_days_of_the_same_hours_are_told_together():
    hours = {"monday": [], "tuesday": [], "sunday": ["09:00-12:00"]}

    told = dict(tell_policy(read_stored({"hours": hours})))["Open"]

    assert told == ("Wednesday to Friday 08:00-18:00; Saturday 08:00-12:00; Sunday 09:00-12:00")
