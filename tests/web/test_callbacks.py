"""The page of whom somebody must call back: what a front desk reads there, and what it decides."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape

import flask
import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote import Ringnote, person
from ringnote.clock import utc_now
from ringnote.errors import OutcomeUnknown, RecordRejected
from ringnote.ledger.rules import DEFAULT_RULES
from ringnote.models import CallbackState, Decision, Doubt, Entry, EntryState, OutboxRow, Policy
from stories import CALLER, Phone, callbacks, entries, settle, write

STRANGER = "+12125550177"


@pytest.fixture
def clinic(db):
    return make_clinic(db, name="Oak Street Vets")


@pytest.fixture
def phone(runtime, clinic):
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    return Phone(runtime, clinic)


@pytest.fixture
def somebody(runtime, clinic):
    """A browser in which somebody of a role is signed in, of the one clinic unless others are."""

    def sign_in(role: str, clinics=()):
        host = flask.Flask("host")
        Ringnote(
            host,
            runtime=runtime,
            url_prefix="",
            current_user=lambda: person("kim", role, list(clinics) or [clinic.id]),
        )
        return host.test_client()

    return sign_in


@pytest.fixture
def kim(somebody):
    return somebody("operator")


def cards(browser) -> list[str]:
    """Each callback of the page as a person reads it."""
    page = browser.get("/callbacks").text
    found = re.findall(r'<li class="sheet callback".*?</li>', page, re.DOTALL)
    return [" ".join(unescape(re.sub(r"<[^>]+>", " ", each)).split()) for each in found]


def press(browser, path, callback_id, **fields):
    """Press the button of a card."""
    page = browser.get("/callbacks").text
    [token, *_] = re.findall(r'name="form_token" value="(\w+)"', page) or [""]
    return browser.post(path, data={"form_token": token, "callback": callback_id, **fields})


def test_a_card_says_where_its_task_is_not_in_the_pms_and_why(runtime, clinic, phone, kim):
    pms = MemoryConnector()
    pms.failures = [RecordRejected("the PMS answered 422", status=422)] * 2
    make_connection(runtime.db, clinic)
    phone.missed("u-1")
    phone.missed("u-2", caller=STRANGER)
    settle(runtime)
    write(runtime, pms)

    [refused, waits] = sorted(cards(kim), key=lambda card: "whose number" in card)
    page = kim.get("/callbacks").text

    assert "The PMS did not take its task" in refused
    assert f'<a href="/call?clinic={clinic.id}&amp;uuid=u-1">why, and what to do</a>' in page
    assert "Its task is not in the PMS yet: whose number is it?" in waits


class Blind(MemoryConnector):
    """A PMS that honours no key and finds nothing by reference. `failure` is raised of tasks."""

    capabilities = replace(
        MemoryConnector.capabilities, idempotency_key=False, find_by_reference=False
    )
    failure: Exception | None = None

    def create_task(self, task, key):
        if self.failure:
            raise self.failure
        return super().create_task(task, key)

    def update_task(self, pms_id, task):
        if self.failure:
            raise self.failure
        super().update_task(pms_id, task)


def write_all(runtime, pms):
    """Try whatever is owed, however long it would wait, until it is written or set aside."""
    for _ in range(3):
        with runtime.db.transaction() as session:
            session.execute(sa.update(OutboxRow).values(due_at=utc_now() - timedelta(minutes=1)))
        write(runtime, pms)


REFUSED = RecordRejected("the PMS answered 422", status=422)


@pytest.mark.parametrize(
    ("failure", "stands", "said"),
    [
        (REFUSED, False, "The PMS did not take its task, so it may not be seen there"),
        (REFUSED, True, "The PMS did not take the last change of its task, so what is seen of it"),
        (OutcomeUnknown("no answer"), False, "No answer came when its task was written, so it may"),
    ],
)
def test_a_card_says_of_a_task_that_is_set_aside_what_is_known_of_it(
    runtime, clinic, phone, kim, failure, stands, said
):
    pms = Blind()
    make_connection(runtime.db, clinic)
    phone.missed("u-1")
    settle(runtime)
    if stands:
        write_all(runtime, pms)
    pms.failure = failure
    phone.missed("u-2")
    settle(runtime)
    write_all(runtime, pms)

    [card] = cards(kim)

    [task] = [each for each in entries(runtime) if each.kind == "task"]
    assert (task.state, bool(task.pms_id)) == ("set_aside", stands)
    assert said in card
    assert card.count("why, and what to do") == 1


def test_a_card_says_of_a_task_that_was_perhaps_amended_that_it_may_be_old(
    runtime, clinic, phone, kim
):
    make_connection(runtime.db, clinic)
    phone.missed("u-1")
    settle(runtime)
    write_all(runtime, Blind())
    with runtime.db.transaction() as session:
        asked = {"state": EntryState.SET_ASIDE, "doubt": Doubt.ASKED}
        session.execute(sa.update(Entry).values(asked))

    [card] = cards(kim)

    assert "No answer came when its task was amended, so what is seen of it in the PMS" in card


def test_a_card_that_texts_alone_asked_for_leads_to_where_its_task_can_be_mended(
    runtime, clinic, phone, kim
):
    with runtime.db.transaction() as session:
        rules = DEFAULT_RULES | {"callbacks": {"texts": True, "text_minutes": 0}}
        made = {"created_at": utc_now(), "created_by": "kim"}
        session.add(Policy(clinic_id=clinic.id, version=2, rules=rules, **made))
    make_connection(runtime.db, clinic)
    pms = Blind()
    pms.failure = REFUSED
    phone.text("Please call me")
    settle(runtime)
    write_all(runtime, pms)

    [card] = cards(kim)
    page = kim.get("/callbacks").text
    [path] = re.findall(r'<a href="([^"]*)">why, and what to do</a>', page)
    there = kim.get(unescape(path)).text

    assert "The PMS did not take its task" in card
    assert path.startswith(f"/conversation?clinic={clinic.id}&amp;id=")
    assert "Task: " in there
    assert "Try again now" in there


def test_a_card_tells_who_called_what_they_said_and_what_was_tried(runtime, phone, somebody):
    phone.missed("u-1")
    phone.missed("u-2")
    phone.text("It is about Rex")
    phone.dials("u-3")
    phone.text("We called you", inbound=False)
    settle(runtime)

    [card] = cards(somebody("viewer"))

    assert card.startswith("Jane Doe Due ")
    assert "Texted (212) 555-0142" in card
    assert re.search(r"2 missed calls, the last .*\d+:\d\d [ap]m, waited about 6 s\.", card)
    assert re.search(r"It is about Rex texted .*\d+:\d\d [ap]m", card)
    assert re.search(r"Waits since .*\d+:\d\d [ap]m \(1 h\)", card)
    assert re.search(r"called once, .* by Amy \(101\) · texted once · the whole story$", card)
    assert not re.search(r"\d:\d\d:\d\d", card)


def test_times_and_numbers_are_as_people_of_the_clinic_write_them(runtime, db, somebody):
    berlin = make_clinic(db, region="DE", timezone="Europe/Berlin")
    Phone(runtime, berlin).missed("u-1", "+493012345678")
    settle(runtime)

    [card] = cards(somebody("viewer", [berlin.id]))

    assert "030 12345678" in card
    assert re.search(r"1 missed call, (?!the last).*\d\d:\d\d,", card)


def test_the_longest_wait_comes_first_and_what_is_late_says_so(runtime, phone, kim):
    phone.at += timedelta(minutes=30)
    phone.missed("u-1", STRANGER)
    phone.at -= timedelta(days=9)
    phone.missed("u-2")
    settle(runtime)

    first, second = cards(kim)

    assert first.startswith("Jane Doe Was due ")
    assert "(9 d)" in first
    assert second.startswith("DOE JANE Due ")


def test_somebody_says_that_it_is_done_and_that_it_was_not(runtime, phone, kim):
    phone.missed("u-1")
    settle(runtime)
    [row] = callbacks(runtime)

    closed = press(kim, "/callbacks/close", row.id, why="Reached them")

    assert closed.headers["Location"] == "/callbacks?done=closed"
    assert "Closed." in kim.get(closed.headers["Location"]).text
    assert "Nobody waits" in kim.get("/callbacks").text
    assert re.search(r"Done \(212\) 555-0142 .* Closed .*: kim: Reached them", cards(kim)[0])
    assert [each.content["is_done"] for each in entries(runtime) if each.kind == "task"] == [True]
    press(kim, "/callbacks/reopen", row.id)
    assert [each.state for each in callbacks(runtime)] == [CallbackState.OPEN]
    with runtime.db.reading() as session:
        made_by = session.scalars(sa.select(Decision.made_by)).all()
    assert made_by == ["kim", "kim"]


def test_done_wants_a_word_on_what_came_of_it(runtime, phone, kim):
    phone.missed("u-1")
    settle(runtime)
    [row] = callbacks(runtime)

    refused = press(kim, "/callbacks/close", row.id, why="  ")

    assert (refused.status_code, "what came of it" in refused.text) == (400, True)
    assert [each.state for each in callbacks(runtime)] == [CallbackState.OPEN]


def test_a_viewer_decides_nothing_and_nobody_does_of_another_clinic(
    runtime, db, phone, kim, somebody
):
    phone.missed("u-1")
    foreign = Phone(runtime, make_clinic(db))
    foreign.missed("u-7", STRANGER)
    settle(runtime)
    mine, theirs = sorted(callbacks(runtime), key=lambda each: each.clinic_id)
    viewer = somebody("viewer")

    assert "<form" not in viewer.get("/callbacks").text
    assert len(cards(kim)) == 1
    assert viewer.post("/callbacks/close", data={"callback": mine.id}).status_code == 403
    assert press(kim, "/callbacks/close", mine.id, why="x", form_token="").status_code == 400
    for unknown in (theirs.id, "", "x", "9" * 30):
        assert press(kim, "/callbacks/close", unknown, why="x").status_code == 404
    assert {each.state for each in callbacks(runtime)} == {CallbackState.OPEN}
