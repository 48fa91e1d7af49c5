"""Webhooks purged by age: what goes, what stays, and what is frozen for good."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.errors import InputError
from ringnote.keeping.house import keep_house
from ringnote.keeping.turn import take_turn
from ringnote.ledger.corrections import correct_call
from ringnote.ledger.replay import Span
from ringnote.models import Event, SubjectKind
from ringnote.telephony.marks import mark_due
from stories import CALLER, Phone, calls, entries, purge, replay, settle, transcripts, write

LONG_AGO = timedelta(days=200)
STRANGER = "+12125550177"


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch):
    monkeypatch.setattr("ringnote.keeping.turn.LONGEST_PAUSE_SECONDS", 0)


@pytest.fixture
def clinic(db):
    return make_clinic(db)


@pytest.fixture
def phone(runtime, clinic):
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    make_connection(runtime.db, clinic)
    return Phone(runtime, clinic, at=utc_now() - LONG_AGO)


def events(runtime):
    with runtime.db.reading() as session:
        return list(session.scalars(sa.select(Event).order_by(Event.id)))


def settle_again(runtime, clinic, key, kind=SubjectKind.CALL):
    with runtime.db.transaction() as session:
        mark_due(session, runtime.db, clinic.id, kind, key)
    settle(runtime)


def told(runtime):
    return [(each.kind, each.version, each.state, each.content) for each in entries(runtime)]


def test_what_was_written_long_ago_loses_its_webhooks_and_keeps_its_entries(runtime, phone):
    phone.answered("u-1")
    phone.missed("u-2")
    phone.text("Is Rex ready?")
    settle(runtime)
    write(runtime, MemoryConnector())
    before = told(runtime)

    purged = purge(runtime)

    assert purged["events"] >= 8
    assert events(runtime) == []
    assert told(runtime) == before
    assert all(each.frozen_at for each in [*calls(runtime), *transcripts(runtime)])


def test_what_is_younger_than_the_settings_say_stays(runtime, phone):
    phone.answered("u-1")
    phone.at = utc_now() - timedelta(days=80)
    phone.answered("u-2")
    settle(runtime)
    write(runtime, MemoryConnector())

    purge(runtime)

    assert {each.subject_key for each in events(runtime)} == {"u-2"}
    assert {each.call_uuid: bool(each.frozen_at) for each in calls(runtime)} == {
        "u-1": True,
        "u-2": False,
    }


def test_what_is_not_settled_keeps_its_webhooks(runtime, phone):
    phone.answered("u-1")

    purge(runtime)

    assert len(events(runtime)) == 4


def test_what_waits_for_a_match_keeps_its_webhooks(runtime, clinic, phone):
    phone.answered("u-1", caller=STRANGER)
    settle(runtime)

    purge(runtime)

    assert len(events(runtime)) == 4
    assert calls(runtime)[0].frozen_at is None


def test_what_is_on_its_way_to_the_pms_keeps_its_webhooks(runtime, phone):
    phone.missed("u-1")
    settle(runtime)

    purge(runtime)
    assert len(events(runtime)) == 3

    write(runtime, MemoryConnector())
    purge(runtime)
    assert events(runtime) == []


def test_quarantined_and_unknown_webhooks_go_by_age_alone(runtime, phone):
    phone.post(b"no webhook at all")
    phone.event("somethingNew", "u-9")
    settle(runtime)

    purge(runtime)

    assert events(runtime) == []


def test_a_frozen_call_is_never_folded_again_from_half_of_its_webhooks(runtime, clinic, phone):
    phone.answered("u-1")
    settle(runtime)
    write(runtime, MemoryConnector())
    purge(runtime)
    before, [call] = told(runtime), calls(runtime)

    # Out of a spool that was found again after all this time.
    phone.event("HangupCall", "u-1", extNumber="", extName="", callerIdNum=CALLER)
    settle(runtime)
    settle_again(runtime, clinic, "u-1")

    assert told(runtime) == before
    assert [each.summary for each in calls(runtime)] == [call.summary]
    purge(runtime)
    assert events(runtime) == []


def test_the_callUuid_of_a_frozen_call_that_is_used_again_is_another_call(runtime, phone):
    phone.answered("u-1")
    settle(runtime)
    write(runtime, MemoryConnector())
    purge(runtime)

    phone.at = utc_now() - timedelta(hours=1)
    phone.missed("u-1")
    settle(runtime)

    assert [(each.ordinal, each.outcome) for each in calls(runtime)] == [
        (1, "answered"),
        (2, "missed"),
    ]


def test_an_earlier_call_that_waits_holds_back_a_later_one_of_the_same_callUuid(runtime, phone):
    phone.answered("u-1", caller=STRANGER)
    phone.at += timedelta(days=2)
    phone.answered("u-1")
    settle(runtime)
    write(runtime, MemoryConnector())

    purge(runtime)

    assert len(events(runtime)) == 8


def test_a_frozen_day_of_texts_stays_while_the_conversation_goes_on(runtime, clinic, phone):
    phone.text("Is Rex ready?")
    settle(runtime)
    write(runtime, MemoryConnector())
    purge(runtime)
    [old] = transcripts(runtime)

    phone.text("late, out of a spool")
    phone.at = utc_now() - timedelta(hours=1)
    phone.text("And today?")
    settle(runtime)

    [same, new] = transcripts(runtime)
    assert same.summary == old.summary
    assert [each["text"] for each in new.summary["messages"]] == ["And today?"]


def test_a_leg_and_its_call_are_frozen_together_or_not_at_all(runtime, clinic, phone):
    phone.rings("u-1")
    phone.answer("u-1")
    phone.event("ExtensionAnswered", "u-2", callerIdNum=CALLER, extensionNumber="102")
    phone.event("HangupCall", "u-2", extNumber="102", callerIdNum=CALLER)
    phone.event("HangupCall", "u-1", extNumber="101", callerIdNum=CALLER)
    settle(runtime)
    write(runtime, MemoryConnector())
    assert any(each.leg_of for each in calls(runtime))
    with runtime.db.transaction() as session:
        mark_due(session, runtime.db, clinic.id, SubjectKind.CALL, "u-2")

    purge(runtime)
    assert [each.frozen_at for each in calls(runtime)] == [None, None]

    settle(runtime)
    write(runtime, MemoryConnector())
    purge(runtime)
    assert all(each.frozen_at for each in calls(runtime))


def test_a_person_is_told_why_a_frozen_call_cannot_be_corrected(runtime, clinic, phone):
    phone.missed("u-1")
    settle(runtime)
    write(runtime, MemoryConnector())
    purge(runtime)

    with (
        pytest.raises(InputError, match="were purged"),
        runtime.db.transaction() as session,
    ):
        correct_call(session, runtime.db, clinic.id, "u-1", "answered", "Kim", "", utc_now())


def test_a_quarantined_webhook_replayed_into_a_frozen_call_changes_nothing(runtime, clinic, phone):
    phone.answered("u-1")
    settle(runtime)
    write(runtime, MemoryConnector())
    purge(runtime)
    before = told(runtime)

    phone.event("HangupCall", "u-1", extNumber="", callerIdNum=CALLER)
    [event] = events(runtime)
    replay(runtime, Span([event.id]))
    settle(runtime)

    assert told(runtime) == before


def test_webhooks_of_a_clock_that_was_years_ahead_go_by_their_receipt(runtime, phone):
    phone.answered("u-1")
    settle(runtime)
    write(runtime, MemoryConnector())
    with runtime.db.transaction() as session:
        for number, event in enumerate(session.scalars(sa.select(Event)).all()):
            event.id = f"7ZZZZZZZZZZZZZZZZZZZZZZZZ{number}"

    purge(runtime)

    assert events(runtime) == []


def test_a_run_that_is_stopped_is_gone_on_with_by_the_next(runtime, phone, monkeypatch):
    monkeypatch.setattr("ringnote.keeping.events.BATCH", 3)
    for number in range(4):
        phone.answered(f"u-{number}")
    settle(runtime)
    write(runtime, MemoryConnector())
    turns = []
    turn = take_turn(
        runtime.db, lambda: any(each.purged["frozen"] >= 2 for each in turns), at_once=True
    )
    turns.append(turn)

    assert keep_house(runtime, turn) is None
    left = events(runtime)

    # The lease of the run that was stopped has not run out yet: as if its worker had been killed.
    assert purge(runtime) is None
    with runtime.db.transaction() as session:
        session.execute(sa.text("UPDATE ringnote_housekeeping SET leased_until = started_at"))
    assert purge(runtime) is not None
    assert len(left) > 0
    assert events(runtime) == []
