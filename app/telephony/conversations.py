"""What was texted: pure folds of a conversation's facts into messages and windows."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from ..numbers import Number, NumberKind, read_number, read_numbers
from .facts import EventType, Fact, Grounds

MAX_NUMBER = 64
"""Characters of what came in place of a number that are kept."""
NAME = re.compile(r"[^\W\d_]")
SHORTEST_NUMBER = 7
"""Digits; what has fewer and letters besides is a sender's name, such as a bank's."""
MEDIA = re.compile(r"\b(?:image|video|audio|application)/[a-z0-9][\w.+-]*", re.IGNORECASE)
"""The MIME type in the marker of a picture or the like; the rest of the marker is not published."""


@dataclass(frozen=True, slots=True)
class Message:
    """One text. `repeats` are the ids of events that said the same again within the window."""

    event_id: str
    at: datetime
    is_inbound: bool
    text: str
    is_attachment: bool
    repeats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cut:
    """How texts are parted into windows: by clinic-local 'day', where it was quiet for longer than
    `gap`, or by 'message'. The same text again within `repeats` counts once."""

    by: Literal["day", "gap", "message"] = "day"
    gap: timedelta = timedelta(hours=1)
    repeats: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Kept:
    """A window that stands already: the ids of its texts' events, and how it was cut."""

    event_ids: frozenset[str]
    by: str = "day"
    repeats: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Window:
    """The texts of a day, or of one exchange, with one counterpart."""

    number: str
    number_raw: str
    number_kind: NumberKind
    line: str
    starts_at: datetime
    ends_at: datetime
    local_day: date
    """Of its first text."""
    messages: tuple[Message, ...]
    filtered_by: str | None
    cut_by: str = "day"


DAILY = Cut()


def fold_windows(
    facts: Iterable[Fact],
    timezone: str,
    grounds: Grounds,
    cut: Cut = DAILY,
    kept: Sequence[Kept] = (),
) -> list[Window]:
    """The windows of a conversation, each of one counterpart, in order.

    Texts of windows that are `kept` stay there, whatever the cut is by now; only others are parted
    by it, or join a window that was cut the same way.
    """
    zone = ZoneInfo(timezone)
    windows = []
    for texts in _by_counterpart(facts, grounds).values():
        for key, part in _Parting(texts, zone, cut, kept).parts.items():
            windows.append(_window(part, key.by, zone, grounds))
    return sorted(windows, key=lambda window: (window.starts_at, window.number, window.number_raw))


@dataclass(frozen=True, slots=True)
class _Key:
    """What tells the windows of one counterpart apart: how it was cut, and of what it is: a day, a
    window that is kept (its place among them), or what begins with an event."""

    by: str
    of: date | int | str


class _Parting:
    """One counterpart's texts by window, each with those that said the same again soon after."""

    def __init__(
        self, facts: Sequence[Fact], zone: ZoneInfo, cut: Cut, kept: Sequence[Kept]
    ) -> None:
        self.parts: dict[_Key, list[tuple[Fact, Message]]] = {}
        self._zone, self._cut, self._kept = zone, cut, kept
        self._home = {
            event_id: place for place, each in enumerate(kept) for event_id in each.event_ids
        }
        self._days: dict[_Key, timedelta] = {}
        """How long a text may repeat in the days that stand already."""
        self._starts: dict[datetime, _Key] = {}
        """What is no day, by moments of it: no two of them begin at once."""
        for fact in facts:
            place = self._home.get(fact.event_id)
            if place is not None and kept[place].by == "day":
                self._days.setdefault(self._key(fact, None), kept[place].repeats)
            elif place is not None:
                self._starts.setdefault(fact.at, self._key(fact, None))
        self._part(facts)

    def _part(self, facts: Sequence[Fact]) -> None:
        last: _Key | None = None
        latest: dict[tuple[bool, str], tuple[_Key, int]] = {}
        for fact in facts:
            inbound = fact.type is EventType.INBOUND_MESSAGE
            text = fact.fields.get("text", "")
            known = latest.get((inbound, text))
            if known and self._repeats(fact, *known):
                continue
            last = self._key(fact, last)
            mine = self.parts.setdefault(last, [])
            latest[inbound, text] = last, len(mine)
            is_attachment = bool(MEDIA.search(text))
            mine.append((fact, Message(fact.event_id, fact.at, inbound, text, is_attachment)))

    def _repeats(self, fact: Fact, key: _Key, place: int) -> bool:
        """Whether it is the same text again, which then counts as a repeat of the first. One that
        was told in another window stays there."""
        if fact.event_id in self._home and self._key(fact, None) != key:
            return False
        first, message = self.parts[key][place]
        within = self._days.get(key, self._cut.repeats)
        if isinstance(key.of, int):
            within = self._kept[key.of].repeats
        if fact.at - first.at > within:
            return False
        again = replace(message, repeats=(*message.repeats, fact.event_id))
        self.parts[key][place] = first, again
        return True

    def _key(self, fact: Fact, last: _Key | None) -> _Key:
        place = self._home.get(fact.event_id)
        by = self._cut.by if place is None else self._kept[place].by
        if by == "day":
            return _Key(by, fact.at.astimezone(self._zone).date())
        if place is not None:
            return _Key(by, place)
        if last and by == last.by == "gap" and fact.at - self._last_at(last) <= self._cut.gap:
            return last
        return self._starts.setdefault(fact.at, _Key(by, fact.event_id))

    def _last_at(self, key: _Key) -> datetime:
        return self.parts[key][-1][0].at


