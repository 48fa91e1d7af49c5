"""What a call was: a pure fold over its facts. The outcome depends on the set of facts alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from ..numbers import Number, NumberKind, read_number
from .facts import Correction, EventType, Fact, Grounds


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class Outcome(StrEnum):
    """How a call ended."""

    ANSWERED = "answered"
    ANSWERED_THEN_VOICEMAIL = "answered_then_voicemail"
    VOICEMAIL = "voicemail"
    MISSED = "missed"
    PLACED = "placed"
    """An outbound call: an attempt, of which no end is ever reported."""
    UNKNOWN = "unknown"
    """Its end was not reported (yet)."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One extension's part in a call."""

    extension: str
    name: str = ""
    has_rung: bool = False
    has_answered: bool = False


@dataclass(frozen=True, slots=True)
class CallSummary:
    """All that is known of one call. JSON-ready through `to_json` and `from_json`."""

    direction: Direction
    outcome: Outcome
    evidence: tuple[str, ...]
    """What the outcome rests on, in words."""
    number: str
    """The other party in E.164; '' where there is none to tell."""
    number_raw: str
    number_kind: NumberKind
    caller_name: str
    """For show: without `[V]` and the line's prefix."""
    line: str
    """E.164 of the clinic's line where readable, else as it came; '' if unknown."""
    line_name: str
    queues: tuple[str, ...]
    ring_groups: tuple[str, ...]
    legs: tuple[Leg, ...]
    """Every extension that rang, answered or dialled, by extension."""
    started_at: datetime
    last_event_at: datetime
    ended_at: datetime | None
    waited_seconds: int | None
    """About how long the caller waited; None where impossible or unknown."""
    talked_seconds: int | None
    missing: tuple[str, ...]
    """Facts that the phone system should have reported and did not, in words."""
    filtered_by: str | None
    """Why nothing is written of it (internal, star code, emergency, own line), in words."""
    corrected_by: str | None


MAX_NUMBER = 64
"""Characters of what came in place of a number that are kept in the summary."""
REUSED_AFTER = timedelta(hours=24)
UNREPORTED_AFTER = timedelta(hours=4)


def split_reused(facts: Iterable[Fact]) -> list[tuple[Fact, ...]]:
    """The facts of one callUuid, by call: after 24 h of silence it is another. In any order."""
    ordered = sorted({fact.event_id: fact for fact in facts}.values(), key=_stamp)
    groups: list[list[Fact]] = []
    for fact in ordered:
        if not groups or fact.at - groups[-1][-1].at > REUSED_AFTER:
            groups.append([])
        groups[-1].append(fact)
    return [tuple(group) for group in groups]


def settles_at(facts: Sequence[Fact], grace: timedelta) -> datetime:
    """When a call of these facts is to be settled: what ended it, plus `grace` where a late answer
    may still come; four hours after its last event where no end was reported."""
    kinds = {fact.type for fact in facts}
    hangups = [fact for fact in facts if fact.type is EventType.HANGUP_CALL]
    if EventType.OUTBOUND_CALL in kinds:
        return min(fact.at for fact in facts if fact.type is EventType.OUTBOUND_CALL)
    answered = EventType.EXTENSION_ANSWERED in kinds
    if hangups and (answered or any(fact.fields.get("extension") for fact in hangups)):
        return min(fact.at for fact in hangups)
    mails = [fact for fact in facts if fact.type is EventType.VOICEMAIL_HANGUP]
    if hangups or mails:
        return min(fact.at for fact in hangups + mails) + grace
    return max(fact.at for fact in facts) + UNREPORTED_AFTER


