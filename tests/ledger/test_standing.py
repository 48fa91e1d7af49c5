"""Where things stand, in words: each state, with and without what explains it."""

from datetime import UTC, datetime, timedelta

import pytest

from ringnote.ledger.standing import dispose, span, stand
from ringnote.models import EntryState

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "known", "words"),
    [
        (EntryState.WAITING, {}, "waiting for a match"),
        (EntryState.WAITING, {"match_rule": "nobody has it"}, "waiting: nobody has it"),
        (EntryState.DUE, {}, "due"),
        (EntryState.DUE, {"reason": "no PMS is connected"}, "due: no PMS is connected"),
        (EntryState.DUE, {"paused_reason": "by Kim"}, "due: the connection is paused (by Kim)"),
        (
            EntryState.RETRYING,
            {"reason": "the PMS is busy", "paused_reason": "by Kim"},
            "retrying: the connection is paused (by Kim)",
        ),
        (EntryState.DUE, {"due_at": NOW, "match_rule": "one client has it"}, "due"),
        (EntryState.RETRYING, {}, "retrying soon"),
        (EntryState.RETRYING, {"due_at": NOW + timedelta(seconds=40)}, "retrying in 40 s"),
        (
            EntryState.RETRYING,
            {"due_at": NOW + timedelta(minutes=4), "reason": "it is busy"},
            "retrying in 4 min: it is busy",
        ),
        (EntryState.RETRYING, {"due_at": NOW - timedelta(hours=1)}, "retrying in a moment"),
        (EntryState.SET_ASIDE, {}, "set aside"),
        (EntryState.SET_ASIDE, {"reason": "it was refused"}, "set aside: it was refused"),
        (EntryState.SYNCED, {}, "written"),
        (EntryState.SYNCED, {"reason": "deleted there"}, "written, but deleted there"),
        (EntryState.WITHDRAWN, {}, "withdrawn"),
        (EntryState.WITHDRAWN, {"reason": "it is older"}, "withdrawn: it is older"),
    ],
)
def test_every_state_is_said_in_words(state, known, words):
    nothing = {"reason": None, "due_at": None, "match_rule": None, "paused_reason": None}

    assert stand(state, **(nothing | known), now=NOW) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *[(0.4, "a moment"), (1, "1 s"), (59, "59 s"), (60, "1 min"), (3540, "59 min")],
        *[(7200, "2 h"), (777600, "9 d")],
    ],
)
def test_a_wait_is_said_in_the_unit_that_fits(seconds, words):
    assert span(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [(59.7, "1 min"), (3599, "1 h")])
def test_a_wait_is_never_60_of_the_smaller_unit(seconds, words):
    assert span(seconds) == words


def test_what_is_not_settled_is_open_whatever_else():
    assert dispose(False, "an internal call", [EntryState.SYNCED]) == "open"


def test_what_was_filtered_is_so_whatever_was_written_before():
    assert dispose(True, "an internal call", [EntryState.WITHDRAWN]) == "filtered"


def test_what_has_no_entry_is_filtered_by_the_policy():
    assert dispose(True, None, []) == "filtered"


def test_of_several_entries_the_least_finished_is_told():
    order = ["set_aside", "waiting", "retrying", "due", "synced", "withdrawn"]
    states = [EntryState(each) for each in order]

    assert [dispose(True, None, reversed(states[first:])) for first in range(6)] == order
    assert set(states) == set(EntryState)
