"""The statements of a claim, put together once, so that it costs no more than the database takes.

`tells_time`: whether the database's own clock is used; else `now` and `soon` are given. SQLite has
no LATERAL, so there the due rows of each connection are asked for by themselves.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from ..db import Database, UtcDateTime
from ..models import (
    Base,
    Clinic,
    Connection,
    ConnectionState,
    Entry,
    OutboxRow,
    Pace,
    PaceBucket,
)
from .meter import WRITES

LEASE_SECONDS = 10.0
"""How long a row is out of sight; the worker that holds it renews in time, a dead one cannot."""
IN_FLIGHT_BY_CONNECTION = 4
IN_FLIGHT_IN_TROUBLE = 1
"""After a failure of the connection, one try tells whether its PMS is back."""

TABLES = Base.metadata.tables
OUTBOX_TABLE = TABLES[OutboxRow.__tablename__]
PACE_TABLE = TABLES[Pace.__tablename__]
BUCKET_TABLE = TABLES[PaceBucket.__tablename__]
CLINIC = TABLES[Clinic.__tablename__].c
CONNECTION_TABLE = TABLES[Connection.__tablename__]
ENTRY = TABLES[Entry.__tablename__].c
OUTBOX, PACE, CONNECTION = OUTBOX_TABLE.c, PACE_TABLE.c, CONNECTION_TABLE.c
BUCKET = BUCKET_TABLE.c

ENTRIES = (
    sa.select(
        ENTRY.id,
        ENTRY.version,
        ENTRY.kind,
        ENTRY.client,
        ENTRY.content,
        ENTRY.is_wanted,
        ENTRY.reference,
        ENTRY.incarnation,
        ENTRY.pms_id,
        ENTRY.is_done_there,
        CONNECTION.connector,
        PACE.host,
        # NULL where the connector declares no rate.
        BUCKET.tokens,
        BUCKET.per_second,
        BUCKET.refilled_at,
    )
    .select_from(OUTBOX_TABLE)
    .join(TABLES[Entry.__tablename__], ENTRY.id == OUTBOX.entry_id)
    .join(CONNECTION_TABLE, CONNECTION.id == OUTBOX.connection_id)
    .join(PACE_TABLE, PACE.connection_id == OUTBOX.connection_id)
    .outerjoin(BUCKET_TABLE, sa.and_(BUCKET.connection_id == CONNECTION.id, BUCKET.kind == WRITES))
    .where(OUTBOX.entry_id.in_(sa.bindparam("ids", expanding=True)))
)
"""What rows of the outbox stand for, and how fast their connection may be written to."""

LEASE = (
    sa.update(OUTBOX_TABLE)
    .where(OUTBOX.entry_id == sa.bindparam("id"))
    .values(
        lease_token=sa.bindparam("token"),
        due_at=sa.bindparam("until"),
        is_in_doubt=sa.bindparam("in_doubt"),
    )
)

BUY = (
    sa.update(BUCKET_TABLE)
    .where(
        BUCKET.connection_id == sa.bindparam("id"),
        BUCKET.kind == WRITES,
        # Unless somebody bought of it meanwhile.
        BUCKET.refilled_at == sa.bindparam("known"),
    )
    .values(refilled_at=sa.bindparam("ready_at"))
)


def told_now(db: Database) -> Mapping[str, datetime]:
    """What the statements are to be given of the time: nothing, where the database tells it."""
    if db.tells_time:
        return {}
    now = db.clock()
    return {"now": now, "soon": now + timedelta(seconds=LEASE_SECONDS)}


def _now(tells_time: bool) -> sa.ColumnElement[datetime]:
    # Not clock_timestamp(), which may change within a statement and so is looked up in no index.
    present = sa.cast(sa.func.statement_timestamp(), UtcDateTime())
    return present if tells_time else sa.bindparam("now", type_=UtcDateTime())


def _soon(tells_time: bool) -> sa.ColumnElement[datetime]:
    """When the lease of a row that is claimed now would run out."""
    if not tells_time:
        return sa.bindparam("soon", type_=UtcDateTime())
    lease = sa.literal(timedelta(seconds=LEASE_SECONDS), sa.Interval())
    return sa.cast(sa.func.statement_timestamp() + lease, UtcDateTime())


@cache
def eligible(tells_time: bool) -> sa.Select[tuple[int]]:
    """The connections that something is due for and that may be written to, `most` of them."""
    now = _now(tells_time)
    has_token = sa.func.coalesce(_ready_at(), now) <= now
    return _willing(tells_time, has_token).order_by(PACE.last_served_at)


@cache
def paced(tells_time: bool) -> sa.Select[tuple[int]]:
    """Those that something is due for and that are written to at a rate: now or in a moment."""
    return _willing(tells_time, _ready_at().is_not(None))


@cache
def leased(tells_time: bool) -> sa.Select[tuple[int]]:
    """A connection of which a row is leased just now, if there is one."""
    queued = _queued()
    return (
        sa.select(queued.c.connection_id)
        .where(_in_flight(queued.c.connection_id, tells_time) > 0)
        .limit(1)
    )


@cache
def longest_due() -> sa.Select[Any]:
    """When the row became due that is due the longest, or comes next, of the connections that are
    in use and not paused, rest as they may; None if there is none."""
    queued = _queued()
    return (
        sa.select(sa.func.min(_first_due(queued.c.connection_id)))
        .select_from(queued)
        .join(CONNECTION_TABLE, CONNECTION.id == queued.c.connection_id)
        .where(*_is_in_force())
    )


def _willing(tells_time: bool, also: sa.ColumnElement[bool]) -> sa.Select[tuple[int]]:
    now = _now(tells_time)
    queued = _queued()
    most = sa.case((PACE.failures > 0, IN_FLIGHT_IN_TROUBLE), else_=IN_FLIGHT_BY_CONNECTION)
    return (
        sa.select(PACE.connection_id)
        .select_from(queued)
        .join(PACE_TABLE, PACE.connection_id == queued.c.connection_id)
        .join(CONNECTION_TABLE, CONNECTION.id == PACE.connection_id)
        .where(
            *_is_in_force(),
            CONNECTION.id.not_in(sa.bindparam("besides", expanding=True)),
            sa.func.coalesce(PACE.host, "").not_in(sa.bindparam("full", expanding=True)),
            sa.or_(PACE.blocked_until.is_(None), PACE.blocked_until <= now),
            _first_due(PACE.connection_id) <= now,
            _in_flight(PACE.connection_id, tells_time) < most,
            also,
        )
        .limit(sa.bindparam("most"))
    )


def _is_in_force() -> list[sa.ColumnElement[bool]]:
    """Whether a connection is written to at all."""
    return [
        CONNECTION.state == ConnectionState.ACTIVE,
        CONNECTION.ended_at.is_(None),
        CONNECTION.is_watch_only.is_(False),
        ~sa.exists().where(CLINIC.id == CONNECTION.clinic_id, CLINIC.is_watch_only),
    ]


def _first_due(connection_id: sa.ColumnElement[int]) -> sa.ScalarSelect[datetime]:
    return (
        sa.select(OUTBOX.due_at)
        .where(OUTBOX.connection_id == connection_id)
        .order_by(OUTBOX.due_at)
        .limit(1)
        .scalar_subquery()
    )


def _ready_at() -> sa.ScalarSelect[datetime]:
    """From when on a connection may be written to; NULL where its connector declares no rate."""
    return (
        sa.select(BUCKET.refilled_at)
        .where(BUCKET.connection_id == PACE.connection_id, BUCKET.kind == WRITES)
        .correlate(PACE_TABLE)
        .scalar_subquery()
    )


def _queued() -> sa.CTE:
    """The connections that have anything in the outbox, each found by a step in its index: idle
    ones cost nothing, and a backlog no more than a single row."""
    first = sa.select(sa.func.min(OUTBOX.connection_id).label("connection_id"))
    queued = first.cte("queued", recursive=True)
    following = sa.select(sa.func.min(OUTBOX.connection_id)).where(
        OUTBOX.connection_id > queued.c.connection_id
    )
    return queued.union_all(
        sa.select(following.scalar_subquery()).where(queued.c.connection_id.is_not(None))
    )


@cache
def serve(tells_time: bool) -> sa.Executable:
    """Puts the chosen connections, which it locks, at the end of the line."""
    chosen = eligible(tells_time).with_for_update(of=PACE_TABLE, skip_locked=True)
    return (
        sa.update(PACE_TABLE)
        .where(PACE.connection_id.in_(chosen))
        .values(last_served_at=_now(tells_time))
        .returning(PACE.connection_id, PACE.failures, PACE.last_served_at, PACE.host)
    )


@cache
def due_of_one(tells_time: bool) -> sa.Select[Any]:
    """The due rows of connection `id`, locked: `share` at most, and at most `most` in flight."""
    share, most = (sa.bindparam(name, type_=sa.Integer()) for name in ("share", "most"))
    left = most - _in_flight(sa.bindparam("id"), tells_time)
    return _due(sa.bindparam("id"), sa.func.max(0, sa.func.min(share, left)), tells_time)


@cache
def due_of_many(tells_time: bool) -> sa.Select[Any]:
    """The same of all connections `ids`, with their `shares` and `mosts`."""
    numbers = ARRAY(sa.BigInteger)
    asked = (
        sa.func.unnest(*(sa.bindparam(name, type_=numbers) for name in ("ids", "shares", "mosts")))
        .table_valued("id", "share", "most")
        .render_derived(name="asked")
    )
    left = asked.c.most - _in_flight(asked.c.id, tells_time).correlate(asked)
    share = sa.func.greatest(0, sa.func.least(asked.c.share, left))
    due = _due(asked.c.id, share, tells_time).lateral("due")
    return sa.select(due).select_from(asked.join(due, sa.true()))


def _due(
    connection_id: sa.ColumnElement[int], limit: sa.ColumnElement[int], tells_time: bool
) -> sa.Select[Any]:
    return (
        sa.select(
            OUTBOX.entry_id,
            OUTBOX.connection_id,
            OUTBOX.attempts,
            OUTBOX.is_in_doubt,
            OUTBOX.queued_at,
            OUTBOX.unanswered,
        )
        .where(OUTBOX.connection_id == connection_id, OUTBOX.due_at <= _now(tells_time))
        .order_by(OUTBOX.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def _in_flight(connection_id: sa.ColumnElement[int], tells_time: bool) -> sa.ScalarSelect[int]:
    """How many of a connection's rows are leased: they are among those due within a lease."""
    rows = OUTBOX_TABLE.alias("leased")
    return (
        sa.select(sa.func.count())
        .select_from(rows)
        .where(
            rows.c.connection_id == connection_id,
            rows.c.lease_token.is_not(None),
            rows.c.due_at > _now(tells_time),
            rows.c.due_at <= _soon(tells_time),
        )
        .scalar_subquery()
    )
