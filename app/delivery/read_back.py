"""Reads open callbacks' tasks back: what the PMS's users did or deleted there closes the callback.

Every task is read in turn, whether or not anything is to be written to it. Moves rows; nothing is
open in the database while the PMS is asked.
"""

import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..clock import Clock
from ..connectors import CONNECTORS
from ..connectors.base import Connector
from ..db import Database
from ..errors import ConnectorError
from ..exchanges import Exchange, last_status, recording
from ..ledger.closings import note_closed_there
from ..logs import get_logger
from ..models import Attempt, Connection, ConnectionState, Entry, Pace
from .connections import pause_refused
from .doubt import CLOSED_IN_PMS
from .gone import confirm_gone
from .pace import Fared, keep_pace
from .retry import Next, Verdict, judge

EVERY_SECONDS = 720.0
JITTER = 0.15
"""Of the time between two readings, so that what was written at once is not read at once."""
READS_A_TURN = 20
ACTION = "read_back"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """A task as it was last written: `version` and `written_at` change with the next write."""

    entry_id: int
    pms_id: str
    version: int
    written_at: datetime | None


@dataclass(frozen=True, slots=True)
class Turn:
    """The tasks of one connection that were taken on to be read, the longest unread first."""

    clinic_id: int
    connection_id: int
    tasks: Sequence[Standing]
    claimed_at: datetime
    """By the database's clock."""


@dataclass(frozen=True, slots=True)
class _Read:
    """How one task was found. `verdict` is None where it stands open, as it was written."""

    task: Standing
    started_at: datetime
    duration_ms: int
    verdict: Verdict | None
    closed_at: datetime | None
    http_status: int | None
    exchanges: Sequence[Exchange]


def claim_turn(db: Database, besides: Collection[int] = ()) -> Turn | None:
    """Take on the tasks that are due to be read of the clinic whose have waited the longest.

    Of none of the clinics `besides`. They are due again after the usual while, whatever becomes of
    this turn, so that nobody else reads them meanwhile. Commits.
    """
    with db.reading() as session:
        found = session.execute(_longest_unread(db, besides)).first()
    if found is None:
        return None
    with db.transaction() as session:
        due = sa.select(Entry.id, Entry.pms_id, Entry.version, Entry.written_at)
        due = due.where(Entry.connection_id == found.id, *_is_due(db)).order_by(_last_read())
        rows = session.execute(due.limit(READS_A_TURN).with_for_update(skip_locked=True)).all()
        tasks = [Standing(row.id, row.pms_id, row.version, row.written_at) for row in rows]
        now = db.present(session)
        for task in tasks:
            wait = EVERY_SECONDS * random.uniform(1 - JITTER, 1 + JITTER)
            _set_due(session, [task], now + timedelta(seconds=wait))
    return Turn(found.clinic_id, found.id, tasks, now) if tasks else None


def read_back(
    db: Database,
    turn: Turn,
    connector: Connector | None,
    clock: Clock,
    is_stopping: Callable[[], bool],
) -> None:
    """Read these tasks one by one, and keep what is found closed. Commits after each such.

    A PMS that is in trouble is left alone, as when it is written to: the others are due again.
    """
    for place, task in enumerate(turn.tasks):
        if is_stopping():
            _give_back(db, turn.tasks[place:])
            return
        if connector is None or not connector.capabilities.read_tasks:
            return
        read = _read(connector, task, clock)
        if read.verdict is None:
            continue
        with db.transaction() as session:
            if read.verdict.next is Next.CLOSED_THERE:
                _close(session, db, turn, read)
            else:
                _keep_trouble(session, db, turn, read.verdict)
        if read.verdict.next not in (Next.CLOSED_THERE, Next.SET_ASIDE):
            _give_back(db, turn.tasks[place + 1 :])
            return


def leave_unread(db: Database, turn: Turn, why: str) -> None:
    """End a turn for which no connector can be made here, as `why` says; its sync tells so too.

    Its tasks are due again after the usual while. Commits.
    """
    log.warning("read_back.no_connector", connection_id=turn.connection_id, reason=why)
    with db.transaction() as session:
        keep_pace(session, [Fared(turn.connection_id, True)], db.present(session))


