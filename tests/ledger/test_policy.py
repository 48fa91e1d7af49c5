"""What a clinic's rules make of calls: every rule acts, and what filters a call is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ringnote.ledger.policy import decide_call, stranger_record, task_terms
from ringnote.ledger.rules import DEFAULT_RULES, Rules, read_stored
from ringnote.numbers import NumberKind
from ringnote.telephony.summaries import CallSummary, Direction, Leg, Outcome

NEW_YORK = "America/New_York"
MONDAY = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
"""9 in the morning in New York."""
NIGHT = MONDAY + timedelta(hours=14)


def call(outcome=Outcome.MISSED, **over):
    known = CallSummary(
        direction=Direction.INBOUND,
        outcome=outcome,
        evidence=(),
        number="+12125550142",
        number_raw="2125550142",
        number_kind=NumberKind.PHONE,
        caller_name="DOE JANE",
        line="+12125550100",
        line_name="Main line",
        queues=("700",),
        ring_groups=("600",),
        legs=(Leg("101", "Amy", has_rung=True),),
        has_beginning=True,
        started_at=MONDAY,
        last_event_at=MONDAY,
        ended_at=MONDAY,
        waited_seconds=None,
        talked_seconds=None,
        missing=(),
        filtered_by=None,
        corrected_by=None,
    )
    return replace(known, **over)


PLACED = call(Outcome.PLACED, direction=Direction.OUTBOUND)


def decide(said, summary, kind="one"):
    wants = decide_call(Rules.model_validate(said), summary, kind, "", NEW_YORK)
    return wants.note, wants.callback, wants.filtered_by


def terms(said, *calls, answered_by=(), is_again=False):
    rules = Rules.model_validate(said)
    return task_terms(rules, calls, calls[0].started_at, answered_by, NEW_YORK, is_again=is_again)


@pytest.mark.parametrize(
    ("summary", "note", "callback"),
    [
        (call(Outcome.MISSED), True, True),
        (call(Outcome.VOICEMAIL), True, True),
        (call(Outcome.ANSWERED_THEN_VOICEMAIL), True, True),
        (call(Outcome.ANSWERED), True, False),
        (call(Outcome.UNKNOWN), True, False),
        (PLACED, True, False),
    ],
)
def test_by_default_each_call_is_noted_and_what_nobody_took_is_called_back(summary, note, callback):
    assert decide({}, summary) == (note, callback, None)


@pytest.mark.parametrize(
    ("said", "summary", "reason"),
    [
        ({"notes": {"outbound": False}}, PLACED, "writes no notes of outbound calls"),
        (
            {"notes": {"inbound": []}, "callbacks": {"outcomes": []}},
            call(),
            "writes nothing of missed calls",
        ),
        (
            {"notes": {"hours": "open"}, "callbacks": {"hours": "open"}},
            call(started_at=NIGHT),
            "calls that come while the clinic is closed",
        ),
        ({"notes": {"hours": "closed"}}, PLACED, "calls that come while the clinic is open"),
        ({"ignore": {"numbers": ["+12125550142"]}}, call(), "list of ignored numbers"),
        ({"ignore": {"lines": ["main LINE"]}}, call(), "list of ignored lines"),
        ({"ignore": {"lines": ["+12125550100"]}}, call(), "list of ignored lines"),
        ({"ignore": {"extensions": ["101"]}}, call(), "extension 101"),
        (
            {"cases": [{"name": "Fax", "note": False, "callback": False}]},
            call(),
            'by its case "Fax"',
        ),
    ],
)
def test_what_a_rule_filters_is_told_in_words(said, summary, reason):
    note, callback, filtered_by = decide(said, summary)

    assert (note, callback) == (False, False)
    assert reason in filtered_by


def test_a_call_that_others_took_part_in_is_not_ignored_for_one_extension():
    both = call(legs=(Leg("101", has_rung=True), Leg("102", has_rung=True)))

    assert decide({"ignore": {"extensions": ["101"]}}, both)[2] is None


def test_a_voicemail_is_a_missed_call_where_the_policy_says_so():
    said = {"callbacks": {"outcomes": ["missed"]}}

    assert decide(said, call(Outcome.VOICEMAIL))[1] is False
    said["callbacks"]["voicemail_is_missed"] = True
    assert decide(said, call(Outcome.VOICEMAIL))[1] is True


@pytest.mark.parametrize(
    "when",
    [
        {"directions": ["inbound"]},
        {"outcomes": ["missed"]},
        {"lines": ["Main line"]},
        {"queues": ["700"]},
        {"ring_groups": ["600"]},
        {"extensions": ["101"]},
        {"hours": "open"},
    ],
)
def test_a_case_applies_to_what_fits_it_alone(when):
    said = {"cases": [{"name": "this", "when": when, "callback": False}]}
    other = call(
        Outcome.VOICEMAIL,
        direction=Direction.INBOUND,
        line="+12125550199",
        line_name="Other",
        queues=("701",),
        ring_groups=("601",),
        legs=(Leg("109", has_rung=True),),
        started_at=NIGHT,
    )

    assert decide(said, call())[1] is False
    if "directions" not in when:
        assert decide(said, other)[1] is True


def test_the_first_case_that_fits_counts_and_what_it_leaves_out_stays():
    said = {
        "cases": [
            {"name": "a", "when": {"queues": ["700"]}, "priority": "urgent", "due_minutes": 5},
            {"name": "b", "callback": False},
        ]
    }

    assert decide(said, call()) == (True, True, None)
    assert terms(said, call()).priority == "urgent"
    assert terms(said, call()).due_at == MONDAY + timedelta(minutes=5)
    assert decide(said, call(queues=()))[:2] == (True, False)


@pytest.mark.parametrize(
    ("said", "kind", "outcome"),
    [
        ({"notes": "leave"}, "none", (False, True)),
        ({"callbacks": "leave"}, "none", (True, False)),
        ({"callbacks": "leave"}, "one", (True, True)),
        ({"callbacks": "leave"}, "", (True, True)),
        ({"notes": "leave", "callbacks": "leave"}, "none", (False, False)),
    ],
)
def test_strangers_are_left_alone_where_the_policy_says_so(said, kind, outcome):
    assert decide({"strangers": said}, call(), kind)[:2] == outcome


def test_what_strangers_want_may_go_to_one_record():
    rules = Rules.model_validate({"strangers": {"callbacks": "record", "record": "C99"}})

    assert stranger_record(rules, "callbacks", "none") == "C99"
    assert stranger_record(rules, "callbacks", "one") == ""
    assert stranger_record(rules, "notes", "none") == ""


@pytest.mark.parametrize(
    ("assignee", "answered_by", "who"),
    [
        ([], ["101"], ""),
        ("u-7", [], "u-7"),
        (["last_answered", "role:desk"], ["109", "101"], "amy"),
        (["last_answered", "role:desk"], ["109"], "front"),
        (["last_answered", "u-7"], [], "u-7"),
        (["last_answered"], [], ""),
    ],
)
def test_a_task_is_for_the_first_who_is_somebody(assignee, answered_by, who):
    said = {
        "callbacks": {"assignee": assignee},
        "people": {"101": "amy"},
        "roles": {"desk": "front"},
    }

    assert terms(said, call(), answered_by=answered_by).assignee == who


def test_a_queue_has_a_task_for_somebody_else():
    said = {"cases": [{"name": "q", "when": {"queues": ["700"]}, "assignee": ["u-9"]}]}

    assert terms(said, call()).assignee == "u-9"
    assert terms(said, call(queues=())).assignee == ""


@pytest.mark.parametrize(("calls", "priority"), [(1, "normal"), (2, "normal"), (3, "high")])
def test_a_caller_who_tries_again_and_again_becomes_more_urgent(calls, priority):
    asking = [call(started_at=MONDAY + timedelta(minutes=each)) for each in range(calls)]

    assert terms({}, *asking).priority == priority
    assert terms({"callbacks": {"raise_after": 0}}, *asking).priority == "normal"


def test_the_most_urgent_there_is_is_not_raised():
    asking = [call(started_at=MONDAY + timedelta(minutes=each)) for each in range(9)]

    assert terms({"callbacks": {"priority": "urgent"}}, *asking).priority == "urgent"


def test_after_a_try_without_an_answer_a_task_is_due_again_later():
    assert terms({}, call()).due_at == MONDAY + timedelta(minutes=60)
    assert terms({}, call(), is_again=True).due_at == MONDAY + timedelta(minutes=120)


def test_a_task_of_the_evening_is_due_the_next_morning():
    due = terms({}, call(started_at=NIGHT)).due_at

    assert due == datetime(2026, 3, 3, 14, 0, tzinfo=UTC)


def test_a_policy_of_before_there_were_hours_goes_on_counting_every_minute():
    stored = {
        "notes": {"inbound": ["missed"], "outbound": True},
        "callbacks": {"outcomes": ["missed"], "due_minutes": 30, "assignee": "u-1"},
        "transcripts": {"enabled": True, "repeat_seconds": 10},
    }

    rules = read_stored(stored)

    assert rules.hours.always_open
    assert rules.callbacks.assignee == ["u-1"]
    due = task_terms(rules, [call(started_at=NIGHT)], NIGHT, (), NEW_YORK).due_at
    assert due == NIGHT + timedelta(minutes=30)


def test_what_a_new_clinic_starts_with_is_read_as_it_is_stored():
    assert read_stored(DEFAULT_RULES) == Rules()
