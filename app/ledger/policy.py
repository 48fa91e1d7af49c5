"""What a clinic's rules make of a call or of texts: entries, for whom, how urgent, due when. Pure.

Settling and rehearsals ask it. Whatever leads to nothing being written is told in words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from ..telephony.conversations import Cut, Window
from ..telephony.summaries import CallSummary, Direction, Outcome
from .hours import Closure, OpenHours, read_span
from .rules import DAYS, LAST_ANSWERED, PRIORITIES, ROLE, Case, Hours, Priority, Rules, When

STRANGERS_LEFT = "the policy leaves numbers alone that no client has"


@dataclass(frozen=True, slots=True)
class CallWants:
    """What one call should lead to. `filtered_by` says, in words, why nothing is written."""

    note: bool = False
    callback: bool = False
    filtered_by: str | None = None


@dataclass(frozen=True, slots=True)
class TaskTerms:
    """For whom a callback's task is ('' for nobody in particular), how urgent, due when (UTC)."""

    due_at: datetime
    assignee: str
    priority: Priority


def decide_call(
    rules: Rules, summary: CallSummary, match_kind: str, match_rule: str, timezone: str
) -> CallWants:
    """What a settled call becomes under these rules, given whom it was matched to.

    `timezone` is the clinic's. `match_kind` 'none' is a number that no client has, for certain.
    """
    filtered = summary.filtered_by or _ignored(rules, summary) or unwritable(match_kind, match_rule)
    if filtered:
        return CallWants(filtered_by=filtered)
    hours = open_hours(rules.hours, timezone)
    case = find_case(rules, summary, hours)
    wants = _in_general(rules, summary, hours)
    if case and not (case.note is None and case.callback is None):
        wants = CallWants(
            note=wants.note if case.note is None else case.note,
            callback=_may_ask(summary)
            and (wants.callback if case.callback is None else case.callback),
        )
        if not (wants.note or wants.callback):
            return CallWants(
                filtered_by=f'the policy writes nothing of it, by its case "{case.name}"'
            )
    if match_kind == "none" and wants.filtered_by is None:
        return _of_stranger(rules, wants)
    return wants


def decide_texts(rules: Rules, window: Window, match_kind: str, match_rule: str) -> str | None:
    """Why a window of texts becomes no transcript, in words; None if it does."""
    if window.filtered_by:
        return window.filtered_by
    if window.number in rules.ignore.numbers:
        return "the number is on the policy's list of ignored numbers"
    if window.line in rules.ignore.lines:
        return "the line is on the policy's list of ignored lines"
    if filtered := unwritable(match_kind, match_rule):
        return filtered
    if not rules.transcripts.enabled:
        return "the policy writes no transcripts"
    if match_kind == "none" and rules.strangers.transcripts == "leave":
        return STRANGERS_LEFT
    return None


def cut_of(rules: Rules) -> Cut:
    """How these rules part texts into transcripts."""
    texts = rules.transcripts
    gap = timedelta(minutes=texts.gap_minutes)
    return Cut(texts.window, gap, timedelta(seconds=texts.repeat_seconds))


def unwritable(match_kind: str, match_rule: str) -> str | None:
    """Why nothing can be written for such a match, or None where something can (perhaps later)."""
    if match_kind == "withheld":
        return "the number was withheld, so there is no client to write to"
    if match_kind == "ignored":
        return match_rule
    return None


def stranger_record(
    rules: Rules, kind: Literal["notes", "callbacks", "transcripts"], match_kind: str
) -> str:
    """The client that stands for a number nobody has, where the policy names one; else ''."""
    if match_kind == "none" and getattr(rules.strangers, kind) == "record":
        return rules.strangers.record
    return ""


def counted_as(rules: Rules, summary: CallSummary) -> Outcome:
    """How a call ended as the policy counts it: a voicemail may be a missed call to it."""
    is_missed = summary.outcome is Outcome.VOICEMAIL and rules.callbacks.voicemail_is_missed
    return Outcome.MISSED if is_missed else summary.outcome


def task_terms(
    rules: Rules,
    asking: Sequence[CallSummary],
    due_from: datetime,
    answered_by: Sequence[str],
    timezone: str,
    *,
    is_again: bool = False,
) -> TaskTerms:
    """The terms of a callback's task, from the calls that ask for it, in any order.

    The first of them decides for whom it is and when it is due, so that the task does not wander;
    the most urgent one, and their number, how urgent it is. `due_from` is since when they wait,
    or, where `is_again`, when somebody last tried to reach them. `answered_by` are the extensions
    of who answered this client before, the latest first.
    """
    hours = open_hours(rules.hours, timezone)
    ordered = sorted(asking, key=lambda call: (call.started_at, call.line, call.evidence))
    cases = [find_case(rules, call, hours) for call in ordered]
    first = cases[0] if cases else None
    general = rules.callbacks
    minutes = general.due_minutes if first is None else first.due_minutes or general.due_minutes
    assignees = general.assignee
    if first is not None and first.assignee is not None:
        assignees = first.assignee
    return TaskTerms(
        due_at=hours.after(due_from, general.again_minutes if is_again else minutes),
        assignee=assign(rules, assignees, answered_by),
        priority=_priority(rules, cases),
    )


