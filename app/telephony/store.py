"""Writes webhooks to the database as events, each with its due mark. Moves rows; decides nothing.

Ingest calls it, with one webhook or with hundreds: they take the same few statements, on PostgreSQL
one that asks and one that writes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from ..clock import Clock
from ..db import Database
from ..models import Clinic, DueMark, Event, EventStatus, SubjectKind, WebhookToken
from ..spool_lines import Spooled
from .facts import Reading
from .marks import lowering, mark_all_due
from .parse import read_tenant, subject_of

SAME_CLOCK = timedelta(0)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a webhook: `status` is 'accepted' or 'quarantined' (with `reason`)."""

    status: EventStatus
    reason: str | None
    event_id: str
    is_spooled: bool = False
    """Whether it waits in the data folder for the database."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The clinic that a token belongs to."""

    id: int
    container_id: str
    tenant_id: str


Read = tuple[Spooled, Reading]
"""A webhook and what could be read out of it."""


def store(
    session: Session, db: Database, clock: Clock, webhooks: Sequence[Read]
) -> list[Receipt | None]:
    """Keep each webhook once, however often it is tried; None for a token that no clinic has.

    They were stamped by `clock`. Does not commit. On PostgreSQL it needs no transaction around it:
    one statement writes all or nothing.
    """
    asked_at = clock()
    tokens, present = _look_up(session, db, {webhook.token_hash for webhook, _ in webhooks})
    # SQLite's processes share their machine's clock.
    off = certainly_ahead(asked_at, present, clock()) if db.tells_time else SAME_CLOCK
    owners = [_owner(tokens, webhook) for webhook, _ in webhooks]
    owned = [
        (owner, webhook, reading)
        for owner, (webhook, reading) in zip(owners, webhooks, strict=True)
        if owner is not None
    ]
    receipts = iter(add_events(session, db, owned, present, off))
    return [None if owner is None else next(receipts) for owner in owners]


def add_events(
    session: Session,
    db: Database,
    owned: Sequence[tuple[Owner | Clinic, Spooled, Reading]],
    present: datetime,
    off: timedelta = SAME_CLOCK,
) -> list[Receipt]:
    """Add events whose clinics are known, and have their subjects settled now. Does not commit.

    `present` is the database's, `off` how far the clock that stamped them is ahead of that. Events
    stand at the database's time, so that hosts whose clocks differ tell of one and the same call.
    """
    if not owned:
        return []
    rows = [
        _row(owner, webhook, reading, min(webhook.received_at - off, present))
        for owner, webhook, reading in owned
    ]
    if db.is_sqlite:
        added = set(session.scalars(_insert(), rows))
        subjects = {
            (row["clinic_id"], row["subject_kind"], row["subject_key"])
            for row in rows
            if row["subject_kind"] and row["id"] in added
        }
        mark_all_due(session, db, subjects, present)
    else:
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        session.execute(_insert_and_mark(), columns | {"present": present})
    return [
        Receipt(row["status"], fault_of(reading, owner), row["id"])
        for row, (owner, _, reading) in zip(rows, owned, strict=True)
    ]


def certainly_ahead(asked_at: datetime, present: datetime, told_at: datetime) -> timedelta:
    """By how much a clock is ahead of another, which said `present` between two looks at it.

    Below 0 if it is behind; 0 if the time that it took to ask may be all the difference.
    """
    if present < asked_at:
        return asked_at - present
    return min(told_at - present, SAME_CLOCK)


def fault_of(reading: Reading, owner: Owner | Clinic) -> str | None:
    """Why a webhook of that clinic's address is quarantined; None if it is accepted."""
    if reading.is_quarantined:
        return reading.reason
    container = reading.fields.get("container_id", "")
    tenant = read_tenant(reading.fields.get("tenant_id"))
    if (container, tenant) != (owner.container_id, owner.tenant_id):
        return "it names another clinic: its containerId and tenantId are not this clinic's"
    return None


