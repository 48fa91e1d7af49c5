"""How far a clinic's directory has followed its PMS, and who follows it now: one at a time.

A run holds a lease that every page renews, so one that died is taken over and one that was thought
dead writes no more. The worker asks here what is due; the commands show what is told here.
"""

import random
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..errors import InputError
from ..models import Clinic, Connection, ConnectionState, SyncState
from .accounts import awaits_clients
from .waiting import mark_waiting

LEASE_SECONDS = 300.0
"""Longer than a page may take, its retries included; renewed with every page."""
EVERY_SECONDS = 900
JITTER = 0.1
"""Of the time between two runs, so that the clinics of one PMS do not all ask at once."""
FIRST_WAIT_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run that was taken on: for which clinic and connection, from where, under which lease."""

    clinic_id: int
    region: str
    connection_id: int
    lease: str
    cursor: Mapping[str, str] | None
    pass_started_at: datetime | None
    """When the reading of all clients began that this run begins or goes on with."""
    began_at: datetime
    """When the reading began that this run is of: of all clients, or of what changed."""
    failures: int
    every_seconds: int


def claim_due(db: Database, besides: Collection[int] = ()) -> Claimed | None:
    """Take on a run that is due, for none of the clinics `besides`. Commits."""
    connection_id = find_due(db, besides)
    return None if connection_id is None else claim(db, connection_id)


def find_due(db: Database, besides: Collection[int] = ()) -> int | None:
    """A connection whose clients are due to be followed, of none of the clinics `besides`.

    Reads only.
    """
    is_due = sa.or_(
        SyncState.connection_id.is_(None),
        sa.and_(
            sa.or_(SyncState.due_at.is_(None), SyncState.due_at <= db.now()),
            sa.or_(SyncState.leased_until.is_(None), SyncState.leased_until <= db.now()),
            sa.func.coalesce(SyncState.every_seconds, EVERY_SECONDS) > 0,
        ),
    )
    query = (
        sa.select(Connection.id)
        .outerjoin(SyncState, SyncState.connection_id == Connection.id)
        .where(
            Connection.ended_at.is_(None),
            Connection.state == ConnectionState.ACTIVE,
            Connection.clinic_id.not_in(besides),
            is_due,
        )
        .order_by(SyncState.due_at)
        .limit(1)
    )
    with db.reading() as session:
        return session.scalars(query).first()


def claim(db: Database, connection_id: int, *, full: bool = False) -> Claimed | None:
    """Take on a run, unless one is under way; with `full` from the start. Commits."""
    with db.transaction() as session:
        state = _locked(session, db, connection_id)
        now = db.present(session)
        if state.leased_until is not None and state.leased_until > now:
            return None
        opened_at = session.scalars(
            sa.select(Connection.created_at).where(Connection.id == connection_id)
        ).one()
        # Machines' clocks differ: what is read through it is not from before it was opened.
        begins_at = max(now, opened_at)
        if full:
            state.cursor = {}
        if not state.cursor:
            state.pass_started_at = begins_at
        if not state.cursor or state.pass_started_at is None:
            state.clients_seen = 0
        state.lease_token = uuid.uuid4().hex
        state.started_at, state.reason = now, None
        session.flush()
        _set(session, connection_id, leased_until=db.later(LEASE_SECONDS))
        clinic = session.scalars(
            sa.select(Clinic)
            .join(Connection, Connection.clinic_id == Clinic.id)
            .where(Connection.id == connection_id)
        ).one()
        return Claimed(
            clinic.id,
            clinic.region,
            connection_id,
            state.lease_token,
            state.cursor or None,
            state.pass_started_at,
            state.pass_started_at or begins_at,
            state.failures,
            EVERY_SECONDS if state.every_seconds is None else state.every_seconds,
        )


def renew(session: Session, db: Database, claimed: Claimed, **values: Any) -> SyncState:
    """Hold the lease for longer and write `values`, in the transaction of what they cover.

    Returns the state. Raises InputError if another run took over, or if the connection is in use no
    more: its clients are another account's by now. Does not commit.
    """
    # Not locked: whoever delivers locks entries first, then the connection, and what is stored in
    # the moment in which another account is opened counts as the former one's all the same.
    ended_at = sa.select(Connection.ended_at).where(Connection.id == claimed.connection_id)
    if session.scalars(ended_at).first() is not None:
        raise InputError("The clinic's connection was ended meanwhile; this sync stops.")
    held = session.scalars(
        sa.update(SyncState)
        .where(
            SyncState.connection_id == claimed.connection_id,
            SyncState.lease_token == claimed.lease,
        )
        .values(leased_until=db.later(LEASE_SECONDS), **values)
        .returning(SyncState),
        execution_options={"synchronize_session": False},
    ).first()
    if held is None:
        raise InputError("Another sync of this clinic took over; this one stops.")
    return held


def finish(
    session: Session, db: Database, claimed: Claimed, *, restart: bool, now: datetime
) -> None:
    """A run came to its end: the next follows after the usual while. Does not commit.

    With `restart` it reads all clients anew, since the PMS tells no changes.
    """
    wait = (claimed.every_seconds or EVERY_SECONDS) * random.uniform(1 - JITTER, 1 + JITTER)
    values: dict[str, Any] = {"finished_at": now, "reason": None, "failures": 0}
    if claimed.pass_started_at is not None:
        values |= {"pass_started_at": None, "clients_total": SyncState.clients_seen}
    _let_go(session, db, claimed, wait, values | ({"cursor": {}} if restart else {}))


def stop_early(
    db: Database, claimed: Claimed, reason: str, *, wait: float | None = None, **more: Any
) -> None:
    """A run ended before its end: the next goes on there, in `wait` seconds. Commits.

    None has it wait the longer, the more runs in a row ended so.
    """
    if wait is None:
        backed_off = FIRST_WAIT_SECONDS * 2 ** min(claimed.failures, 10)
        wait = min(backed_off, LONGEST_WAIT_SECONDS) * random.uniform(1, 1 + 2 * JITTER)
    failures = claimed.failures + 1
    with db.transaction() as session:
        values = {"reason": reason, "failures": failures, **more}
        _let_go(session, db, claimed, wait, values)


def set_schedule(session: Session, db: Database, connection_id: int, every_seconds: int) -> None:
    """Have a connection's clients followed this often, beginning now; 0: never. What waited for the
    first reading alone is settled, if it need no longer wait for it. No commit."""
    _locked(session, db, connection_id)
    clinic_id = session.get_one(Connection, connection_id).clinic_id
    was_awaited = awaits_clients(session, clinic_id)
    _set(session, connection_id, every_seconds=every_seconds, due_at=db.now())
    if was_awaited and not awaits_clients(session, clinic_id):
        mark_waiting(session, db, clinic_id)


def tell_sync(session: Session, db: Database, connection_id: int) -> dict[str, Any]:
    """How the following of a connection's clients stands, for people.

    `state` is 'never' (no run yet), 'running', 'stopped' (the last run ended early, `reason` says
    why), or 'followed'; `clients_seen` of `clients_total`, None where no reading of all was whole;
    `started_at`, `finished_at` (of the last whole run), `due_at` (of the next), `every_seconds`.
    """
    return _told(session.get(SyncState, connection_id), db.present(session))


def tell_syncs(
    session: Session, db: Database, clinic_ids: Collection[int]
) -> dict[int, dict[str, Any]]:
    """As `tell_sync`, for the connections in use of these clinics, by the clinic's id."""
    query = (
        sa.select(Connection.clinic_id, SyncState)
        .outerjoin(SyncState, SyncState.connection_id == Connection.id)
        .where(Connection.clinic_id.in_(clinic_ids), Connection.ended_at.is_(None))
    )
    now = db.present(session)
    return {clinic_id: _told(found, now) for clinic_id, found in session.execute(query)}


