"""What each event is said to have changed."""

from datetime import UTC, datetime, timedelta

from ringnote.telephony.changes import TOLD, tell_changes
from ringnote.telephony.facts import Correction, EventType, Fact, Grounds

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)
GROUNDS = Grounds(region="US", lines=frozenset({"+12125550100"}))
CALLER = "2125550142"


def fact(seconds: int, kind: EventType, **fields: str) -> Fact:
    at = AT + timedelta(seconds=seconds)
    return Fact(f"e-{seconds}-{kind}", at, kind, {"call_uuid": "u-1", **fields})


def told(*facts: Fact, corrections=()) -> list[tuple[str, ...]]:
    return list(tell_changes(facts, corrections, GROUNDS).values())


ARRIVED = fact(
    0,
    EventType.INBOUND_CALL,
    caller_number=CALLER,
    caller_name="DOE JANE",
    did_number="2125550100",
    did_description="Main",
)
QUEUED = fact(2, EventType.QUEUE_ENTERED, caller_number=CALLER, queue="Reception")
RANG = fact(4, EventType.EXTENSION_RINGS, caller_number=CALLER, extension="101")
ANSWERED = fact(12, EventType.EXTENSION_ANSWERED, caller_number=CALLER, extension="101")
ENDED = fact(72, EventType.HANGUP_CALL, caller_number=CALLER, extension="101")
NOBODY = fact(30, EventType.HANGUP_CALL, caller_number=CALLER)


def test_each_event_is_said_to_have_added_what_it_added():
    assert told(ARRIVED, QUEUED, RANG, ANSWERED, ENDED) == [
        ("inbound call", "other party: +12125550142", "line: Main", "caller: DOE JANE"),
        ("queue Reception",),
        ("101 rang",),
        ("101 answered", "outcome: answered", "waited: about 12 s"),
        ("ended", "talked: about 60 s"),
    ]


def test_a_repetition_changed_nothing():
    again = fact(5, EventType.EXTENSION_RINGS, caller_number=CALLER, extension="101")

    assert told(ARRIVED, RANG, again)[-1] == ()


def test_a_late_answer_turned_the_outcome():
    late = fact(40, EventType.EXTENSION_ANSWERED, caller_number=CALLER, extension="101")

    assert told(ARRIVED, RANG, NOBODY, late)[2:] == [
        ("ended", "outcome: missed", "waited: about 30 s"),
        ("101 answered", "outcome: missed → answered", "waited: not known"),
    ]


def test_what_an_event_showed_to_be_unreported_is_told_with_it():
    assert told(ARRIVED, RANG, ENDED)[-1] == (
        "101 answered",
        "ended",
        "outcome: answered",
        "not reported: an answer at extension 101",
    )


def test_an_arrival_turns_what_looked_internal_into_a_call():
    inside = fact(-2, EventType.EXTENSION_RINGS, caller_number="102", extension="101")

    first, second = told(inside, ARRIVED)

    assert first == (
        "internal call",
        "other party: 102",
        "101 rang",
        "nothing is written: an internal call between extensions",
    )
    assert second[:2] == ("inbound call", "other party: +12125550142")
    assert second[-1] == "to be written"


def test_a_correction_stands_against_what_comes_after_it():
    said = Correction(AT + timedelta(seconds=20), "missed", "Kim")

    changed = told(ARRIVED, RANG, ANSWERED, NOBODY, corrections=[said])

    assert "outcome: answered" in changed[2]
    assert "outcome: answered → missed" in changed[3]


def test_a_withheld_caller_is_told_as_such_and_a_dialled_extension_as_who_dialled():
    withheld = fact(0, EventType.INBOUND_CALL, caller_number="anonymous")
    dialled = fact(0, EventType.OUTBOUND_CALL, number_dialed=CALLER, extension="101")

    assert told(withheld) == [("inbound call", "other party: withheld")]
    assert told(dialled) == [
        ("outbound call", "other party: +12125550142", "extension 101", "outcome: placed")
    ]


def test_a_flood_of_repetitions_is_told_up_to_a_bound():
    flood = [
        fact(seconds, EventType.EXTENSION_RINGS, caller_number=CALLER, extension="101")
        for seconds in range(TOLD + 50)
    ]

    assert len(told(*flood)) == TOLD
