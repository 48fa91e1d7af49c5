"""What a changed policy would have made of calls and texts that came: a rehearsal. Pure.

It decides as settling does, by the same functions, and compares two policies over the same past.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from ..telephony.conversations import Window, fold_windows
from ..telephony.facts import Fact, Grounds
from ..telephony.summaries import CallSummary
from .episodes import (
    Episode,
    Happening,
    Kind,
    fold_episodes,
    read_call,
    read_message,
)
from .patience import text_patience, was_answered
from .policy import (
    CallWants,
    TaskTerms,
    cut_of,
    decide_call,
    decide_texts,
    stranger_record,
    task_terms,
)
from .rules import Rules, asks_who_answered
from .wording import name_people


@dataclass(frozen=True, slots=True)
class PastCall:
    """A settled call: its id, what it was and whom it was matched to."""

    id: int
    key: str
    summary: CallSummary
    kind: str
    rule: str
    client: str
    has_waited: bool = False
    """For its client: it did, or does still."""


@dataclass(frozen=True, slots=True)
class PastTexts:
    """A conversation's facts, and by number what the match of its texts was."""

    key: str
    facts: Sequence[Fact]
    matches: Mapping[str, tuple[str, str, str]]
    """Kind, rule and client, by the other party's number."""
    waited: frozenset[str] = frozenset()
    """The ids of the events of those texts that waited for their client, or do still."""

    def match_of(self, window: Window) -> tuple[str, str, str]:
        """Kind, rule and client of one window's match; all '' where there is none."""
        return self.matches.get(window.number or window.number_raw, ("", "", ""))

    def has_waited(self, window: Window) -> bool:
        """Whether a window waited for its client, or does still."""
        return any(message.event_id in self.waited for message in window.messages)


WhoAnswered = Callable[[str, str, datetime], Sequence[str]]
"""The extensions that answered this number or client before then, the latest first."""


def nobody_answered(_number: str, _client: str, _before: datetime) -> Sequence[str]:
    """Of whose former calls nothing is known."""
    return ()


@dataclass(frozen=True, slots=True)
class Past:
    """What a clinic lived through in a span of time."""

    timezone: str
    grounds: Grounds
    calls: Sequence[PastCall]
    texts: Sequence[PastTexts]
    decided: Sequence[Happening] = ()
    """What people closed and reopened."""
    answered_by: WhoAnswered = nobody_answered


@dataclass
class Played:
    """What one policy makes of the past."""

    notes: set[int] = field(default_factory=set)
    tasks: list[Episode] = field(default_factory=list)
    terms: dict[tuple[str, datetime], TaskTerms] = field(default_factory=dict)
    transcripts: int = 0
    digests: set[tuple[str, str]] = field(default_factory=set)
    """Those who have one, by number and client."""
    in_digest: set[int] = field(default_factory=set)
    """The calls that one tells of in place of a note of their own."""
    filtered: Counter[str] = field(default_factory=Counter)


def rehearse(past: Past, before: Rules, after: Rules) -> dict[str, Any]:
    """What would be different under `after`: counts by kind, callers who lose or gain a task,
    examples of notes, and why nothing is written, as JSON takes it (but for datetimes)."""
    old, new = play(past, before), play(past, after)
    names = {call.summary.number: call.summary.caller_name for call in past.calls}
    lost, gained = _callers(old, new), _callers(new, old)
    shared = old.terms.keys() & new.terms.keys()
    return {
        "calls": len(past.calls),
        "conversations": len(past.texts),
        "notes": {"before": len(old.notes), "after": len(new.notes)},
        "tasks": {"before": len(old.tasks), "after": len(new.tasks)},
        "transcripts": {"before": old.transcripts, "after": new.transcripts},
        "digests": {"before": len(old.digests), "after": len(new.digests)},
        "tasks_with_other_terms": sum(old.terms[each] != new.terms[each] for each in shared),
        "callers_without_task": [_caller(each, names) for each in lost],
        "callers_with_new_task": [_caller(each, names) for each in gained],
        "notes_lost": _examples(past, old.notes - new.notes - new.in_digest),
        "notes_gained": _examples(past, new.notes - old.notes - old.in_digest),
        "not_foreseen": _not_foreseen(before, after),
        "reasons": dict((new.filtered - old.filtered).most_common()),
    }


def _not_foreseen(before: Rules, after: Rules) -> list[str]:
    """The settings that differ and of which a rehearsal tells nothing: whose a number is was
    decided when it called, and stays; and how long each would have waited, nobody knows."""
    kept = {"backlog"} | ({"unknown"} if after.matching.unknown == "ignore" else set())
    return [
        f"matching.{name}"
        for name in type(after.matching).model_fields
        if name not in kept and getattr(before.matching, name) != getattr(after.matching, name)
    ]


