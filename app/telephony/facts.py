"""The values that parse reads and the folds speak of: an event's fields, a subject's facts.

Pure: no database, no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class EventType(StrEnum):
    """The documented events; ringAttempt is two of them, told apart by their fields."""

    INBOUND_CALL = "InboundCall"
    HANGUP_CALL = "HangupCall"
    EXTENSION_RINGS = "ringAttempt"
    RING_GROUP_ENTERED = "ringGroupEntered"
    """`ringAttempt` with eventTarget=ringGroup or an rgNumber."""
    EXTENSION_ANSWERED = "ExtensionAnswered"
    INBOUND_CALL_COMPLETED = "inboundCallCompleted"
    VOICEMAIL_HANGUP = "voicemailHangup"
    OUTBOUND_CALL = "outboundCall"
    QUEUE_ENTERED = "queueEntered"
    INBOUND_MESSAGE = "inboundMessage"
    OUTBOUND_MESSAGE = "outboundMessage"


MESSAGES = (EventType.INBOUND_MESSAGE, EventType.OUTBOUND_MESSAGE)

FIELDS = (
    "container_id",
    "tenant_id",
    "call_uuid",
    "did_number",
    "did_description",
    "did_group",
    "cid_prefix",
    "caller_number",
    "caller_name",
    "extension",
    "extension_name",
    "number_dialed",
    "ring_group",
    "queue",
    "conversation_id",
    "to_number",
    "from_number",
    "text",
    "event_target",
)
"""Ringnote's names of what an event may carry; aliases and spellings are parse's business."""

FREE_TEXT = frozenset(
    {"did_description", "did_group", "cid_prefix", "caller_name", "extension_name", "text"}
)
"""The fields in which people write what they like."""

NUMBER_FIELDS = frozenset(
    {"did_number", "caller_number", "number_dialed", "to_number", "from_number"}
)
"""The fields that hold phone numbers."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What could be read out of one body.

    `event_type` is an EventType's value, or an unknown type as it came, or None. `reason` says why
    it is quarantined (then `is_quarantined`), or what had to be mended (then it is readable all the
    same). `fields` holds only what was there, without blanks around; `text` is as it was sent.
    """

    event_type: str | None
    fields: Mapping[str, str] = field(default_factory=dict)
    is_quarantined: bool = False
    reason: str | None = None

    @property
    def is_known(self) -> bool:
        return self.event_type in EventType._value2member_map_


@dataclass(frozen=True, slots=True)
class Fact:
    """One accepted event of a subject: its id, its time of receipt (UTC) and what was read."""

    event_id: str
    at: datetime
    type: EventType
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person said a call was: 'answered', 'missed' or 'internal'. The last one wins."""

    at: datetime
    outcome: str
    by: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the folds must know of the clinic: its region for reading numbers, its own lines."""

    region: str
    lines: frozenset[str] = frozenset()
    """E.164."""
