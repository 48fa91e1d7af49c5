"""What a policy must make sense of beyond its form, and what is worth a second look. Pure.

Faults keep it from being set; warnings are told. Both name their place.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from ..numbers import NumberKind, read_number
from ..toml_reading import Fault, Place, suggest
from .hours import YEARLY, find_timezone_fault, overlapping, read_span
from .rules import (
    DAYS,
    LAST_ANSWERED,
    ROLE,
    STRANGERS,
    Case,
    Fits,
    Holiday,
    Rules,
    each_assignee,
    with_strangers_left,
)

LONGEST_HOLIDAY = 366
"""Days."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What must be known of a clinic to check its policy. `lines` are its numbers and names."""

    region: str
    lines: frozenset[str] = frozenset()


def normalised(rules: Rules, region: str) -> Rules:
    """The same rules, each number as E.164 and strangers left alone wherever that is said, so that
    spellings do not matter."""
    changed = with_strangers_left(rules.model_copy(deep=True))
    changed.ignore.numbers = [_e164(each, region) for each in rules.ignore.numbers]
    changed.ignore.lines = [_e164(each, region) for each in rules.ignore.lines]
    named = changed.names
    named.lines = {_e164(line, region): name for line, name in named.lines.items()}
    for case in changed.cases:
        case.when.lines = [_e164(each, region) for each in case.when.lines]
    return changed


def find_faults(rules: Rules, around: Surroundings) -> Iterator[Fault]:
    """Everything for which these rules cannot be set."""
    hours = rules.hours
    if hours.timezone and (said := find_timezone_fault(hours.timezone)):
        yield Fault(("hours", "timezone"), said)
    week = {day: tuple(map(read_span, getattr(hours, day))) for day in DAYS}
    for day, other in overlapping(week):
        both = "two of its spans overlap" if day == other else f"it reaches into {other}'s hours"
        yield Fault(("hours", day), both)
    if not hours.always_open and not any(week.values()):
        yield Fault(("hours",), "the clinic is never open, so that no task could ever be due")
    yield from _of_holidays(hours.holidays)
    for number, each in enumerate(rules.ignore.numbers):
        if read_number(each, around.region).kind is not NumberKind.PHONE:
            yield Fault(("ignore", "numbers", number), f'"{each}" is no telephone number')
    yield from _of_assignees(rules)
    yield from _of_strangers(rules)
    yield from _of_named_lines(rules, around)
    names: dict[str, int] = {}
    for number, case in enumerate(rules.cases):
        first = names.setdefault(case.name.casefold(), number)
        if first != number:
            said = f'case {first + 1} is called "{case.name}" too'
            yield Fault(("cases", number, "name"), said)


def find_warnings(rules: Rules, around: Surroundings) -> Iterator[Fault]:
    """What can be set, but is hardly meant."""
    asking = rules.callbacks.outcomes
    if "answered" in asking:
        every = " Every ring would become a task." if {"missed", "answered"} <= set(asking) else ""
        said = f'"answered" asks for a callback of every call that somebody answered.{every}'
        yield Fault(("callbacks", "outcomes"), said)
    if not asking and not any(case.callback for case in rules.cases):
        yield Fault(("callbacks", "outcomes"), "no call will ever become a callback task")
    if not rules.notes.inbound and not rules.notes.outbound:
        yield Fault(("notes",), "no call will ever become a note")
    if rules.watch_only:
        yield Fault(("watch_only",), "nothing is written to the PMS while this is true")
    if not rules.people and any(name == LAST_ANSWERED for _, name in each_assignee(rules)):
        yield Fault(("people",), f'"{LAST_ANSWERED}" finds nobody while [people] is empty')
    if rules.strangers.record and "record" not in _strangers(rules):
        yield Fault(("strangers", "record"), 'is not used: nothing of strangers is "record"')
    yield from _of_shared_names(rules)
    for number, case in enumerate(rules.cases):
        yield from _of_case(rules, number, case)
    yield from _of_lines(rules, around)


def _of_holidays(holidays: list[Holiday]) -> Iterator[Fault]:
    taken: dict[str, int] = {}
    for number, holiday in enumerate(holidays):
        place: Place = ("hours", "holidays", number)
        days = _days(holiday)
        if days is None:
            said = "must be written as `date` is: both with a year, or both for every year"
            yield Fault((*place, "until"), said)
            continue
        if not days:
            until = holiday.until
            said = f"{until} is before {holiday.date}, or over a year after it"
            yield Fault((*place, "until"), said)
        # A day of one year is also one of those that come every year, and the other way round.
        known = {day: [day, day[-5:]] if len(day) > 5 else [day, f"*-{day}"] for day in days}
        others = {taken[key]: day for day in reversed(days) for key in known[day] if key in taken}
        for other, day in sorted(others.items()):
            name = holidays[other].name or f"holiday {other + 1}"
            yield Fault(place, f"{day} is among the days of {name} already")
        for day in days:
            taken.setdefault(day, number)
            taken.setdefault(f"*-{day[-5:]}", number)
        spans = sorted(map(read_span, holiday.open))
        if any(one.ends > two.begins for one, two in pairwise(spans)):
            yield Fault((*place, "open"), "two of its spans overlap")


