"""The words of entries: titles, bodies and times as a front desk would keep them. Pure.

Titles hold no time, duration or count, so that a late or repeated event does not rename a note.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers

from ..telephony.conversations import Window
from ..telephony.summaries import CallSummary, Direction, Leg, Outcome, how_far
from .episodes import Episode, Happening, Kind, in_words
from .policy import TaskTerms

CALL_TITLES = {
    Outcome.ANSWERED_THEN_VOICEMAIL: "Incoming call answered, then reached voicemail",
    Outcome.VOICEMAIL: "Incoming call reached voicemail",
    Outcome.MISSED: "Missed call",
    Outcome.UNKNOWN: "Incoming call, end not reported",
}
SINCE = frozenset(Kind) - {Kind.ASKED}
QUOTED = 200
"""Characters of a text that a task quotes."""
APPROXIMATE = "Times are those of receipt, so durations are approximate."


@dataclass(frozen=True, slots=True)
class Voice:
    """Where and how a clinic speaks: its time zone and region."""

    timezone: str
    region: str


def compose_call(summary: CallSummary, voice: Voice) -> dict[str, Any]:
    """The content of a call's note: title, body (without the reference) and `occurred_at`."""
    outbound = summary.direction is Direction.OUTBOUND
    lines = [
        _moment(summary.started_at, voice) + _spans(summary),
        f"{'To' if outbound else 'From'} {show_number(summary.number, summary.number_raw, voice)}"
        + (f" ({summary.caller_name})" if summary.caller_name and not outbound else ""),
    ]
    if line := _line(summary, voice):
        lines.append(f"Line: {line}")
    if detail := _detail(summary):
        lines.append(detail)
    if summary.missing:
        lines.append(f"Not reported by the phone system: {'; '.join(summary.missing)}.")
    if summary.corrected_by:
        lines.append(f"Corrected by {summary.corrected_by}.")
    return {
        "title": call_title(summary),
        "body": "\n".join([*lines, "", APPROXIMATE]),
        "occurred_at": _iso(summary.started_at),
    }


def call_title(summary: CallSummary) -> str:
    """What a call is called: stable whatever the order and time of its events."""
    if summary.direction is Direction.OUTBOUND:
        dialled = [leg for leg in summary.legs if not leg.has_answered] or list(summary.legs)
        by = _people(dialled)
        return f"Call placed by {by}" if by else "Call placed"
    if summary.outcome is Outcome.ANSWERED:
        by = _people([leg for leg in summary.legs if leg.has_answered])
        return f"Incoming call answered by {by}" if by else "Incoming call answered"
    return CALL_TITLES[summary.outcome]


def compose_callback(
    episode: Episode, summaries: Mapping[int, CallSummary], terms: TaskTerms, voice: Voice
) -> dict[str, Any]:
    """The content of a callback's task: who asks, what was done about it, what closed it.

    `summaries` are those of its calls, by id.
    """
    calls = [summaries[ask.subject[1]] for ask in episode.asks]
    last = calls[-1]
    number = show_number(last.number, last.number_raw, voice)
    name = f" ({last.caller_name})" if last.caller_name else ""
    closing = episode.closing
    lines = [f"Done {_moment(closing.at, voice)}: {in_words(closing)}."] if closing else []
    lines += [f"Please call {number}{name} back.", _tally(calls, voice)]
    lines += [_asked(call, voice) for call in calls[-10:]]
    since = [each for each in episode.members if each.kind in SINCE and each != closing]
    lines += [_since(each, voice) for each in since[-10:]]
    return {
        "title": "Call back: missed call"
        if all(call.outcome is Outcome.MISSED for call in calls)
        else "Call back: voicemail",
        "body": "\n".join([*lines, "", APPROXIMATE]),
        "occurred_at": _iso(episode.opened_at),
        "due_at": _iso(terms.due_at),
        "assignee": terms.assignee,
        "priority": terms.priority,
        "is_done": closing is not None,
    }


def compose_transcript(window: Window, voice: Voice) -> dict[str, Any]:
    """The content of one window's transcript; `occurred_at` is its first text."""
    zone = ZoneInfo(voice.timezone)
    day = window.local_day
    lines = [
        f"Texts with {show_number(window.number, window.number_raw, voice)}"
        f" on {day:%A}, {day.day} {day:%B %Y}",
        "",
    ]
    for message in window.messages:
        at = message.at.astimezone(zone)
        sender = "Client" if message.is_inbound else "Clinic"
        text = f"[attachment] {message.text}" if message.is_attachment else message.text
        lines.append(f"{at:%H:%M} {sender}: {text}")
    return {
        "title": "Text conversation",
        "body": "\n".join([*lines, "", "Times are those of receipt."]),
        "occurred_at": _iso(window.messages[0].at),
    }


