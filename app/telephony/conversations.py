"""What was texted: pure folds of a conversation's facts into messages and windows."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Message:
    """One text. `repeats` are the ids of events that said the same again within the window."""

    event_id: str
    at: datetime
    is_inbound: bool
    text: str
    is_attachment: bool
    repeats: tuple[str, ...] = ()
