"""The outbox: claims due rows under a lease, and finishes them fenced by it. Moves rows only."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..ledger.reconcile import enqueue, place
from ..models import (
    Connection,
    ConnectionState,
    Entry,
    EntryKind,
    EntryState,
    OutboxRow,
    Pace,
)

LEASE_SECONDS = 10.0
"""How long a row is out of sight; the worker that holds it renews in time, a dead one cannot."""
IN_FLIGHT_BY_CONNECTION = 4
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


def claim(db: Database, limit: int, besides: Collection[int] = ()) -> list[Work]:
    """Lease up to `limit` due rows, of the connections least recently served first. Commits.

    None of the connections `besides`, which the caller has enough to do with.
    """
    with db.reading() as session:
        if not session.scalars(_eligible(db, besides).limit(1)).first():
            return []
    with db.transaction() as session:
        connections = session.scalars(
            _eligible(db, besides)
            .order_by(Pace.last_served_at)
            .limit(min(limit, CONNECTIONS_A_CLAIM))
            .with_for_update(of=Pace, skip_locked=True)
        ).all()
        work: list[Work] = []
        for place_in_line, pace in enumerate(connections):
            left = len(connections) - place_in_line
            share = max(1, (limit - len(work)) // left)
            work += _lease(session, db, pace, min(share, limit - len(work)))
    return work


def _eligible(db: Database, besides: Collection[int]) -> sa.Select[Pace]:
    first_due = (
        sa.select(OutboxRow.due_at)
        .where(OutboxRow.connection_id == Pace.connection_id)
        .order_by(OutboxRow.due_at)
        .limit(1)
        .scalar_subquery()
    )
    return (
        sa.select(Pace)
        .join(Connection, Connection.id == Pace.connection_id)
        .where(
            Connection.state == ConnectionState.ACTIVE,
            Connection.ended_at.is_(None),
            Connection.is_watch_only.is_(False),
            Connection.id.not_in(besides),
            sa.or_(Pace.blocked_until.is_(None), Pace.blocked_until <= db.now()),
            first_due <= db.now(),
        )
    )


def _lease(session: Session, db: Database, pace: Pace, limit: int) -> list[Work]:
    in_flight = session.scalars(
        sa.select(sa.func.count())
        .select_from(OutboxRow)
        .where(
            OutboxRow.connection_id == pace.connection_id,
            OutboxRow.lease_token.is_not(None),
            OutboxRow.due_at > db.now(),
        )
    ).one()
    # After an open breaker one try tells whether the PMS is back.
    most = 1 if pace.failures else IN_FLIGHT_BY_CONNECTION
    rows = session.scalars(
        sa.select(OutboxRow)
        .where(OutboxRow.connection_id == pace.connection_id, OutboxRow.due_at <= db.now())
        .order_by(OutboxRow.due_at)
        .limit(max(0, min(limit, most - in_flight)))
        .with_for_update(skip_locked=True)
    ).all()
    if not rows:
        return []
    entries = {
        entry.id: entry
        for entry in session.scalars(
            sa.select(Entry).where(Entry.id.in_([row.entry_id for row in rows]))
        )
    }
    now = db.present(session)
    pace.last_served_at = now
    until = now + timedelta(seconds=LEASE_SECONDS)
    return [_hold(row, entries[row.entry_id], until) for row in rows]


def _hold(row: OutboxRow, entry: Entry, until: datetime) -> Work:
    work = Work(
        entry_id=entry.id,
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
    )
    row.lease_token = work.lease_token
    row.due_at = until
    # If this worker dies from here on, a create may have been sent: the next one looks first. Or a
    # delete: then what is gone was not deleted by the PMS's users.
    row.is_in_doubt = row.is_in_doubt or not entry.pms_id or not entry.is_wanted
    return work


def renew(db: Database, tokens: Sequence[str]) -> set[str]:
    """Keep what is held under these leases out of the others' sight; those still held. Commits."""
    with db.transaction() as session:
        held = session.scalars(
            sa.update(OutboxRow)
            .where(OutboxRow.lease_token.in_(tokens), OutboxRow.due_at > db.now())
            .values(due_at=db.later(LEASE_SECONDS))
            .returning(OutboxRow.lease_token)
        )
        return {token for token in held if token}


def is_any_leased(db: Database) -> bool:
    """Whether any worker, here or elsewhere, holds (or held, when it died) a row just now."""
    with db.reading() as session:
        query = sa.select(OutboxRow.entry_id).where(
            OutboxRow.lease_token.is_not(None), OutboxRow.due_at > db.now()
        )
        return session.scalars(query.limit(1)).first() is not None


def enqueue_all_due(session: Session, db: Database, connection: Connection) -> int:
    """Have everything the clinic still owes its PMS written through this connection; how many.

    What was written to a former connection stays there as it is. Does not commit.
    """
    now = db.present(session)
    session.execute(
        db.insert(Pace)
        .values(connection_id=connection.id, last_served_at=now, failures=0)
        .on_conflict_do_nothing(index_elements=[Pace.connection_id])
    )
    entries = session.scalars(
        sa.select(Entry)
        .where(
            Entry.clinic_id == connection.clinic_id,
            Entry.state.in_([EntryState.DUE, EntryState.RETRYING, EntryState.SET_ASIDE]),
        )
        .with_for_update()
    ).all()
    for entry in entries:
        place(session, db, entry, connection, now)
        if entry.state is not EntryState.DUE:
            session.execute(sa.delete(OutboxRow).where(OutboxRow.entry_id == entry.id))
    return sum(entry.state is EntryState.DUE for entry in entries)


def retry_entries(session: Session, db: Database, entries: Sequence[Entry]) -> int:
    """Have these entries tried again now, whatever their back-off; how many could be. No commit."""
    now = db.present(session)
    count = 0
    for entry in entries:
        if entry.state in (EntryState.SET_ASIDE, EntryState.RETRYING):
            connection = session.scalars(
                sa.select(Connection).where(
                    Connection.clinic_id == entry.clinic_id, Connection.ended_at.is_(None)
                )
            ).first()
            place(session, db, entry, connection, now)
            count += 1
    return count


__all__ = ["Work", "claim", "enqueue", "enqueue_all_due", "is_any_leased", "renew", "retry_entries"]
