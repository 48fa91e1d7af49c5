"""A day's close-out in words, ready to be mailed. Pure."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

PLAINLY = {
    "synced": "written to the PMS",
    "due": "about to be written",
    "retrying": "being tried again",
    "waiting": "waiting for somebody to say whose number it is",
    "set_aside": "refused by the PMS: somebody must look",
    "withdrawn": "withdrawn",
    "filtered": "left out by a rule",
    "open": "not over yet",
}
"""In the order in which a front desk reads them."""


def subject_line(told: Mapping[str, Any]) -> str:
    """What the mail is about, with what needs a person first."""
    dispositions, left = told["dispositions"], told["callbacks"]["left_open"]
    needs = [
        f"{count} {words}"
        for count, words in (
            (len(told["unexplained"]), "unexplained"),
            (dispositions["set_aside"], "set aside"),
            (left, "still to call back"),
            (dispositions["waiting"], "waiting for a name"),
        )
        if count
    ]
    about = ", ".join(needs) or "all in order"
    return f"{told['clinic']['name']}, {_day(told['day'])}: {about}"


def mail_text(told: Mapping[str, Any]) -> str:
    """The mail's text: plain, a line for each thing."""
    return "\n".join(_lines(told)) + "\n"


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    zone = ZoneInfo(told["clinic"]["timezone"])
    yield f"{told['clinic']['name']}, {_day(told['day'])}"
    yield ""
    outcomes = {name.replace("_", " "): n for name, n in told["outcomes"].items() if n}
    yield (
        f"{_several(told['calls'], 'call')}: {_listed(outcomes)}"
        if outcomes
        else _several(told["calls"], "call")
    )
    yield _several(told["texts"], "conversation") + " by text"
    callbacks = told["callbacks"]
    yield (
        f"Callbacks: {callbacks['opened']} opened, {callbacks['closed']} closed,"
        f" {callbacks['left_open']} left open at the end of the day"
    )
    yield ""
    yield "Where each of them stands"
    for name, words in PLAINLY.items():
        if count := told["dispositions"][name]:
            yield f"  {count:>5}  {words}"
    yield f"  {told['calls'] + told['texts']:>5}  in all"
    if told["filtered_by"]:
        yield ""
        yield "Left out"
        for each in told["filtered_by"]:
            yield f"  {each['count']:>5}  {each['rule']}"
    if told["withheld"]:
        yield ""
        yield "Not answered, and nobody can call them back: their number was withheld"
        for each in told["withheld"]:
            line = f" on {each['line']}" if each["line"] else ""
            outcome = each["outcome"].replace("_", " ")
            yield f"  {_time(each['at'], zone)}{line}: {outcome}, {each['how_far']}"
    yield ""
    yield from _of_events(told)


def _of_events(told: Mapping[str, Any]) -> Iterator[str]:
    events = told["events"]
    yield (
        f"{_several(events['received'], 'webhook')} came, {events['quarantined']} quarantined,"
        f" {events['unknown']} of an unknown type"
    )
    if told["unexplained"]:
        count = _several(len(told["unexplained"]), "webhook")
        yield f"UNEXPLAINED: {count} that nothing accounts for"
        yield f"  Have them read anew: ringnote events replay {' '.join(told['unexplained'][:5])}"
    else:
        yield "Nothing is unexplained."


def _several(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _day(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B %Y}"


def _time(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%H:%M}"