def read_columns(reading: Reading, owner: Owner | Clinic) -> dict[str, Any]:
    """What an event's columns say of what was read out of its body."""
    fault = fault_of(reading, owner)
    subject = None if fault else subject_of(reading)
    return {
        "status": EventStatus.QUARANTINED if fault else EventStatus.ACCEPTED,
        "reason": fault or reading.reason,
        "event_type": reading.event_type,
        "fields": dict(reading.fields),
        "subject_kind": SubjectKind(subject[0]) if subject else None,
        "subject_key": subject[1] if subject else None,
    }


def _row(
    owner: Owner | Clinic, webhook: Spooled, reading: Reading, received_at: datetime
) -> dict[str, Any]:
    return {
        "id": webhook.event_id,
        "clinic_id": owner.id,
        "received_at": received_at,
        "content_type": webhook.content_type,
        "body": webhook.body,
        **read_columns(reading, owner),
    }


Tokens = Mapping[str, tuple[datetime | None, Owner]]
"""By their hashes: when they expire, and whose they are."""


def _owner(tokens: Tokens, webhook: Spooled) -> Owner | None:
    expires_at, owner = tokens.get(webhook.token_hash, (None, None))
    return owner if expires_at is None or expires_at > webhook.received_at else None


def _look_up(session: Session, db: Database, hashes: set[str]) -> tuple[Tokens, datetime]:
    rows = session.execute(_select(db.tells_time), {"hashes": list(hashes)}).all()
    present = rows[0][5] if rows and db.tells_time else db.present(session)
    return {row[0]: (row[1], Owner(*row[2:5])) for row in rows}, present


# Statements are built once: every webhook needs them, and building them takes longer than they do.


@cache
def _select(tells_time: bool) -> sa.Select[Any]:
    columns: list[Any] = [WebhookToken.token_hash, WebhookToken.expires_at]
    columns += [Clinic.id, Clinic.container_id, Clinic.tenant_id]
    if tells_time:
        columns.append(Database.CLOCK)
    # Looked up by its hash, how long the search takes says nothing about the token.
    return (
        sa.select(*columns)
        .join_from(WebhookToken, Clinic, WebhookToken.clinic_id == Clinic.id)
        .where(WebhookToken.token_hash.in_(sa.bindparam("hashes", expanding=True)))
    )


@cache
def _insert() -> Any:
    events: Any = Event.__table__
    return sqlite.insert(events).on_conflict_do_nothing().returning(events.c.id)


@cache
def _insert_and_mark() -> sa.Executable:
    """Both in one statement, of a list for each column: one send, however many webhooks."""
    events: Any = Event.__table__
    marks: Any = DueMark.__table__
    lists = [sa.bindparam(column.name, type_=postgresql.ARRAY(column.type)) for column in events.c]
    given = sa.func.unnest(*lists).table_valued(*events.c.keys()).render_derived()
    # Who stores the same webhooks, and who marks the same subjects, does so in one order (marks.py
    # has it too), so that two of them never lock each other out. Nor does who removes the clinic,
    # and with it its marks: the clinic is locked first, and its events go where it went.
    clinics: Any = Clinic.__table__
    kept = (
        sa.select(given)
        .join(clinics, clinics.c.id == given.c.clinic_id)
        .order_by(sa.collate(given.c.id, "C"))
        .with_for_update(read=True, key_share=True, of=clinics)
    )
    added = (
        postgresql.insert(events)
        .from_select(events.c.keys(), kept)
        .on_conflict_do_nothing()
        .returning(events.c.clinic_id, events.c.subject_kind, events.c.subject_key)
        .cte("added")
    )
    subject = [added.c.clinic_id, added.c.subject_kind, added.c.subject_key]
    due = (
        sa.select(
            *subject,
            sa.bindparam("present", type_=marks.c.due_at.type),
            sa.literal_column("1"),
            sa.literal_column("0"),
        )
        .where(added.c.subject_kind.is_not(None))
        .group_by(*subject)
        .order_by(subject[0], *(sa.collate(column, "C") for column in subject[1:]))
    )
    names = ["clinic_id", "subject_kind", "subject_key", "due_at", "generation", "failures"]
    return lowering(postgresql.insert(marks).from_select(names, due))
