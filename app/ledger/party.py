"""The other party of a call or of a window of texts, as its events tell it. Pure."""

from dataclasses import dataclass
from datetime import datetime

from ..numbers import NumberKind
from ..telephony.conversations import Window
from ..telephony.summaries import CallSummary, Direction


@dataclass(frozen=True, slots=True)
class Party:
    """Whom a number is to be matched for. `number` is E.164, or '' where that cannot be told."""

    number: str
    raw: str
    kind: NumberKind
    name: str
    """What a network showed; '' for none."""
    is_caller: bool
    """Whether it was they who called or wrote."""
    at: datetime

    @property
    def known_as(self) -> str:
        """What the number is filed under."""
        return self.number or self.raw


def party_of_call(summary: CallSummary) -> Party:
    """The other party of a call."""
    return Party(
        summary.number,
        summary.number_raw,
        summary.number_kind,
        summary.caller_name,
        summary.direction is Direction.INBOUND,
        summary.started_at,
    )


def party_of_window(window: Window) -> Party:
    """The client's side of a window of texts."""
    has_written = any(message.is_inbound for message in window.messages)
    last_at = window.messages[-1].at
    return Party(window.number, window.number_raw, window.number_kind, "", has_written, last_at)
