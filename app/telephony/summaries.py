"""What a call was, as a value: kept as JSON, told by notes, listings and traces. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from ..numbers import NumberKind


class Direction(StrEnum):
    """Which way a call went."""

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
    """All that is known of one call. JSON-ready by `summary_to_json` and `summary_from_json`."""

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
    has_beginning: bool
    """Whether its arrival on a line was reported; a transferred leg's is not."""
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
    spoke_last: str = ""
    """The extension that answered last; '' where nobody did, or the events cannot tell."""

    @property
    def answered_by(self) -> tuple[Leg, ...]:
        """Every extension that answered; several if the call was transferred."""
        return tuple(leg for leg in self.legs if leg.has_answered)


def summary_to_json(summary: CallSummary) -> dict[str, Any]:
    """The summary as JSON takes it."""
    found = {each.name: getattr(summary, each.name) for each in fields(summary)}
    found["legs"] = [asdict(leg) for leg in summary.legs]
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
