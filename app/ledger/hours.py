"""A clinic's business hours: which minutes count, by its own clock, holidays included. Pure.

Spans are of one day, or overnight into the next. Elapsed time is real time: a night in which the
clocks change is an hour shorter or longer.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

DAY = 24 * 60
LOOK_AHEAD = 400
"""Days in which a clinic opens at least once, or never."""
SPAN = re.compile(r"(\d{1,2}):(\d\d)\s*(?:-|–|to)\s*(\d{1,2}):(\d\d)")
NO_PLACES = {"Factory", "localtime", "posixrules"}
YEARLY = re.compile(r"(\d\d)-(\d\d)")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Minutes after the day's midnight; `ends` is beyond 1440 where it lies on the next day."""

    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Closure:
    """Days, `first` to `last` inclusive, with hours of their own: none where the clinic is closed.

    Both are ISO dates, or 'MM-DD' for every year.
    """

    first: str
    last: str
    name: str = ""
    spans: tuple[Span, ...] = ()

    def holds(self, day: date) -> bool:
        if not YEARLY.fullmatch(self.first):
            return self.first <= day.isoformat() <= self.last
        today = f"{day:%m-%d}"
        if self.first <= self.last:
            return self.first <= today <= self.last
        return today >= self.first or today <= self.last


@dataclass(frozen=True, slots=True)
class OpenHours:
    """When a clinic is open. `week` begins with Monday; `is_always` makes every minute count."""

    zone: ZoneInfo
    week: tuple[tuple[Span, ...], ...]
    closures: tuple[Closure, ...] = ()
    is_always: bool = False

    def is_open(self, at: datetime) -> bool:
        """Whether the clinic is open at that moment."""
        if self.is_always:
            return True
        begins, ends = next(self._intervals(at), (None, None))
        return begins is not None and ends is not None and begins <= at < ends

    def after(self, at: datetime, minutes: int) -> datetime:
        """When so many open minutes have passed since `at`; plain minutes if it never opens."""
        left = timedelta(minutes=minutes)
        if self.is_always:
            return at + left
        for begins, ends in self._intervals(at):
            begins = max(begins, at)
            if ends - begins >= left:
                return (begins + left).astimezone(UTC)
            left -= ends - begins
        return at + timedelta(minutes=minutes)

    def _intervals(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The open times that end after `at`, in order (UTC)."""
        today = at.astimezone(self.zone).date()
        for ahead in range(-1, LOOK_AHEAD):
            day = today + timedelta(days=ahead)
            for span in sorted(self._spans(day)):
                # What the next day's closure says begins with its midnight.
                is_cut = span.ends > DAY and self._closure(day + timedelta(days=1)) is not None
                ends = self._moment(day, min(span.ends, DAY) if is_cut else span.ends, fold=1)
                if ends > at:
                    yield self._moment(day, span.begins, fold=0), ends

    def _spans(self, day: date) -> tuple[Span, ...]:
        closure = self._closure(day)
        return self.week[day.weekday()] if closure is None else closure.spans

    def _closure(self, day: date) -> Closure | None:
        return next((each for each in self.closures if each.holds(day)), None)

    def _moment(self, day: date, minutes: int, fold: int) -> datetime:
        days, rest = divmod(minutes, DAY)
        wall = datetime.combine(day + timedelta(days=days), time(rest // 60, rest % 60), self.zone)
        return wall.replace(fold=fold).astimezone(UTC)


def read_span(text: str) -> Span:
    """'08:00-18:00', or overnight '20:00-06:00'. Raises ValueError saying what is wrong."""
    found = SPAN.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no span of hours; write it as 08:00-18:00")
    hours, minutes, until_hours, until_minutes = map(int, found.groups())
    begins, ends = hours * 60 + minutes, until_hours * 60 + until_minutes
    if minutes > 59 or until_minutes > 59 or begins >= DAY or ends > DAY:
        raise ValueError(f"{text!r} names a time that no clock shows; a day ends at 24:00")
    if begins == ends:
        raise ValueError(f"{text!r} ends when it begins; the whole day is 00:00-24:00")
    return Span(begins, ends if ends > begins else ends + DAY)


def read_day(text: str) -> str:
    """A date ('2026-12-25'), or one of every year ('12-25'), as given. Raises ValueError."""
    found = YEARLY.fullmatch(text)
    try:
        if found:
            date(2024, int(found[1]), int(found[2]))
        else:
            date.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no date; write 2026-12-25, or 12-25 for every year"
        ) from None
    return text if found else date.fromisoformat(text).isoformat()


def overlapping(week: Mapping[str, tuple[Span, ...]]) -> Iterator[tuple[str, str]]:
    """The pairs of days (perhaps the same) whose spans overlap; `week` is in order, by its names.

    An overnight span reaches into the next day, Sunday's into Monday's.
    """
    names = list(week)
    placed = sorted(
        (number * DAY + span.begins, number * DAY + span.ends, name)
        for number, name in enumerate(names)
        for span in week[name]
    )
    if placed and len(names) == 7:
        begins, ends, name = placed[0]
        placed.append((begins + 7 * DAY, ends + 7 * DAY, name))
    for (_, ends, name), (begins, _, other) in pairwise(placed):
        if begins < ends:
            yield name, other


def find_timezone_fault(name: str) -> str | None:
    """What is wrong with the name of a time zone, with what may be meant; None if there is one."""
    if name in available_timezones() - NO_PLACES:
        return None
    return f"{name!r} is no time zone; {_suggest_timezone(name)}"


def _suggest_timezone(wrong: str) -> str:
    """What to write instead: zones are known by their name in any case, or by their city."""
    names: dict[str, str] = {}
    for zone in sorted(available_timezones() - NO_PLACES):
        names.setdefault(zone.rpartition("/")[2].lower(), zone)
        names[zone.lower()] = zone
    close = get_close_matches(wrong.replace(" ", "_").lower(), names, n=3, cutoff=0.7)
    meant = list(dict.fromkeys(names[each] for each in close))
    return f"did you mean {' or '.join(meant)}?" if meant else "write one such as America/New_York."