def show_number(number: str, raw: str, voice: Voice) -> str:
    """A number as people of the clinic's region write it."""
    if not number.startswith("+"):
        return raw or "an unknown number"
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return raw or number
    home = phonenumbers.country_code_for_region(voice.region) == parsed.country_code
    style = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(parsed, style.NATIONAL if home else style.INTERNATIONAL)


def about(seconds: int) -> str:
    """A duration in words: 'about 40 s', 'about 3 min', 'about 1 h 5 min'."""
    if seconds < 60:
        return f"about {seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"about {hours} h {minutes} min" if hours else f"about {minutes} min"


def _detail(summary: CallSummary) -> str:
    if summary.direction is Direction.OUTBOUND:
        return "Whether it was answered is not reported by the phone system."
    if summary.outcome is Outcome.MISSED:
        return f"Nobody answered. How far it got: {how_far(summary)}."
    if summary.outcome is Outcome.VOICEMAIL:
        return (
            f"Nobody answered ({how_far(summary)}); the caller reached voicemail"
            " and may have left a message."
        )
    if summary.outcome is Outcome.ANSWERED_THEN_VOICEMAIL:
        return "The caller ended in voicemail after the call was answered."
    if summary.outcome is Outcome.ANSWERED:
        return " ".join(_way(summary))
    return ""


def _way(summary: CallSummary) -> Iterator[str]:
    """How an answered call came to who had it, as sentences."""
    through = [f"queue {queue}" for queue in summary.queues]
    through += [f"ring group {group}" for group in summary.ring_groups]
    if through:
        yield f"It came through {' and '.join(through)}."
    if len(summary.answered_by) > 1:
        yield f"It was transferred between {_people(summary.answered_by)}."
    if rang := [leg for leg in summary.legs if leg.has_rung and not leg.has_answered]:
        yield f"Also rang {_people(rang)}."


def _spans(summary: CallSummary) -> str:
    spans = []
    if summary.waited_seconds:
        spans.append(f"waited {about(summary.waited_seconds)}")
    if summary.talked_seconds:
        spans.append(f"talked {about(summary.talked_seconds)}")
    return f", {', '.join(spans)}" if spans else ""


def _tally(calls: Sequence[CallSummary], voice: Voice) -> str:
    missed = sum(call.outcome is Outcome.MISSED for call in calls)
    mailed = len(calls) - missed
    parts = [f"{missed} missed call{'s' * (missed != 1)}"] * bool(missed)
    parts += [f"{mailed} call{'s' * (mailed != 1)} that reached voicemail"] * bool(mailed)
    return f"{' and '.join(parts)}, the last {_moment(calls[-1].started_at, voice)}."


def _asked(call: CallSummary, voice: Voice) -> str:
    what = {
        Outcome.MISSED: f"missed, {how_far(call)}",
        Outcome.VOICEMAIL: f"reached voicemail, {how_far(call)}",
        Outcome.ANSWERED_THEN_VOICEMAIL: "answered, then reached voicemail",
    }.get(call.outcome, call_title(call))
    return f"- {_moment(call.started_at, voice)}: {what}{_spans(call)}"


def _since(happening: Happening, voice: Voice) -> str:
    by = f" by {happening.by}" if happening.by else ""
    quoted = _shortened(happening.text)
    what = {
        Kind.DIALLED: f"called{by}; whether it was answered is not reported",
        Kind.TEXT_OUT: f"the clinic texted: {quoted}",
        Kind.TEXT_IN: f"they texted: {quoted}",
        Kind.ANSWERED: f"a call with them was answered{by}",
        Kind.CLOSED: f"closed by {in_words(happening)}",
        Kind.REOPENED: f"reopened by {in_words(happening)}",
    }[happening.kind]
    return f"- {_moment(happening.at, voice)}: {what}"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= QUOTED else f"{line[: QUOTED - 1]}…"


def _line(summary: CallSummary, voice: Voice) -> str:
    number = show_number(summary.line, summary.line, voice) if summary.line else ""
    return ", ".join(part for part in (summary.line_name, number) if part)


def _people(legs: Sequence[Leg]) -> str:
    shown = sorted(f"{leg.name} ({leg.extension})" if leg.name else leg.extension for leg in legs)
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def _moment(at: datetime, voice: Voice) -> str:
    local = at.astimezone(ZoneInfo(voice.timezone))
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M}"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