def fold_call(
    facts: Sequence[Fact], corrections: Sequence[Correction], grounds: Grounds
) -> CallSummary:
    """What the call was, from its facts in any order."""
    ordered = sorted({fact.event_id: fact for fact in facts}.values(), key=_stamp)
    by_type = {kind: [fact for fact in ordered if fact.type is kind] for kind in EventType}
    legs = _legs(ordered)
    outbound = by_type[EventType.OUTBOUND_CALL]
    inbound = by_type[EventType.INBOUND_CALL]
    raw = _first(ordered, "number_dialed") if outbound else _first(ordered, "caller_number")
    number = read_number(raw, grounds.region)
    direction = _direction(outbound, inbound, number)
    outcome, evidence = _outcome(by_type, direction)
    corrected = max(corrections, key=lambda each: each.at, default=None)
    if corrected and corrected.outcome == "internal":
        direction = Direction.INTERNAL
    elif corrected:
        outcome = Outcome(corrected.outcome)
    if corrected:
        evidence = (f"corrected by {corrected.by}",)
    did = _first(inbound, "did_number")
    line = read_number(did, grounds.region).e164 or did
    waited, talked = _spans(by_type, outcome)
    return CallSummary(
        direction=direction,
        outcome=outcome,
        evidence=evidence,
        number=number.e164,
        number_raw=raw[:MAX_NUMBER],
        number_kind=number.kind,
        caller_name=_shown_name(ordered),
        line=line,
        line_name=_first(inbound, "did_description"),
        queues=_all(ordered, "queue"),
        ring_groups=_all(ordered, "ring_group"),
        legs=legs,
        started_at=ordered[0].at,
        last_event_at=ordered[-1].at,
        ended_at=max((fact.at for fact in by_type[EventType.HANGUP_CALL]), default=None),
        waited_seconds=waited,
        talked_seconds=talked,
        missing=_missing(by_type, direction),
        filtered_by=_filtered(direction, number, grounds),
        corrected_by=corrected.by if corrected else None,
    )


def how_far(summary: CallSummary) -> str:
    """How far a caller got whom nobody answered, in words."""
    steps = [f"in queue {queue}" for queue in summary.queues]
    steps += [f"in ring group {group}" for group in summary.ring_groups]
    rang = [leg.extension for leg in summary.legs if leg.has_rung]
    if rang:
        steps.append("rang " + (f"{', '.join(rang[:-1])} and {rang[-1]}" if rang[1:] else rang[0]))
    return ", ".join(steps) or "before ringing"


def summary_to_json(summary: CallSummary) -> dict[str, Any]:
    """The summary as JSON takes it."""
    found = asdict(summary)
    for name in ("started_at", "last_event_at", "ended_at"):
        found[name] = found[name].isoformat() if found[name] else None
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}


def summary_from_json(found: Mapping[str, Any]) -> CallSummary:
    """The summary back from JSON."""
    values = dict(found)
    for name in ("started_at", "last_event_at", "ended_at"):
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    for name in ("evidence", "queues", "ring_groups", "missing"):
        values[name] = tuple(values[name])
    values["legs"] = tuple(Leg(**leg) for leg in values["legs"])
    values["direction"] = Direction(values["direction"])
    values["outcome"] = Outcome(values["outcome"])
    values["number_kind"] = NumberKind(values["number_kind"])
    return CallSummary(**values)


def _stamp(fact: Fact) -> tuple[datetime, str]:
    return fact.at, fact.event_id


def _direction(outbound: list[Fact], inbound: list[Fact], number: Number) -> Direction:
    if outbound and not inbound:
        return Direction.OUTBOUND
    if number.kind is NumberKind.EXTENSION and not inbound:
        return Direction.INTERNAL
    return Direction.INBOUND


def _outcome(
    by_type: Mapping[EventType, list[Fact]], direction: Direction
) -> tuple[Outcome, tuple[str, ...]]:
    if direction is Direction.OUTBOUND:
        return Outcome.PLACED, ("an extension dialled out",)
    hangups = by_type[EventType.HANGUP_CALL]
    empty = [fact for fact in hangups if _is_empty_hangup(fact)]
    live = [fact for fact in hangups if fact.fields.get("extension")]
    answers = by_type[EventType.EXTENSION_ANSWERED]
    mails = by_type[EventType.VOICEMAIL_HANGUP]
    if answers or live:
        if mails and empty and not live:
            return Outcome.ANSWERED_THEN_VOICEMAIL, ("an extension answered, then voicemail",)
        return Outcome.ANSWERED, ("an extension answered" if answers else "a person hung up",)
    if mails:
        return Outcome.VOICEMAIL, ("voicemail was reached",)
    if by_type[EventType.INBOUND_CALL_COMPLETED] and not empty:
        return Outcome.ANSWERED, ("an extension hung up",)
    if empty:
        return Outcome.MISSED, ("the call ended and nobody had answered",)
    return Outcome.UNKNOWN, ("its end was not reported",)


