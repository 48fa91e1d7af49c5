"""Transfers that came with a callUuid of their own."""

import itertools
from datetime import timedelta

import pytest

from factories import make_client, make_clinic
from ringnote.ledger.trace import tell_call
from ringnote.models import CallbackState
from stories import CALLER, Phone, callbacks, calls, entries, marks, settle


@pytest.fixture
def clinic(db):
    return make_clinic(db)


@pytest.fixture
def phone(runtime, clinic):
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    return Phone(runtime, clinic)


def titles(runtime):
    return sorted(each.content["title"] for each in entries(runtime) if each.is_wanted)


def events_of_a_transfer(phone):
    """A call that 101 took and gave to 105, for whom it has another callUuid."""
    return [
        phone.body(
            "InboundCall", "u-1", didNumber="+12125550100", callerIdNum=CALLER, callerIdName="DOE"
        ),
        phone.body(
            "ExtensionAnswered", "u-1", callerIdNum=CALLER, extensionNumber="101", extensionName="A"
        ),
        phone.body("HangupCall", "u-1", extNumber="101", extName="A", callerIdNum=CALLER),
        phone.body(
            "ExtensionAnswered", "u-2", callerIdNum=CALLER, extensionNumber="105", extensionName="B"
        ),
        phone.body("HangupCall", "u-2", extNumber="105", extName="B", callerIdNum=CALLER),
    ]


def test_a_transfer_to_another_call_uuid_is_one_call_in_any_order(runtime, clinic, phone):
    bodies = events_of_a_transfer(phone)
    told = set()
    phone.at -= timedelta(days=2)
    for number, order in enumerate(itertools.permutations(bodies)):
        if number % 7:
            continue
        phone.at += timedelta(hours=1)
        before = len(entries(runtime))
        for body in order:
            # Another pair of callUuids for each order, so that each is a story of its own.
            phone.post(body.replace(b"u-1", b"a-%d" % number).replace(b"u-2", b"b-%d" % number))
            settle(runtime)
        new = [each for each in entries(runtime)[before:] if each.is_wanted]
        told.add(tuple(each.content["title"] for each in new))

    assert told == {("Incoming call answered by A (101) and B (105)",)}
    assert marks(runtime) == []


def test_a_leg_says_of_what_it_is_a_part(runtime, phone):
    for body in events_of_a_transfer(phone):
        phone.post(body)
    settle(runtime)

    whole, leg = sorted(calls(runtime), key=lambda call: call.call_uuid)
    assert leg.leg_of == whole.id
    assert leg.filtered_by == "a part of call u-1, to which its events are counted"


def test_the_story_of_a_call_has_its_legs_events_and_what_they_changed(runtime, phone):
    for body in events_of_a_transfer(phone):
        phone.post(body)
    settle(runtime)

    with runtime.db.reading() as session:
        [whole] = tell_call(session, "u-1")
        [leg] = tell_call(session, "u-2")

    assert [(each["key"], each["type"]) for each in whole["events"]] == [
        ("u-1", "InboundCall"),
        ("u-1", "ExtensionAnswered"),
        ("u-1", "HangupCall"),
        ("u-2", "ExtensionAnswered"),
        ("u-2", "HangupCall"),
    ]
    assert "105 answered" in whole["events"][3]["changed"]
    assert [each["key"] for each in leg["events"]] == ["u-2", "u-2"]


def test_a_missed_call_that_was_answered_on_its_leg_withdraws_its_callback(runtime, phone):
    phone.missed("u-1")
    settle(runtime)
    assert titles(runtime) == ["Call back: missed call", "Missed call"]

    phone.answer("u-2")
    settle(runtime)

    assert titles(runtime) == ["Incoming call answered by Amy (101)"]
    assert [each.state for each in callbacks(runtime)] == [CallbackState.WITHDRAWN]


def test_a_caller_who_redials_within_seconds_is_two_calls(runtime, phone):
    phone.answered("u-1")
    phone.answered("u-2")
    settle(runtime)

    assert titles(runtime) == ["Incoming call answered by Amy (101)"] * 2


def test_an_arrival_that_was_reported_late_makes_it_a_call_of_its_own_again(runtime, phone):
    phone.answered("u-1")
    phone.event("HangupCall", "u-2", extNumber="105", callerIdNum=CALLER)
    settle(runtime)
    assert len(titles(runtime)) == 1

    phone.event("InboundCall", "u-2", didNumber="+12125550100", callerIdNum=CALLER)
    settle(runtime)

    assert titles(runtime) == [
        "Incoming call answered by 105",
        "Incoming call answered by Amy (101)",
    ]
    assert [each.leg_of for each in calls(runtime)] == [None, None]


@pytest.mark.parametrize(("pause", "notes"), [(50, 1), (70, 2)])
def test_only_what_is_within_a_minute_is_a_leg(runtime, phone, pause, notes):
    phone.answered("u-1")
    phone.at += timedelta(seconds=pause - 3)
    phone.event("HangupCall", "u-2", extNumber="105", callerIdNum=CALLER)
    settle(runtime)

    assert len(titles(runtime)) == notes


def test_another_caller_s_call_is_no_leg(runtime, phone):
    phone.answered("u-1")
    phone.event("HangupCall", "u-2", extNumber="105", callerIdNum="+12125550199")
    settle(runtime)

    assert len(titles(runtime)) == 2


def test_without_any_reported_arrival_calls_stay_apart(runtime, phone):
    phone.event("HangupCall", "u-1", extNumber="101", callerIdNum=CALLER)
    phone.event("HangupCall", "u-2", extNumber="105", callerIdNum=CALLER)
    settle(runtime)

    assert len(titles(runtime)) == 2
