"""Whole stories: from a note back to its webhooks, from a webhook forward to the note."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.errors import OutcomeUnknown, Temporary
from ringnote.ledger.corrections import correct_call
from ringnote.ledger.trace import tell_call, tell_conversation
from stories import CALLER, Phone, purge, settle, write

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


@pytest.fixture
def clinic(db):
    clinic = make_clinic(db, name="Oak Street Vets")
    make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    return clinic


@pytest.fixture
def phone(runtime, clinic):
    return Phone(runtime, clinic, at=AT)


@pytest.fixture
def tell(runtime):
    def story(call, clinics=None):
        with runtime.db.reading() as session:
            return tell_call(session, call, clinics)

    return story


@pytest.fixture
def correct(runtime, clinic):
    def say(call, outcome):
        with runtime.db.transaction() as session:
            now = runtime.clock()
            correct_call(session, runtime.db, clinic.id, call, outcome, "Kim", "", now)
        settle(runtime)

    return say


def test_of_a_call_uuid_that_nobody_had_there_is_nothing_to_tell(tell, clinic):
    assert tell("u-9") == []


def test_each_event_is_told_with_its_time_of_receipt_in_order(runtime, phone, tell):
    phone.missed("u-1")
    phone.missed("u-2")
    settle(runtime)

    [told] = tell("u-1")

    assert [(each["type"], each["at"]) for each in told["events"]] == [
        ("InboundCall", AT + timedelta(seconds=3)),
        ("ringAttempt", AT + timedelta(seconds=6)),
        ("HangupCall", AT + timedelta(seconds=9)),
    ]
    assert (told["outcome"], told["evidence"]) == (
        "missed",
        ["the call ended and nobody had answered"],
    )


def test_what_the_phone_system_did_not_report_is_told(runtime, phone, tell):
    phone.event("HangupCall", "u-1", extNumber="101", callerIdNum=CALLER)
    settle(runtime)

    [told] = tell("u-1")

    assert told["missing"] == ["its beginning", "an answer at extension 101"]


def test_each_use_of_a_call_uuid_has_its_own_events(runtime, phone, tell):
    phone.answered("u-1")
    phone.at += timedelta(days=2)
    phone.missed("u-1")
    settle(runtime)

    first, second = tell("u-1")

    assert (first["ordinal"], first["outcome"], len(first["events"])) == (1, "answered", 4)
    assert (second["ordinal"], second["outcome"], len(second["events"])) == (2, "missed", 3)


def test_each_clinic_s_call_is_told_apart_and_alone_if_asked(runtime, phone, tell):
    other = Phone(runtime, make_clinic(runtime.db, name="Elm Street Vets"), at=AT)
    phone.missed("u-1")
    other.answered("u-1")
    settle(runtime)

    both, one = tell("u-1"), tell("u-1", {other.clinic.id})

    assert [each["clinic"]["name"] for each in both] == ["Oak Street Vets", "Elm Street Vets"]
    assert [len(each["events"]) for each in both] == [3, 4]
    assert [each["clinic"]["name"] for each in one] == ["Elm Street Vets"]


def test_every_try_is_told_with_what_came_of_it(runtime, phone, clinic, tell):
    make_connection(runtime.db, clinic)
    pms = MemoryConnector()
    pms.failures = [Temporary("the PMS is busy", status=503)]
    phone.answered("u-1")
    settle(runtime)
    write(runtime, pms)

    [told] = tell("u-1")

    [entry] = told["entries"]
    [attempt] = entry["tries"]
    assert (attempt["action"], attempt["outcome"], attempt["http_status"], attempt["error"]) == (
        "create",
        "again",
        503,
        "the PMS is busy",
    )
    assert told["disposition"] == "retrying"


def test_an_unknown_outcome_is_told_as_such(runtime, phone, clinic, tell):
    make_connection(runtime.db, clinic)
    pms = MemoryConnector()
    pms.failures = [OutcomeUnknown("no answer came")]
    phone.answered("u-1")
    settle(runtime)
    write(runtime, pms)

    [told] = tell("u-1")

    assert [each["outcome"] for each in told["entries"][0]["tries"]] == ["unknown"]


def test_a_task_is_told_with_each_call_that_asks_for_it(runtime, phone, tell):
    phone.missed("u-1")
    phone.missed("u-2")
    settle(runtime)

    tasks = [
        [each["id"] for each in told["entries"] if each["kind"] == "task"]
        for told in (*tell("u-1"), *tell("u-2"))
    ]

    assert tasks[0] == tasks[1]
    assert len(tasks[0]) == 1


def test_a_task_that_was_withdrawn_stays_in_the_story_of_the_call(runtime, phone, tell, correct):
    phone.missed("u-1")
    settle(runtime)

    correct("u-1", "answered")

    [told] = tell("u-1")
    assert {each["kind"]: each["state"] for each in told["entries"]} == {
        "note": "due",
        "task": "withdrawn",
    }
    assert told["disposition"] == "due"


def test_a_task_that_others_still_ask_for_is_no_longer_this_call_s(runtime, phone, tell, correct):
    phone.missed("u-1")
    phone.missed("u-2")
    settle(runtime)

    correct("u-1", "answered")

    [left], [asking] = tell("u-1"), tell("u-2")
    assert [each["kind"] for each in left["entries"]] == ["note"]
    assert {each["kind"] for each in asking["entries"]} == {"note", "task"}


def test_a_correction_is_told_with_who_made_it(runtime, phone, tell, correct):
    phone.missed("u-1")
    phone.missed("u-2")
    settle(runtime)

    correct("u-1", "answered")

    [corrected], [other] = tell("u-1"), tell("u-2")
    [decision] = corrected["decisions"]
    assert (decision["by"], decision["value"]) == ("Kim", {"outcome": "answered"})
    assert corrected["evidence"] == ["corrected by Kim"]
    assert other["decisions"] == []


def test_a_conversation_is_told_window_by_window_with_its_own_events(runtime, phone):
    phone.text("Is Rex ready?")
    phone.text("Is Rex ready?")
    phone.at += timedelta(days=1)
    phone.text("Yes.", inbound=False)
    settle(runtime)

    with runtime.db.reading() as session:
        first, second = tell_conversation(session, "c-1")
        assert tell_conversation(session, "c-1", {phone.clinic.id + 1}) == []

    assert [each["text"] for each in first["messages"]] == ["Is Rex ready?"]
    assert [each["type"] for each in first["events"]] == ["inboundMessage"] * 2
    assert [each["text"] for each in second["messages"]] == ["Yes."]
    assert [each["type"] for each in second["events"]] == ["outboundMessage"]


def test_a_call_whose_webhooks_were_purged_says_so_and_tells_none(runtime):
    clinic = make_clinic(runtime.db)
    phone = Phone(runtime, clinic, at=utc_now() - timedelta(days=130, hours=1))
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    make_connection(runtime.db, clinic)
    phone.answered("u-1")
    phone.text("Is Rex ready?")
    settle(runtime)
    write(runtime, MemoryConnector())

    purge(runtime)

    with runtime.db.reading() as session:
        told = [*tell_call(session, "u-1"), *tell_conversation(session, "c-1")]
    assert [each["events"] for each in told] == [[], []]
    for each in told:
        assert re.fullmatch(
            r"its webhooks were purged on \d{4}-\d\d-\d\d, after 13[01] days", each["purged"]
        )