def _longest_unread(db: Database, besides: Collection[int]) -> sa.Select[int, int]:
    able = [name for name, kind in CONNECTORS.items() if kind.capabilities.read_tasks]
    return (
        sa.select(Connection.id, Connection.clinic_id)
        .join(Entry, Entry.connection_id == Connection.id)
        .outerjoin(Pace, Pace.connection_id == Connection.id)
        .where(
            Connection.ended_at.is_(None),
            Connection.state == ConnectionState.ACTIVE,
            Connection.connector.in_(able),
            Connection.clinic_id.not_in(besides),
            sa.or_(Pace.blocked_until.is_(None), Pace.blocked_until <= db.now()),
            *_is_due(db),
        )
        .order_by(_last_read())
        .limit(1)
    )


def _is_due(db: Database) -> list[sa.ColumnExpressionArgument[bool]]:
    """Whether an entry is a task that stands open, which nobody has looked at for long enough."""
    return [
        # Said as its index says it, or it would not be used.
        Entry.kind == sa.literal_column("'task'"),
        Entry.state == sa.literal_column("'synced'"),
        sa.not_(Entry.is_done_there),
        Entry.is_wanted,
        Entry.pms_id.is_not(None),
        sa.or_(
            Entry.read_back_at <= db.now(),
            sa.and_(Entry.read_back_at.is_(None), Entry.written_at <= db.later(-EVERY_SECONDS)),
        ),
    ]


def _last_read() -> sa.ColumnElement[Any]:
    return sa.func.coalesce(Entry.read_back_at, Entry.written_at)


def _read(connector: Connector, task: Standing, clock: Clock) -> _Read:
    started_at, started = clock(), time.monotonic()
    verdict, closed_at = None, None
    with recording() as exchanges:
        try:
            status = connector.get_task(task.pms_id)
        except ConnectorError as refused:
            error = confirm_gone(connector, refused)
            verdict = judge(
                error, creating=False, attempts=0, age_seconds=0.0, jitter=random.random()
            )
        else:
            if status.is_done:
                verdict = Verdict(Next.CLOSED_THERE, reason=CLOSED_IN_PMS)
                closed_at = status.closed_at
    duration = round((time.monotonic() - started) * 1000)
    return _Read(task, started_at, duration, verdict, closed_at, last_status(exchanges), exchanges)


def _close(session: Session, db: Database, turn: Turn, read: _Read) -> None:
    task, reason = read.task, read.verdict.reason if read.verdict else None
    entry = session.get(Entry, task.entry_id, with_for_update=True)
    is_as_read = entry is not None and (
        (entry.pms_id, entry.version, entry.written_at, entry.connection_id)
        == (task.pms_id, task.version, task.written_at, turn.connection_id)
    )
    if entry is None or not is_as_read or entry.is_done_there:
        # It was written, or is about to be: whoever does that reads it first.
        return
    note_closed_there(session, db, entry, reason or "", read.closed_at)
    entry.is_done_there, entry.reason = True, reason
    session.add(
        Attempt(
            entry_id=entry.id,
            connection_id=turn.connection_id,
            version=task.version,
            action=ACTION,
            started_at=read.started_at,
            duration_ms=read.duration_ms,
            outcome=Next.CLOSED_THERE.value,
            http_status=read.http_status,
            pms_id=task.pms_id,
            error=reason,
            exchanges=list(read.exchanges),
        )
    )


def _keep_trouble(session: Session, db: Database, turn: Turn, verdict: Verdict) -> None:
    log.info("read_back.failed", connection_id=turn.connection_id, outcome=verdict.next.value)
    match verdict.next:
        case Next.PAUSED:
            pause_refused(session, turn.connection_id, verdict.reason, turn.claimed_at)
        case Next.SNOOZED:
            fared = Fared(turn.connection_id, False, verdict.seconds)
            keep_pace(session, [fared], db.present(session))
        case Next.AGAIN | Next.UNKNOWN:
            keep_pace(session, [Fared(turn.connection_id, True)], db.present(session))


def _give_back(db: Database, tasks: Sequence[Standing]) -> None:
    with db.transaction() as session:
        _set_due(session, tasks, db.present(session))


def _set_due(session: Session, tasks: Sequence[Standing], at: datetime) -> None:
    session.execute(
        sa.update(Entry)
        .where(Entry.id.in_([task.entry_id for task in tasks]))
        .values(read_back_at=at)
        .execution_options(synchronize_session=False)
    )
