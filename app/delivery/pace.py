"""How fast a connection may be written to: rate limits that the PMS told of, and the breaker.

One narrow row a connection, shared by all workers. `finish` keeps here how tries went; `outbox`
claims by it. Moves rows.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Pace
from .retry import breaker_seconds

BREAKER, RATE_LIMIT = "breaker", "rate limit"
"""By what a connection is blocked."""


@dataclass(frozen=True, slots=True)
class Fared:
    """How a connection fared in one try. `snooze_seconds` is how long the PMS asked to wait."""

    connection_id: int
    is_outage: bool
    snooze_seconds: float | None = None


def keep_pace(session: Session, fared: Sequence[Fared], now: datetime) -> None:
    """Keep how connections fared, so that all workers go by it. Does not commit."""
    trouble = [each for each in fared if each.is_outage or each.snooze_seconds is not None]
    fine = {each.connection_id for each in fared} - {each.connection_id for each in trouble}
    if not trouble and not _has_failed(session, fine):
        # The common case touches no row: only a success after failures has anything to clear.
        return
    named = fine | {each.connection_id for each in trouble}
    # In their order, so that two who finish do not wait for each other in a circle.
    query = sa.select(Pace).where(Pace.connection_id.in_(named)).order_by(Pace.connection_id)
    paces = {pace.connection_id: pace for pace in session.scalars(query.with_for_update())}
    for connection_id in fine & paces.keys():
        _clear(paces[connection_id])
    for each in trouble:
        if each.connection_id in paces:
            _slow_down(paces[each.connection_id], each, now)


def _has_failed(session: Session, connection_ids: set[int]) -> bool:
    query = sa.select(Pace.connection_id).where(
        Pace.connection_id.in_(connection_ids), Pace.failures > 0
    )
    return session.scalars(query.limit(1)).first() is not None


def _clear(pace: Pace) -> None:
    pace.failures = 0
    if pace.blocked_by == BREAKER:
        pace.blocked_until = pace.blocked_by = None


def _slow_down(pace: Pace, fared: Fared, now: datetime) -> None:
    if fared.snooze_seconds is not None:
        seconds: float | None = fared.snooze_seconds
        by = RATE_LIMIT
    else:
        pace.failures += 1
        seconds, by = breaker_seconds(pace.failures, random.random()), BREAKER
    until = now + timedelta(seconds=seconds or 0.0)
    # What was in flight when the PMS asked for a longer rest makes that no shorter.
    if seconds and (pace.blocked_until is None or pace.blocked_until < until):
        pace.blocked_until, pace.blocked_by = until, by
