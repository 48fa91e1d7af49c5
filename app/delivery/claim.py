"""Claims due rows of the outbox under a lease, of the connections least recently served first."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ..db import Database
from ..models import EntryKind
from .claim_queries import (
    ENTRIES,
    IN_FLIGHT_BY_CONNECTION,
    IN_FLIGHT_IN_TROUBLE,
    LEASE,
    LEASE_SECONDS,
    due_of_many,
    due_of_one,
    eligible,
    serve,
    told_now,
)

CONNECTIONS_A_CLAIM = 16


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
    is_done_there: bool = False
    """Whether it is known that the PMS has the task as done, or has deleted it."""


def claim(db: Database, limit: int, besides: Collection[int] = ()) -> list[Work]:
    """Lease up to `limit` due rows, of the connections least recently served first. Commits.

    None of the connections `besides`, which the caller has enough to do with.
    """
    asked = {"most": min(limit, CONNECTIONS_A_CLAIM), "besides": list(besides)}
    if db.is_sqlite and not _is_anything_due(db, asked):
        return []
    with db.transaction() as session:
        connection = session.connection()
        served = connection.execute(serve(db.tells_time), {**asked, **told_now(db)}).all()
        if not served:
            return []
        work = _take(db, connection, _shares(served, limit))
        _lease(connection, work, served[0].last_served_at + timedelta(seconds=LEASE_SECONDS))
    return work


def _is_anything_due(db: Database, asked: Mapping[str, Any]) -> bool:
    # On SQLite a glance costs the other writers nothing, a transaction does.
    with db.reading() as session:
        glance = session.connection().execute(eligible(db.tells_time), {**asked, **told_now(db)})
        return glance.first() is not None


def _shares(served: Sequence[Any], limit: int) -> list[dict[str, int]]:
    """Of each connection `id`: how many rows to take, and to have in flight, at most."""
    share, over = divmod(limit, len(served))
    return [
        {
            "id": row.connection_id,
            "share": share + (place < over),
            "most": IN_FLIGHT_IN_TROUBLE if row.failures else IN_FLIGHT_BY_CONNECTION,
        }
        for place, row in enumerate(served)
    ]


def _take(db: Database, connection: sa.Connection, shares: list[dict[str, int]]) -> list[Work]:
    """The due rows of these connections, locked, each with the entry that it stands for."""
    now = told_now(db)
    if db.is_sqlite:
        one = due_of_one(db.tells_time)
        rows = [row for share in shares for row in connection.execute(one, {**share, **now})]
    else:
        asked = {f"{name}s": [share[name] for share in shares] for name in ("id", "share", "most")}
        rows = list(connection.execute(due_of_many(db.tells_time), {**asked, **now}))
    # In a statement of its own: what a lock was waited for may have changed the entry, too.
    found = connection.execute(ENTRIES, {"ids": [row.entry_id for row in rows]})
    entries = {entry.id: entry for entry in found}
    return [_work(row, entries[row.entry_id]) for row in rows]


def _work(row: Any, entry: Any) -> Work:
    return Work(
        entry_id=row.entry_id,
        connection_id=row.connection_id,
        lease_token=secrets.token_hex(8),
        version=entry.version,
        kind=entry.kind,
        client=entry.client,
        content=entry.content,
        is_wanted=entry.is_wanted,
        reference=entry.reference,
        incarnation=entry.incarnation,
        pms_id=entry.pms_id,
        attempts=row.attempts,
        is_in_doubt=row.is_in_doubt,
        queued_at=row.queued_at,
        is_done_there=entry.is_done_there,
    )


def _lease(connection: sa.Connection, work: Sequence[Work], until: datetime) -> None:
    leases = [
        {
            "id": each.entry_id,
            "token": each.lease_token,
            "until": until,
            # If this worker dies from here on, a create may have been sent: the next one looks
            # first. Or a delete: then what is gone was not deleted by the PMS's users.
            "in_doubt": each.is_in_doubt or not each.pms_id or not each.is_wanted,
        }
        for each in work
    ]
    if leases:
        connection.execute(LEASE, leases)
