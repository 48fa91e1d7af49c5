"""Who of several that answered a call spoke last. Pure; `calls` asks it.

The phone system tells no transfers, and the extension at hangup may be the one that transferred.
What is left is when each answer was reported.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from .facts import EventType, Fact

ENDS = (EventType.HANGUP_CALL, EventType.INBOUND_CALL_COMPLETED)
TELLABLE = timedelta(seconds=2)
"""Nobody hands a call on sooner, and webhooks that are sent closer together overtake each other."""


def find_last_speaker(ordered: Sequence[Fact], answered: Collection[str]) -> str:
    """Which of the extensions that `answered` spoke last; '' where these facts cannot tell.

    The facts are in order of receipt. A second report of an answer is a repetition. Where an
    extension's answer was not reported, the end that names it counts. An answer that is reported
    after the end of its leg came late: when it was, nobody knows. Nor which of two came first that
    were reported within a moment of each other.
    """
    if len(answered) < 2:
        return "".join(answered)
    ends = _first(ordered, "call_uuid", (EventType.HANGUP_CALL,))
    answers = [fact for fact in ordered if fact.type is EventType.EXTENSION_ANSWERED]
    if any(fact.at > ends.get(fact.fields.get("call_uuid", ""), fact.at) for fact in answers):
        return ""
    spoke = _first(ordered, "extension", ENDS)
    spoke |= _first(answers, "extension", (EventType.EXTENSION_ANSWERED,))
    at = {each: spoke.get(each, ordered[0].at) for each in answered}
    last_at = max(at.values())
    last = [each for each in answered if last_at - at[each] < TELLABLE]
    return last[0] if len(last) == 1 else ""


def _first(ordered: Sequence[Fact], name: str, types: Collection[EventType]) -> dict[str, datetime]:
    """By the value of a field, when an event of these types named it first."""
    found: dict[str, datetime] = {}
    for fact in ordered:
        if fact.type in types:
            found.setdefault(fact.fields.get(name, ""), fact.at)
    return found
