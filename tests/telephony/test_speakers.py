"""Who of those that answered a call spoke last, whatever the order of its events."""

from datetime import timedelta
from itertools import permutations

import pytest

from invented import GROUNDS, START
from ringnote.telephony.calls import fold_call
from ringnote.telephony.facts import EventType, Fact

ANSWERED, HUNG_UP = EventType.EXTENSION_ANSWERED, EventType.HANGUP_CALL
COMPLETED = EventType.INBOUND_CALL_COMPLETED


def last_speaker(*told):
    """Of (type, extension, second) and perhaps a callUuid; the same in every order."""
    facts = []
    for number, (kind, extension, second, *uuid) in enumerate(told):
        fields = {"extension": extension, "caller_number": "2125550142"}
        fields["call_uuid"] = uuid[0] if uuid else "call-1"
        facts.append(Fact(f"e{number}", START + timedelta(seconds=second), kind, fields))
    [found] = {fold_call(each, [], GROUNDS).spoke_last for each in permutations(facts)}
    return found


@pytest.mark.parametrize(
    ("told", "who"),
    [
        ([(ANSWERED, "105", 1), (HUNG_UP, "105", 60)], "105"),
        ([(ANSWERED, "102", 1), (ANSWERED, "101", 30), (HUNG_UP, "101", 60)], "101"),
        ([(ANSWERED, "101", 1), (ANSWERED, "102", 30), (HUNG_UP, "102", 60)], "102"),
        # The extension at hangup may be the one that transferred.
        ([(ANSWERED, "101", 1), (ANSWERED, "102", 30), (HUNG_UP, "101", 60)], "102"),
        # A second report of an answer is a repetition.
        ([(ANSWERED, "101", 1), (ANSWERED, "102", 30), (ANSWERED, "101", 40)], "102"),
        # An answer that was never reported.
        ([(ANSWERED, "101", 1), (HUNG_UP, "102", 60)], "102"),
        ([(COMPLETED, "102", 9), (COMPLETED, "101", 60)], "101"),
        # The transfer came with a callUuid of its own, after the first leg had ended.
        (
            [(ANSWERED, "101", 1), (HUNG_UP, "101", 20), (ANSWERED, "102", 25, "call-2")],
            "102",
        ),
        ([(HUNG_UP, "", 60)], ""),
    ],
)
def test_whoever_was_transferred_to_spoke_last(told, who):
    assert last_speaker(*told) == who


@pytest.mark.parametrize(
    "told",
    [
        [(ANSWERED, "102", 5), (ANSWERED, "101", 5), (HUNG_UP, "101", 60)],
        [(ANSWERED, "102", 5), (ANSWERED, "101", 6.5), (HUNG_UP, "101", 60)],
        [(ANSWERED, "102", 5), (HUNG_UP, "102", 60), (ANSWERED, "101", 61)],
    ],
    ids=["at one moment", "one overtaken by the other", "reported late"],
)
def test_what_the_events_cannot_tell_is_left_open(told):
    assert last_speaker(*told) == ""