def _by_counterpart(facts: Iterable[Fact], grounds: Grounds) -> dict[str, list[Fact]]:
    groups: dict[str, list[Fact]] = {}
    for fact in sorted({fact.event_id: fact for fact in facts}.values(), key=_stamp):
        number = _counterpart(fact, grounds)
        groups.setdefault(number.e164 or number.raw, []).append(fact)
    return groups


def _window(
    texts: Sequence[tuple[Fact, Message]], by: str, zone: ZoneInfo, grounds: Grounds
) -> Window:
    number = min((_counterpart(fact, grounds) for fact, _ in texts), key=lambda number: number.raw)
    lines = sorted({_clinic_side(fact) for fact, _ in texts})
    day = texts[0][0].at.astimezone(zone).date()
    starts, ends = texts[0][0].at, texts[-1][0].at
    if by == "day":
        starts = datetime.combine(day, time.min, zone)
        ends = datetime.combine(day + timedelta(days=1), time.min, zone)
    return Window(
        number=number.e164,
        number_raw=number.raw[:MAX_NUMBER],
        number_kind=number.kind,
        line=_line(lines, grounds),
        starts_at=starts.astimezone(UTC),
        ends_at=ends.astimezone(UTC),
        local_day=day,
        cut_by=by,
        messages=tuple(message for _, message in texts),
        filtered_by=_filtered(number, grounds),
    )


def _line(raws: Sequence[str], grounds: Grounds) -> str:
    """The clinic's side; of a group text, the one that is known as the clinic's."""
    numbers = [number for raw in raws for number in read_numbers(raw, grounds.region)]
    found = sorted((number.e164 not in grounds.lines, number.e164) for number in numbers)
    return found[0][1] if found else raws[0][:MAX_NUMBER]


def _filtered(number: Number, grounds: Grounds) -> str | None:
    if number.kind is NumberKind.EXTENSION:
        return "a short code, so no client"
    if number.kind is NumberKind.UNREADABLE:
        if len(read_numbers(number.raw, grounds.region)) > 1:
            return "a group text that went to several numbers at once"
        if NAME.search(number.raw) and len(re.findall(r"\d", number.raw)) < SHORTEST_NUMBER:
            return "the other party is a name, not a number, so no client"
    if number.e164 and number.e164 in grounds.lines:
        return "the other party is one of the clinic's own lines"
    return None


def _counterpart(fact: Fact, grounds: Grounds) -> Number:
    raw = _client_side(fact)
    if len(read_numbers(raw, grounds.region)) > 1:
        return Number(NumberKind.UNREADABLE, raw)
    return read_number(raw, grounds.region)


def _client_side(fact: Fact) -> str:
    name = "from_number" if fact.type is EventType.INBOUND_MESSAGE else "to_number"
    return fact.fields.get(name, "")


def _clinic_side(fact: Fact) -> str:
    name = "to_number" if fact.type is EventType.INBOUND_MESSAGE else "from_number"
    return fact.fields.get(name, "")


def _stamp(fact: Fact) -> tuple[datetime, str]:
    return fact.at, fact.event_id
