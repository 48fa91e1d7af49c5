"""How far retries of many entries have come. Reads only."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Connection, ConnectionState, Entry, EntryState, OutboxRow, Retried, Retry
from .failed import FAILED

REASONS_TOLD = 5
HAS_FAILED = sa.and_(Retried.is_put_back.is_(False), Entry.state.in_(FAILED))
IS_LEFT = sa.and_(Retried.is_put_back.is_(False), Entry.state == EntryState.DUE)


def tell_retries(session: Session, limit: int) -> list[dict[str, Any]]:
    """The retries, the newest first, each with where its entries stand now.

    As dicts that JSON takes, but for datetimes.
    """
    return _tell(session, session.scalars(sa.select(Retry).order_by(Retry.id.desc()).limit(limit)))


def tell_retry(session: Session, retry_id: int) -> dict[str, Any] | None:
    """One retry, with why most of those failed again that did, and what of the rest is held up.

    None if there is none.
    """
    told = _tell(session, session.scalars(sa.select(Retry).where(Retry.id == retry_id)))
    if not told:
        return None
    reasons = (
        sa.select(Entry.reason, sa.func.count().label("times"))
        .join(Retried, Retried.entry_id == Entry.id)
        .where(Retried.retry_id == retry_id, HAS_FAILED)
        .group_by(Entry.reason)
        .order_by(sa.desc("times"), Entry.reason)
        .limit(REASONS_TOLD)
    )
    paused = (
        sa.select(Connection.paused_reason, sa.func.count())
        .join(OutboxRow, OutboxRow.connection_id == Connection.id)
        .join(Retried, Retried.entry_id == OutboxRow.entry_id)
        .join(Entry, Entry.id == Retried.entry_id)
        .where(Retried.retry_id == retry_id, IS_LEFT, Connection.state == ConnectionState.PAUSED)
        .group_by(Connection.paused_reason)
        .order_by(Connection.paused_reason)
    )
    return told[0] | {
        "failed_for": [{"reason": why, "count": n} for why, n in session.execute(reasons)],
        "paused": [{"reason": why, "count": n} for why, n in session.execute(paused)],
    }


def _tell(session: Session, retries: sa.ScalarResult[Retry]) -> list[dict[str, Any]]:
    found = retries.all()
    counts = {
        "queued": sa.func.count(),
        "left": _count(IS_LEFT),
        "failed": _count(HAS_FAILED),
        "put_back": _count(Retried.is_put_back.is_(True)),
        "last_due_at": sa.func.max(sa.case((IS_LEFT, Retried.due_at))),
    }
    query = (
        sa.select(Retried.retry_id, *(column.label(name) for name, column in counts.items()))
        .join(Entry, Entry.id == Retried.entry_id)
        .where(Retried.retry_id.in_([each.id for each in found]))
        .group_by(Retried.retry_id)
    )
    rows = {row.retry_id: row for row in session.execute(query)}
    return [_row(each, rows.get(each.id)) for each in found]


def _row(retry: Retry, counted: Any) -> dict[str, Any]:
    queued, left, failed, put_back = (
        getattr(counted, name, 0) for name in ("queued", "left", "failed", "put_back")
    )
    return {
        "id": retry.id,
        "asked_at": retry.asked_at,
        "by": retry.asked_by,
        "chosen_by": retry.told,
        "rate": retry.rate,
        "count": retry.count,
        "queued": queued,
        "done": queued - left - failed - put_back,
        "left": left,
        "failed": failed,
        "put_back": put_back,
        "last_due_at": getattr(counted, "last_due_at", None),
        "cancelled_at": retry.cancelled_at,
        "cancelled_by": retry.cancelled_by,
    }


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))