def _days(holiday: Holiday) -> list[str] | None:
    """The days of a holiday as it writes them; None if its two ends are of different kinds."""
    until = holiday.until or holiday.date
    is_yearly = bool(YEARLY.fullmatch(holiday.date))
    if is_yearly != bool(YEARLY.fullmatch(until)):
        return None
    # 2024 has every day there is, and a yearly holiday may go on into the new year.
    first = date.fromisoformat(f"2024-{holiday.date}" if is_yearly else holiday.date)
    last = date.fromisoformat(f"2024-{until}" if is_yearly else until)
    if is_yearly and last < first:
        last = last.replace(year=2025, day=min(last.day, 28) if last.month == 2 else last.day)
    count = (last - first).days + 1
    if not 0 < count <= LONGEST_HOLIDAY:
        return []
    days = [first + timedelta(days=each) for each in range(count)]
    return [f"{day:%m-%d}" if is_yearly else day.isoformat() for day in days]


def _of_assignees(rules: Rules) -> Iterator[Fault]:
    for place, name in each_assignee(rules):
        role = name.removeprefix(ROLE).strip()
        if name.startswith(ROLE) and role not in rules.roles:
            said = f'[roles] has no "{role}"{suggest(role, rules.roles)}'
            yield Fault(place, said)


def _of_strangers(rules: Rules) -> Iterator[Fault]:
    if "record" in _strangers(rules) and not rules.strangers.record:
        said = "must name a client of the PMS, since what strangers want is to be written to it"
        yield Fault(("strangers", "record"), said)
    if rules.matching.unknown == "ignore":
        for name in STRANGERS:
            given: str = getattr(rules.strangers, name)
            if name in rules.strangers.model_fields_set and given != "leave":
                said = f'"{given}" contradicts matching.unknown = "ignore", which leaves all of it:'
                yield Fault(("strangers", name), f'{said} say "leave", or nothing')


def _of_named_lines(rules: Rules, around: Surroundings) -> Iterator[Fault]:
    known: dict[str, str] = {}
    for line in rules.names.lines:
        place = ("names", "lines", line)
        number = read_number(line, around.region)
        if number.kind is not NumberKind.PHONE:
            yield Fault(place, f'"{line}" is no telephone number')
        elif (first := known.setdefault(number.e164, line)) != line:
            yield Fault(place, f'is the same line as "{first}"')


def _of_shared_names(rules: Rules) -> Iterator[Fault]:
    for what in type(rules.names).model_fields:
        known: dict[str, str] = {}
        for key, name in getattr(rules.names, what).items():
            if (first := known.setdefault(name.casefold(), key)) != key:
                said = f'"{first}" is called "{name}" too, so that they cannot be told apart'
                yield Fault(("names", what, key), said)


def _strangers(rules: Rules) -> set[str]:
    return {getattr(rules.strangers, name) for name in STRANGERS}


def _of_case(rules: Rules, number: int, case: Case) -> Iterator[Fault]:
    place: Place = ("cases", number)
    changes = case.model_dump(exclude={"name", "when"}, exclude_none=True)
    if not changes:
        yield Fault(place, "changes nothing: it says neither note, callback nor a task's terms")
    before = [each.name for each in rules.cases[:number] if each.when == Fits()]
    if before:
        yield Fault(place, f'is never reached, since "{before[0]}" before it fits every call')
    if case.callback and (not case.when.outcomes or "answered" in case.when.outcomes):
        said = "asks for a callback of answered calls too: every ring it fits would become a task"
        yield Fault((*place, "callback"), said)


def _of_lines(rules: Rules, around: Surroundings) -> Iterator[Fault]:
    known = {each.casefold() for each in around.lines}
    if not known:
        return
    named: list[tuple[Place, str]] = [
        (("ignore", "lines", n), each) for n, each in enumerate(rules.ignore.lines)
    ]
    named += [(("names", "lines", each), each) for each in rules.names.lines]
    for index, case in enumerate(rules.cases):
        places = enumerate(case.when.lines)
        named += [(("cases", index, "when", "lines", n), each) for n, each in places]
    for place, each in named:
        if _e164(each, around.region).casefold() not in known:
            said = f'the clinic has no line "{each}" yet{suggest(each, sorted(around.lines))}'
            yield Fault(place, said)


def _e164(text: str, region: str) -> str:
    return read_number(text, region).e164 or text
