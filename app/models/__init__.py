"""The tables, one concept a file."""

from .access import (
    ApiToken,
    ApiTokenClinic,
    BrowserSession,
    Role,
    SignInLink,
    SignInTries,
    User,
    UserClinic,
)
from .base import Base
from .call import Call, Conversation, Transcript
from .clinic import Clinic, Line, WebhookToken
from .delivery import Attempt, Connection, ConnectionState, OutboxRow, Pace, PaceBucket
from .directory import (
    Client,
    ClientNumber,
    ColumnChoice,
    Lookup,
    Match,
    NumberRule,
    SyncState,
)
from .event import Decision, DueMark, Event, EventStatus, SubjectKind, new_event_id
from .ledger import (
    Callback,
    CallbackMember,
    CallbackState,
    Entry,
    EntryKind,
    EntryState,
    Policy,
)

__all__ = [
    "ApiToken",
    "ApiTokenClinic",
    "Attempt",
    "Base",
    "BrowserSession",
    "Call",
    "Callback",
    "CallbackMember",
    "CallbackState",
    "Client",
    "ClientNumber",
    "Clinic",
    "ColumnChoice",
    "Connection",
    "ConnectionState",
    "Conversation",
    "Decision",
    "DueMark",
    "Entry",
    "EntryKind",
    "EntryState",
    "Event",
    "EventStatus",
    "Line",
    "Lookup",
    "Match",
    "NumberRule",
    "OutboxRow",
    "Pace",
    "PaceBucket",
    "Policy",
    "Role",
    "SignInLink",
    "SignInTries",
    "SubjectKind",
    "SyncState",
    "Transcript",
    "User",
    "UserClinic",
    "WebhookToken",
    "new_event_id",
]