def count_stopped(session: Session, now: datetime) -> dict[str, int]:
    """How many syncs are 'stopped', as `tell_sync` says it, by connector; of the connections that
    are in use and not paused."""
    is_running = sa.func.coalesce(SyncState.leased_until > now, False)
    has_ended = sa.and_(
        SyncState.leased_until.is_(None),
        SyncState.reason.is_(None),
        SyncState.finished_at.is_not(None),
    )
    is_stopped = sa.and_(SyncState.started_at.is_not(None), ~is_running, ~has_ended)
    query = (
        sa.select(Connection.connector, sa.func.count(sa.case((is_stopped, 1))))
        .outerjoin(SyncState, SyncState.connection_id == Connection.id)
        .where(Connection.ended_at.is_(None), Connection.state == ConnectionState.ACTIVE)
        .group_by(Connection.connector)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def _told(found: SyncState | None, now: datetime) -> dict[str, Any]:
    if found is None or found.started_at is None:
        every = EVERY_SECONDS if found is None else found.every_seconds
        found = SyncState(clients_seen=0, every_seconds=every)
    is_running = found.leased_until is not None and found.leased_until > now
    has_died = found.leased_until is not None and not is_running
    every_seconds = EVERY_SECONDS if found.every_seconds is None else found.every_seconds
    return {
        "state": _word(found, is_running),
        "is_full": found.pass_started_at is not None,
        "clients_seen": found.clients_seen,
        "clients_total": found.clients_total,
        "started_at": found.started_at,
        "finished_at": found.finished_at,
        "due_at": found.due_at if every_seconds else None,
        "every_seconds": every_seconds,
        "reason": "the process that ran it ended in its midst" if has_died else found.reason,
    }


def _word(state: SyncState, is_running: bool) -> str:
    if is_running:
        return "running"
    if state.started_at is None:
        return "never"
    has_ended = state.leased_until is None and state.reason is None
    return "followed" if has_ended and state.finished_at is not None else "stopped"


def _locked(session: Session, db: Database, connection_id: int) -> SyncState:
    session.execute(
        db.insert(SyncState)
        .values(connection_id=connection_id, cursor={}, clients_seen=0, failures=0)
        .on_conflict_do_nothing()
    )
    return session.get_one(SyncState, connection_id, with_for_update=True)


def _let_go(
    session: Session, db: Database, claimed: Claimed, wait: float, values: dict[str, Any]
) -> None:
    released = {"lease_token": None, "leased_until": None, "due_at": db.later(wait)}
    _set(session, claimed.connection_id, claimed.lease, **released, **values)


def _set(session: Session, connection_id: int, lease: str | None = None, **values: Any) -> None:
    mine = [SyncState.connection_id == connection_id]
    if lease is not None:
        mine.append(SyncState.lease_token == lease)
    session.execute(
        sa.update(SyncState).where(*mine).values(values),
        execution_options={"synchronize_session": False},
    )
