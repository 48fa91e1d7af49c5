"""What a call was: a pure fold over its facts. The outcome depends on the set of facts alone."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from ..numbers import Number, NumberKind, read_number
from .facts import Correction, EventType, Fact, Grounds
from .speakers import find_last_speaker
from .summaries import CallSummary, Direction, Leg, Outcome

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


def split_off(facts: Iterable[Fact], last_at: datetime) -> list[Fact]:
    """What is no part of a call of this callUuid whose last event came at `last_at`."""
    kept = sorted(facts, key=_stamp)
    while kept and kept[0].at - last_at <= REUSED_AFTER:
        last_at = max(last_at, kept.pop(0).at)
    return kept


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
    number = _other_party(ordered, bool(outbound) and not inbound, grounds)
    direction = _direction(outbound, inbound, number)
    outcome, evidence = _outcome(by_type, direction)
    corrected = max(corrections, key=lambda each: (each.at, each.outcome), default=None)
    if corrected and corrected.outcome == "internal":
        direction = Direction.INTERNAL
    elif corrected:
        outcome = Outcome(corrected.outcome)
    if corrected:
        evidence = (f"corrected by {corrected.by}",)
    did = _first(inbound, "did_number")
    line = read_number(did, grounds.region).e164 or did
    answers = by_type[EventType.EXTENSION_ANSWERED]
    ended_at = _ended_at(by_type[EventType.HANGUP_CALL])
    return CallSummary(
        direction=direction,
        outcome=outcome,
        evidence=evidence,
        number=number.e164,
        number_raw=number.raw[:MAX_NUMBER],
        number_kind=number.kind,
        caller_name=_shown_name(inbound) or _shown_name(ordered),
        line=line,
        line_name=_first(inbound, "did_description"),
        queues=_all(ordered, "queue"),
        ring_groups=_all(ordered, "ring_group"),
        legs=legs,
        has_beginning=bool(inbound),
        started_at=ordered[0].at,
        last_event_at=ordered[-1].at,
        ended_at=ended_at,
        waited_seconds=_waited(by_type, outcome, ended_at),
        talked_seconds=_between(answers[0].at if answers else None, ended_at),
        missing=_missing(by_type, direction),
        filtered_by=_filtered(direction, number, grounds),
        corrected_by=corrected.by if corrected else None,
        spoke_last=find_last_speaker(ordered, [leg.extension for leg in legs if leg.has_answered]),
    )


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
    if direction is not Direction.INBOUND:
        return ()
    hangups = by_type[EventType.HANGUP_CALL]
    answered = {fact.fields.get("extension") for fact in by_type[EventType.EXTENSION_ANSWERED]}
    ended_by = {fact.fields["extension"] for fact in hangups if fact.fields.get("extension")}
    missing = [] if by_type[EventType.INBOUND_CALL] else ["its beginning"]
    missing += [] if hangups else ["its end"]
    missing += [f"an answer at extension {each}" for each in sorted(ended_by - answered)]
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


def _ended_at(hangups: Sequence[Fact]) -> datetime | None:
    """The end of its last leg; of a leg, the first report, since a later one is a repetition."""
    ends: dict[str, datetime] = {}
    for fact in hangups:
        ends.setdefault(fact.fields.get("call_uuid", ""), fact.at)
    return max(ends.values(), default=None)


def _waited(
    by_type: Mapping[EventType, list[Fact]], outcome: Outcome, ended_at: datetime | None
) -> int | None:
    began, answers = by_type[EventType.INBOUND_CALL], by_type[EventType.EXTENSION_ANSWERED]
    since = began[0].at if began else None
    if answers:
        # An answer that was reported after the end came late; when it was, nobody knows.
        is_late = ended_at is not None and answers[0].at > ended_at
        return None if is_late else _between(since, answers[0].at)
    # How long a caller spoke to the voicemail is no waiting, and when it began is not reported.
    return _between(since, ended_at) if outcome is Outcome.MISSED else None


def _between(begin: datetime | None, end: datetime | None) -> int | None:
    """Seconds, or None where they cannot be."""
    seconds = (end - begin).total_seconds() if begin and end else -1
    return None if seconds < 0 else round(seconds)


def _other_party(ordered: Sequence[Fact], is_outbound: bool, grounds: Grounds) -> Number:
    """Whom the clinic talked to: in a transfer, events name colleagues and own lines as caller."""
    told = EventType.OUTBOUND_CALL if is_outbound else EventType.INBOUND_CALL
    name = "number_dialed" if is_outbound else "caller_number"
    found = {(fact.fields.get(name, ""), fact.type is not told) for fact in ordered}
    numbers = [(read_number(raw, grounds.region), is_hearsay) for raw, is_hearsay in found]
    return min(
        (_doubt(number, grounds), is_hearsay, number.e164, number.raw, number)
        for number, is_hearsay in numbers
    )[-1]


def _doubt(number: Number, grounds: Grounds) -> int:
    """How little a number tells of who it was; 0 for a telephone that isn't the clinic's own."""
    if not number.raw.strip():
        return 5
    if number.kind is NumberKind.PHONE:
        return 3 if number.e164 in grounds.lines else 0
    return {NumberKind.WITHHELD: 1, NumberKind.EXTENSION: 4}.get(number.kind, 2)


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