def assign(rules: Rules, assignees: Sequence[str], answered_by: Sequence[str]) -> str:
    """The first of these who is somebody: the PMS's own id or name of a user, '' if none is."""
    for each in assignees:
        if each == LAST_ANSWERED:
            known = (rules.people.get(extension, "") for extension in answered_by)
            found = next(filter(None, known), "")
        elif each.startswith(ROLE):
            found = rules.roles.get(each.removeprefix(ROLE).strip(), "")
        else:
            found = each
        if found:
            return found
    return ""


def find_case(rules: Rules, summary: CallSummary, hours: OpenHours) -> Case | None:
    """The first case of the policy that fits a call."""
    return next((case for case in rules.cases if _fits(rules, case, summary, hours)), None)


def open_hours(hours: Hours, timezone: str) -> OpenHours:
    """Business hours to reckon with, in `timezone` where the policy names no other."""
    return OpenHours(
        zone=ZoneInfo(hours.timezone or timezone),
        week=tuple(tuple(map(read_span, getattr(hours, day))) for day in DAYS),
        closures=tuple(
            Closure(each.date, each.until or each.date, each.name, tuple(map(read_span, each.open)))
            for each in hours.holidays
        ),
        is_always=hours.always_open,
    )


def _in_general(rules: Rules, summary: CallSummary, hours: OpenHours) -> CallWants:
    """What the policy says of all calls, its cases left aside."""
    is_now = _is_at(rules.notes.hours, summary, hours)
    if summary.direction is Direction.OUTBOUND:
        if rules.notes.outbound and is_now:
            return CallWants(note=True)
        if rules.notes.outbound:
            return CallWants(filtered_by=_out_of_hours(rules.notes.hours))
        return CallWants(filtered_by="the policy writes no notes of outbound calls")
    counted = {summary.outcome.value, counted_as(rules, summary).value}
    has_note = bool(counted & set(rules.notes.inbound))
    asks = bool(counted & set(rules.callbacks.outcomes))
    wants = CallWants(
        note=has_note and is_now,
        callback=asks and _is_at(rules.callbacks.hours, summary, hours),
    )
    if wants.note or wants.callback:
        return wants
    if has_note or asks:
        when = rules.notes.hours if has_note else rules.callbacks.hours
        return CallWants(filtered_by=_out_of_hours(when))
    return CallWants(filtered_by=f"the policy writes nothing of {_plainly(summary.outcome)} calls")


def _of_stranger(rules: Rules, wants: CallWants) -> CallWants:
    left = CallWants(
        note=wants.note and rules.strangers.notes != "leave",
        callback=wants.callback and rules.strangers.callbacks != "leave",
    )
    return left if left.note or left.callback else CallWants(filtered_by=STRANGERS_LEFT)


def _ignored(rules: Rules, summary: CallSummary) -> str | None:
    if summary.number and summary.number in rules.ignore.numbers:
        return "the number is on the policy's list of ignored numbers"
    if _is_line(rules.ignore.lines, summary):
        return "the line is on the policy's list of ignored lines"
    took_part = {leg.extension for leg in summary.answered_by or summary.legs}
    if took_part and took_part <= set(rules.ignore.extensions):
        return f"extension {' and '.join(sorted(took_part))} is on the policy's list to ignore"
    return None


def _fits(rules: Rules, case: Case, summary: CallSummary, hours: OpenHours) -> bool:
    when = case.when
    outcomes = {summary.outcome.value, counted_as(rules, summary).value}
    return (
        (not when.directions or summary.direction.value in when.directions)
        and (not when.outcomes or bool(outcomes & set(when.outcomes)))
        and (not when.lines or _is_line(when.lines, summary))
        and (not when.queues or bool(set(summary.queues) & set(when.queues)))
        and (not when.ring_groups or bool(set(summary.ring_groups) & set(when.ring_groups)))
        and (
            not when.extensions
            or bool({leg.extension for leg in summary.legs} & set(when.extensions))
        )
        and _is_at(when.hours, summary, hours)
    )


def _is_line(lines: Sequence[str], summary: CallSummary) -> bool:
    named = {summary.line, summary.line_name.casefold()} - {""}
    return any(line in named or line.casefold() in named for line in lines)


def _is_at(when: When, summary: CallSummary, hours: OpenHours) -> bool:
    return when == "always" or hours.is_open(summary.started_at) == (when == "open")


def _may_ask(summary: CallSummary) -> bool:
    return summary.direction is Direction.INBOUND


def _priority(rules: Rules, cases: Sequence[Case | None]) -> Priority:
    general = rules.callbacks.priority
    ranks = [PRIORITIES.index(case.priority or general if case else general) for case in cases]
    rank = max(ranks, default=PRIORITIES.index(general))
    after = rules.callbacks.raise_after
    is_raised = bool(after) and len(cases) >= after
    return PRIORITIES[min(rank + is_raised, len(PRIORITIES) - 1)]


def _out_of_hours(when: When) -> str:
    other = "closed" if when == "open" else "open"
    return f"the policy writes nothing of calls that come while the clinic is {other}"


def _plainly(outcome: Outcome) -> str:
    return outcome.value.replace("_", " ")
