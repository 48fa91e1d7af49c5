"""How one try went, and what it did."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..connectors.base import NoteText
from ..exchanges import Exchange
from .retry import Verdict
from .work import Work


@dataclass(frozen=True, slots=True)
class Try:
    """One try as it went: what was done, when (UTC), for how long, and what came of it."""

    action: str
    started_at: datetime
    duration_ms: int
    verdict: Verdict
    pms_id: str | None = None
    http_status: int | None = None
    is_outage: bool = False
    """Whether the failure was the connection's, not this record's."""
    closed_at: datetime | None = None
    """Of a task that was closed in the PMS, when, if the PMS says."""
    exchanges: Sequence[Exchange] = ()
    text: NoteText | None = None
    """What stands there now, where that is to be known later."""


Ended = tuple[Work, Try]
"""A claimed entry, and how the try to write it went."""


def is_done_by(work: Work) -> bool:
    """Whether a task was (perhaps) completed by this try."""
    return bool(work.is_wanted and work.content.get("is_done"))
