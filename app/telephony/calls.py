"""What a call was: a pure fold over its facts. The outcome depends on the set of facts alone."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..numbers import NumberKind


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