def _missing(by_type: Mapping[EventType, list[Fact]], direction: Direction) -> tuple[str, ...]:
    if direction is Direction.OUTBOUND:
        return ()
    hangups = by_type[EventType.HANGUP_CALL]
    answered = {fact.fields.get("extension") for fact in by_type[EventType.EXTENSION_ANSWERED]}
    ended_by = {fact.fields["extension"] for fact in hangups if fact.fields.get("extension")}
    missing = [] if by_type[EventType.INBOUND_CALL] else ["its beginning"]
    missing += [] if hangups else ["its end"]
    missing += [f"an answer event of extension {each}" for each in sorted(ended_by - answered)]
    return tuple(missing)


def _legs(ordered: Sequence[Fact]) -> tuple[Leg, ...]:
    legs: dict[str, Leg] = {}
    believes_completed = not any(_is_empty_hangup(fact) for fact in ordered)
    for fact in ordered:
        extension = fact.fields.get("extension")
        if not extension:
            continue
        leg = legs.get(extension, Leg(extension))
        name = fact.fields.get("extension_name", "")
        legs[extension] = Leg(
            extension,
            max(leg.name, name),
            leg.has_rung or fact.type is EventType.EXTENSION_RINGS,
            leg.has_answered
            or fact.type in (EventType.EXTENSION_ANSWERED, EventType.HANGUP_CALL)
            or (fact.type is EventType.INBOUND_CALL_COMPLETED and believes_completed),
        )
    return tuple(legs[key] for key in sorted(legs))


def _spans(
    by_type: Mapping[EventType, list[Fact]], outcome: Outcome
) -> tuple[int | None, int | None]:
    began = by_type[EventType.INBOUND_CALL]
    answers, hangups = by_type[EventType.EXTENSION_ANSWERED], by_type[EventType.HANGUP_CALL]
    until = answers or hangups
    waited = (until[0].at - began[0].at).total_seconds() if began and until else None
    talked = (hangups[-1].at - answers[0].at).total_seconds() if answers and hangups else None
    return _positive(waited), _positive(talked)


def _positive(seconds: float | None) -> int | None:
    return None if seconds is None or seconds < 0 else round(seconds)


def _filtered(direction: Direction, number: Number, grounds: Grounds) -> str | None:
    if direction is Direction.INTERNAL:
        return "an internal call between extensions"
    if number.kind is NumberKind.STAR_CODE:
        return "a star code was dialled"
    if number.kind is NumberKind.EMERGENCY:
        return "an emergency number"
    if number.kind is NumberKind.EXTENSION:
        return "an extension or short code, so no client"
    if number.e164 and number.e164 in grounds.lines:
        return "the other party is one of the clinic's own lines"
    return None


def _is_empty_hangup(fact: Fact) -> bool:
    return fact.type is EventType.HANGUP_CALL and not fact.fields.get("extension")


def _first(facts: Sequence[Fact], name: str) -> str:
    """The value of a field, the same whatever the order of the facts."""
    return min((fact.fields[name] for fact in facts if fact.fields.get(name)), default="")


def _all(facts: Sequence[Fact], name: str) -> tuple[str, ...]:
    return tuple(sorted({fact.fields[name] for fact in facts if fact.fields.get(name)}))


def _shown_name(facts: Sequence[Fact]) -> str:
    name = _first(facts, "caller_name").replace("[V]", "").strip()
    prefix = _first(facts, "cid_prefix")
    return name.removeprefix(prefix).strip() if prefix else name