def play(past: Past, rules: Rules) -> Played:
    """What these rules make of the past, without writing anything."""
    played = Played()
    happenings = [*past.decided, *_play_calls(past, rules, played)]
    happenings += _play_texts(past, rules, played)
    by_id = {call.id: call for call in past.calls}
    asks_who = asks_who_answered(rules)
    played.tasks = fold_episodes(_unanswered(happenings, rules, past.timezone))
    for episode in played.tasks:
        asking = [by_id[each].summary for each in episode.calls]
        again, opened_at = episode.was_tried, episode.opened_at
        who = past.answered_by(episode.number, episode.client, opened_at) if asks_who else ()
        terms = task_terms(rules, asking, episode.due_from, who, past.timezone, is_again=again)
        place = episode.number, episode.opened_at
        played.terms[place] = terms
    return played


def _play_calls(past: Past, rules: Rules, played: Played) -> Iterator[Happening]:
    """Count what becomes of each call; what those were to their callers."""
    for call in past.calls:
        wants = _decide(rules, call, past.timezone)
        if wants.filtered_by:
            played.filtered[wants.filtered_by] += 1
        if wants.note and is_in_digest(rules, "notes", call.kind, call.has_waited):
            played.digests.add((call.summary.number, call.client))
            played.in_digest.add(call.id)
        elif wants.note:
            played.notes.add(call.id)
        closes = rules.callbacks.closes_when_reached
        asks = wants.callback and bool(call.summary.number)
        summary = name_people(call.summary, rules.names)
        happening = read_call(call.id, summary, call.client, asks=asks, closes=closes)
        if happening and call.summary.number:
            yield happening


def _play_texts(past: Past, rules: Rules, played: Played) -> Iterator[Happening]:
    """The same of texts; those ask that may."""
    for number, (window, texts) in enumerate(fold_past_texts(past, rules)):
        kind, rule, client = texts.match_of(window)
        said = decide_texts(rules, window, kind, rule)
        played.filtered.update([said] if said else [])
        has_waited = texts.has_waited(window)
        if said is None and is_in_digest(rules, "transcripts", kind, has_waited):
            played.digests.add((window.number, client))
        else:
            played.transcripts += said is None
        for message in window.messages if window.number else ():
            told = {"at": message.at.isoformat(), "is_inbound": message.is_inbound}
            told |= {"text": message.text}
            happening = read_message(number, window.number, told, client)
            may_ask = bool(client) and said is None and message.is_inbound
            yield replace(happening, asks=may_ask)


def is_in_digest(
    rules: Rules, kind: Literal["notes", "transcripts"], match_kind: str, has_waited: bool
) -> bool:
    """Whether the one note on what waited tells of what these rules write, unless that goes to the
    record of strangers meanwhile."""
    is_kept = bool(stranger_record(rules, kind, match_kind))
    return has_waited and rules.matching.backlog == "digest" and not is_kept


def _unanswered(
    happenings: Sequence[Happening], rules: Rules, timezone: str
) -> Iterator[Happening]:
    """The same, in which those texts ask that may and that nobody answered in time."""
    patience = text_patience(rules, timezone)
    known: dict[str, list[Happening]] = defaultdict(list)
    for each in happenings:
        for name in {each.number, each.client}:
            known[name].append(each)
    for each in happenings:
        theirs = [*known[each.number], *known[each.client]] if each.asks else []
        within = patience(each.at) if each.asks else None
        is_it = within is not None and not was_answered(each, theirs, within)
        yield replace(each, asks=is_it)


def _decide(rules: Rules, call: PastCall, timezone: str) -> CallWants:
    return decide_call(rules, call.summary, call.kind, call.rule, timezone)


def fold_past_texts(past: Past, rules: Rules) -> Iterator[tuple[Window, PastTexts]]:
    """The windows that these rules part the texts into, each with the conversation it is of."""
    cut = cut_of(rules)
    for texts in past.texts:
        for window in fold_windows(texts.facts, past.timezone, past.grounds, cut):
            yield window, texts


def _callers(have: Played, have_not: Played) -> list[Episode]:
    """The last task of each caller who has one in the first alone, the latest first."""
    others = {ask.number for each in have_not.tasks for ask in each.asks}
    last = {each.number: each for each in have.tasks if each.number not in others}
    return sorted(last.values(), key=lambda each: each.opened_at, reverse=True)


def _caller(episode: Episode, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "number": episode.number,
        "name": names.get(episode.number, ""),
        "client": episode.client,
        "at": episode.opened_at,
        "calls": sum(each.kind is Kind.ASKED for each in episode.members),
    }


def _examples(past: Past, ids: set[int]) -> list[dict[str, Any]]:
    found = [call for call in past.calls if call.id in ids]
    found.sort(key=lambda call: call.summary.started_at, reverse=True)
    return [
        {
            "call_uuid": call.key,
            "at": call.summary.started_at,
            "number": call.summary.number,
            "outcome": call.summary.outcome.value,
        }
        for call in found
    ]
