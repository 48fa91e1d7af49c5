"""What each event changed of what was known of its call, in words. Pure."""

from collections.abc import Iterator, Sequence

from ..numbers import NumberKind
from .calls import fold_call
from .facts import Correction, Fact, Grounds
from .summaries import CallSummary, Outcome

TOLD = 200
"""Events of one call that are told of: each takes a fold of all before it."""


def tell_changes(
    facts: Sequence[Fact], corrections: Sequence[Correction], grounds: Grounds
) -> dict[str, tuple[str, ...]]:
    """By event id, what the event changed; () for one that told nothing new.

    Each is held against all that had come before it, corrections included. What comes after the
    first 200 events is left out.
    """
    ordered = sorted(facts, key=lambda fact: (fact.at, fact.event_id))[:TOLD]
    found: dict[str, tuple[str, ...]] = {}
    before: CallSummary | None = None
    for count, fact in enumerate(ordered, start=1):
        made = [each for each in corrections if each.at <= fact.at]
        after = fold_call(ordered[:count], made, grounds)
        found[fact.event_id] = tuple(_changes(before, after))
        before = after
    return found


def _changes(before: CallSummary | None, after: CallSummary) -> Iterator[str]:
    if before is None or before.direction != after.direction:
        yield f"{after.direction} call"
    if _party(before) != _party(after):
        yield f"other party: {_party(after)}"
    for name in ("line_name" if after.line_name else "line", "caller_name"):
        value = getattr(after, name)
        if value and (before is None or getattr(before, name) != value):
            yield f"{name.removesuffix('_name')}: {value}"
    yield from _route(before, after)
    if after.ended_at != (before.ended_at if before else None):
        yield "ended" if before is None or before.ended_at is None else "ended later"
    if (was := before.outcome if before else Outcome.UNKNOWN) != after.outcome:
        yield "outcome: " + " → ".join(
            each.replace("_", " ") for each in (was, after.outcome) if each != Outcome.UNKNOWN
        )
    for name in ("waited", "talked"):
        seconds = getattr(after, f"{name}_seconds")
        known = getattr(before, f"{name}_seconds") if before else None
        if seconds != known:
            yield f"{name}: " + ("not known" if seconds is None else f"about {seconds} s")
    if before:
        yield from (f"not reported: {each}" for each in after.missing if each not in before.missing)
    filtered_before = before.filtered_by if before else None
    if after.filtered_by != filtered_before:
        yield f"nothing is written: {after.filtered_by}" if after.filtered_by else "to be written"


def _route(before: CallSummary | None, after: CallSummary) -> Iterator[str]:
    for name, label in (("queues", "queue"), ("ring_groups", "ring group")):
        known = getattr(before, name) if before else ()
        yield from (f"{label} {each}" for each in getattr(after, name) if each not in known)
    legs = {leg.extension: leg for leg in before.legs} if before else {}
    for leg in after.legs:
        was = legs.get(leg.extension)
        if leg.has_rung and not (was and was.has_rung):
            yield f"{leg.extension} rang"
        if leg.has_answered != (was.has_answered if was else False):
            yield f"{leg.extension} " + ("answered" if leg.has_answered else "did not answer")
        if was is None and not leg.has_rung and not leg.has_answered:
            yield f"extension {leg.extension}"


def _party(summary: CallSummary | None) -> str:
    if summary is None:
        return ""
    if summary.number_kind is NumberKind.WITHHELD:
        return "withheld"
    return summary.number or summary.number_raw or "not told"
