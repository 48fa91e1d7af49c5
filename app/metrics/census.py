"""What the database says of the whole installation, counted anew at each scrape. Reads only.

Nothing here reads a table through that grows with the calls: each count is made in an index, and
costs what it counts (tests/metrics/test_plans.py).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..asking import PATIENCE_SECONDS, Asker
from ..db import Database
from ..delivery.claim_queries import longest_due
from ..delivery.connections import REFUSED
from ..directory.sync_state import count_stopped
from ..ledger.listings import IS_QUARANTINED
from ..ledger.settle import LONGEST_PAUSE_SECONDS
from ..models import (
    Callback,
    Clinic,
    Connection,
    ConnectionState,
    DueMark,
    Entry,
    EntryState,
    Event,
    Lookup,
    Pace,
)
from ..runtime import Runtime

UNFINISHED = (EntryState.DUE, EntryState.RETRYING, EntryState.WAITING, EntryState.SET_ASIDE)


@dataclass(frozen=True, slots=True)
class Census:
    """How much stands where in the whole installation. Ages are in seconds, 0 for none."""

    entries: Mapping[EntryState, int]
    """By those states that are not final."""
    due_entry_age: float
    """For how long an entry has been due whose connection may be written to."""
    due_subjects: int
    due_subject_age: float
    failing_subjects: int
    """Of which the last settling failed."""
    due_lookups: int
    due_lookup_age: float
    connections: Mapping[tuple[str, str], int]
    """By connector and 'active', 'resting', 'watch_only', 'paused' or 'refused'."""
    stopped_syncs: Mapping[str, int]
    """By connector."""
    quarantined_webhooks: int
    open_callbacks: int


class Counting(Asker[Census]):
    """Takes the census for all who ask at once. One of each runtime."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(lambda: take_census(runtime.db), "ringnote-census")


def take_census(db: Database) -> Census:
    """Raises what the database raises; PostgreSQL ends by itself a count that takes too long."""
    with db.reading() as session:
        if not db.is_sqlite:
            limit = f"{PATIENCE_SECONDS * 1000:.0f}ms"
            session.execute(sa.select(sa.func.set_config("statement_timeout", limit, True)))
        now = db.present(session)
        counts = {**_of_entries(), **_of_work(now), **_of_people()}
        columns = (query.scalar_subquery().label(name) for name, query in counts.items())
        row = session.execute(sa.select(*columns)).one()._mapping
        due_since = session.scalars(longest_due()).one()
        return Census(
            entries={state: int(row[state.value]) for state in UNFINISHED},
            due_entry_age=_age(due_since, now),
            due_subjects=row["due_subjects"],
            due_subject_age=_age(row["due_subject_since"], now),
            failing_subjects=row["failing_subjects"],
            due_lookups=row["due_lookups"],
            due_lookup_age=_age(row["due_lookup_since"], now),
            connections=dict(_connections(session, now)),
            stopped_syncs=count_stopped(session, now),
            quarantined_webhooks=row["quarantined_webhooks"],
            open_callbacks=row["open_callbacks"],
        )


def _of_entries() -> dict[str, sa.Select[Any]]:
    """By state. Clinic by clinic, as the index of states is led by it."""
    return {
        state.value: sa.select(
            sa.func.coalesce(
                sa.func.sum(
                    sa.select(sa.func.count())
                    .where(Entry.clinic_id == Clinic.id, Entry.state == state)
                    .correlate(Clinic)
                    .scalar_subquery()
                ),
                0,
            )
        ).select_from(Clinic)
        for state in UNFINISHED
    }


def _of_work(now: datetime) -> dict[str, sa.Select[Any]]:
    is_mark_due, is_lookup_due = DueMark.due_at <= now, Lookup.due_at <= now
    # Tried again within that time, so that what is marked for later need not be looked at.
    is_tried_soon = DueMark.due_at <= now + timedelta(seconds=LONGEST_PAUSE_SECONDS)
    count = sa.select(sa.func.count())
    return {
        "due_subjects": count.where(is_mark_due),
        "due_subject_since": sa.select(sa.func.min(DueMark.due_at)),
        "failing_subjects": count.where(is_tried_soon, DueMark.failures > 0),
        "due_lookups": count.where(is_lookup_due),
        "due_lookup_since": sa.select(sa.func.min(Lookup.due_at)),
    }


def _of_people() -> dict[str, sa.Select[Any]]:
    return {
        "quarantined_webhooks": sa.select(sa.func.count(Event.clinic_id)).where(IS_QUARANTINED),
        "open_callbacks": sa.select(sa.func.count()).where(Callback.closed_at.is_(None)),
    }


def _connections(session: Session, now: datetime) -> Iterator[tuple[tuple[str, str], int]]:
    is_paused = Connection.state == ConnectionState.PAUSED
    state = sa.case(
        (sa.and_(is_paused, Connection.paused_by == REFUSED), "refused"),
        (is_paused, "paused"),
        (sa.or_(Connection.is_watch_only, Clinic.is_watch_only), "watch_only"),
        (Pace.blocked_until > now, "resting"),
        else_="active",
    ).label("state")
    rows = session.execute(
        sa.select(Connection.connector, state, sa.func.count())
        .join(Clinic, Clinic.id == Connection.clinic_id)
        .outerjoin(Pace, Pace.connection_id == Connection.id)
        .where(Connection.ended_at.is_(None))
        .group_by(Connection.connector, state)
    )
    for connector, said, count in rows:
        yield (connector, said), count


def _age(since: datetime | None, now: datetime) -> float:
    return max((now - since).total_seconds(), 0.0) if since else 0.0
