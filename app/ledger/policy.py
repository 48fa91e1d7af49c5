"""A clinic's rules: what becomes a note, a task, for whom, due when. Pure; settling asks it."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..telephony.summaries import CallSummary, Direction, Outcome

InboundOutcome = Literal["answered", "answered_then_voicemail", "voicemail", "missed", "unknown"]


class Notes(BaseModel):
    """Which calls become a note."""

    model_config = ConfigDict(extra="forbid", strict=True)

    inbound: list[InboundOutcome] = [
        "answered",
        "answered_then_voicemail",
        "voicemail",
        "missed",
        "unknown",
    ]
    outbound: bool = True


class Callbacks(BaseModel):
    """Which calls ask for a callback, and when its task is due."""

    model_config = ConfigDict(extra="forbid", strict=True)

    outcomes: list[InboundOutcome] = ["missed", "voicemail", "answered_then_voicemail"]
    due_minutes: int = Field(default=60, ge=1, le=60 * 24 * 30)
    assignee: str = ""
    """The PMS's own id or name of a user; '' leaves the task unassigned."""


class Transcripts(BaseModel):
    """Whether texts become a transcript of one clinic-local day."""

    model_config = ConfigDict(extra="forbid", strict=True)

    enabled: bool = True
    repeat_seconds: int = Field(default=10, ge=0, le=600)
    """An identical text within this time counts once."""


class Rules(BaseModel):
    """One version of a clinic's policy."""

    model_config = ConfigDict(extra="forbid", strict=True)

    notes: Notes = Notes()
    callbacks: Callbacks = Callbacks()
    transcripts: Transcripts = Transcripts()


DEFAULT_RULES: dict[str, Any] = Rules().model_dump(mode="json")
"""What a new clinic starts with: version 1 of its policy."""


@dataclass(frozen=True, slots=True)
class CallWants:
    """What one call should lead to. `filtered_by` says, in words, why nothing is written."""

    note: bool = False
    callback: bool = False
    filtered_by: str | None = None


def decide_call(rules: Rules, summary: CallSummary, match_kind: str, match_rule: str) -> CallWants:
    """What a settled call becomes under these rules, given whom it was matched to."""
    if summary.filtered_by:
        return CallWants(filtered_by=summary.filtered_by)
    if filtered := unwritable(match_kind, match_rule):
        return CallWants(filtered_by=filtered)
    if summary.direction is Direction.OUTBOUND:
        if rules.notes.outbound:
            return CallWants(note=True)
        return CallWants(filtered_by="the policy writes no notes of outbound calls")
    wants = CallWants(
        note=summary.outcome.value in rules.notes.inbound,
        callback=summary.outcome.value in rules.callbacks.outcomes,
    )
    if wants.note or wants.callback:
        return wants
    return CallWants(filtered_by=f"the policy writes nothing of {_plainly(summary.outcome)} calls")


def unwritable(match_kind: str, match_rule: str) -> str | None:
    """Why nothing can be written for such a match, or None where something can (perhaps later)."""
    if match_kind == "withheld":
        return "the number was withheld, so there is no client to write to"
    if match_kind == "ignored":
        return match_rule
    return None


def _plainly(outcome: Outcome) -> str:
    return outcome.value.replace("_", " ")
