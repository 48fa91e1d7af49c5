"""What was said to a PMS on a story's page, and what is answered of what was perhaps written."""

import re
from html import unescape

import flask
import pytest
import sqlalchemy as sa
from lesser import TOKEN, lesser_pms

from factories import make_client, make_clinic, make_connection
from ringnote import Ringnote, person
from ringnote.clock import utc_now
from ringnote.models import Decision, EntryState, OutboxRow
from stories import CALLER, Phone, entries, settle, write

# What a database keeps of it is tried on both in the tests of deliveries.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def clinic(db):
    return make_clinic(db, name="Oak Street Vets")


@pytest.fixture
def pms():
    with lesser_pms() as made:
        yield made


@pytest.fixture
def somebody(runtime, clinic):
    """A browser in which somebody of a role is signed in, of the one clinic."""

    def sign_in(role: str):
        host = flask.Flask("host")
        Ringnote(
            host,
            runtime=runtime,
            url_prefix="",
            current_user=lambda: person("kim", role, [clinic.id]),
        )
        return host.test_client()

    return sign_in


@pytest.fixture
def called(runtime, clinic, pms):
    """A call was answered whose note is due."""
    make_client(runtime.db, clinic, pms.client, "Jane Doe", numbers=[CALLER])
    make_connection(runtime.db, clinic)
    Phone(runtime, clinic).answered("u-1")
    settle(runtime)


@pytest.fixture
def in_doubt(runtime, called, pms):
    """Its note was perhaps written to a PMS that can't tell."""
    blind = pms.without("find_by_reference", "idempotency_key")
    pms.lose_answer()
    write(runtime, blind)
    with runtime.db.transaction() as session:
        session.execute(sa.update(OutboxRow).values(due_at=utc_now()))
    write(runtime, blind)
    return blind


def read(browser) -> str:
    """The call's page as a person reads it."""
    page = browser.get("/call?uuid=u-1").text
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def answer(browser, path, entry, **fields):
    """Press a button of the entry."""
    page = browser.get("/call?uuid=u-1").text
    [token, *_] = re.findall(r'name="form_token" value="(\w+)"', page) or [""]
    known = {"form_token": token, "clinic": entry.clinic_id, "entry": entry.id}
    return browser.post(path, data={**known, "kind": "call", "key": "u-1", **fields})


def test_each_try_tells_what_was_asked_and_answered_without_secrets(runtime, called, pms, somebody):
    write(runtime, pms.without())

    shown = read(somebody("viewer"))

    assert "1 try to write it" in shown
    assert "Write, version 1: done" in shown
    assert f"POST {pms.server.url}/api/v1/notes 201," in shown
    assert "Authorization: Bearer ⟪authorization⟫" in shown
    assert '"title": "Incoming call answered by Amy (101)"' in shown
    assert "Answered HTTP 201 Content-Length:" in shown
    assert f"curl -X POST {pms.server.url}/api/v1/notes -H" in shown
    assert "Set $AUTHORIZATION first." in shown
    assert TOKEN not in shown


def test_a_try_without_an_answer_says_so(runtime, in_doubt, somebody):
    shown = read(somebody("viewer"))

    assert "2 tries to write it" in shown
    assert "Write, version 1: no answer, perhaps it was carried out" in shown
    assert "Look up, version 1: set aside" in shown


def test_somebody_says_that_it_stands_there(runtime, in_doubt, pms, somebody):
    kim, [entry] = somebody("operator"), entries(runtime)
    assert "It stands there Write it again" in read(kim)
    [note] = pms.records()

    answered = answer(kim, "/entry/confirm", entry, pms_id=f" {note['id']} ")
    write(runtime, in_doubt)

    assert answered.headers["Location"] == f"/call?clinic={entry.clinic_id}&uuid=u-1&done=confirmed"
    [entry] = entries(runtime)
    assert (entry.state, entry.pms_id, len(pms.records())) == (EntryState.SYNCED, note["id"], 1)
    said = f"kim said that what was perhaps written (entry {entry.id}) stands in the PMS"
    assert said in read(kim)
    again = answer(kim, "/entry/confirm", entry)
    assert (again.status_code, "asks nothing" in again.text) == (400, True)


def test_somebody_has_it_written_again(runtime, in_doubt, pms, somebody):
    kim, [entry] = somebody("operator"), entries(runtime)

    answer(kim, "/entry/retry", entry)
    write(runtime, in_doubt)

    [entry] = entries(runtime)
    assert (entry.state, len(pms.records())) == (EntryState.SYNCED, 2)
    assert f"kim had what was perhaps written (entry {entry.id}) written again" in read(kim)


def test_what_failed_is_tried_again_without_a_question(runtime, called, somebody):
    with runtime.db.transaction() as session:
        entry = session.merge(entries(runtime)[0])
        entry.state, entry.reason = EntryState.SET_ASIDE, "the PMS refused it"

    shown = read(somebody("operator"))

    assert "Try again now" in shown
    assert "It stands there" not in shown


def test_a_viewer_answers_nothing_and_nobody_does_for_another_clinic(
    runtime, in_doubt, somebody, db
):
    [entry] = entries(runtime)
    viewer, kim = somebody("viewer"), somebody("operator")
    foreign = make_clinic(db)

    assert "It stands there" not in read(viewer)
    assert answer(viewer, "/entry/confirm", entry).status_code == 403
    assert answer(kim, "/entry/confirm", entry, clinic=foreign.id).status_code == 404
    assert answer(kim, "/entry/confirm", entry, form_token="").status_code == 400
    with runtime.db.reading() as session:
        assert session.scalars(sa.select(Decision)).all() == []
