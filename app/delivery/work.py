"""One claimed entry, as it is handed from the claim to the try and to its end."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..models import EntryKind


@dataclass(frozen=True, slots=True)
class Work:
    """One claimed entry: a snapshot of what is to be written, and the lease it is held under."""

    entry_id: int
    connection_id: int
    lease_token: str
    version: int
    kind: EntryKind
    client: str
    content: dict[str, Any]
    is_wanted: bool
    reference: str
    incarnation: int
    pms_id: str | None
    attempts: int
    is_in_doubt: bool
    queued_at: datetime
    claimed_at: datetime
    """By the database's clock."""
    unanswered: int = 0
    """Tries in a row of which no answer told what came."""
    is_done_there: bool = False
    """Whether it is known that the PMS has the task as done, or has deleted it."""
    host: str | None = None
    """Of the PMS, if it is known."""
    prepaid: int = 0
    """Requests that were bought for it, where the PMS's rate is declared."""
    connector: str = ""
    """The name of the one that its connection is spoken to by."""
