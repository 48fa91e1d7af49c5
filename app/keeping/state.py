"""How the house stands: how large it is, how far back it goes, who cleaned last. Reads only."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..models import Event, Housekeeping, lowest_event_id
from .partitions import list_partitions, month_of


@dataclass(frozen=True, slots=True)
class House:
    """What `read_house` found; None for what is not there (yet)."""

    bytes: int
    """Of our tables and their indexes; on SQLite of the file, free pages in it included."""
    oldest_event_at: datetime | None
    due_at: datetime | None
    """When housekeeping is to begin next."""
    finished_at: datetime | None
    """When it last came to its end."""
    months_ahead: int | None
    """For how many months after this one there is a partition; None on SQLite."""


def read_house(session: Session, db: Database) -> House:
    """How the house stands now. No table is read through."""
    row = session.get(Housekeeping, 1)
    oldest = sa.select(Event.received_at).order_by(Event.id).limit(1)
    return House(
        bytes=measure(session, db),
        oldest_event_at=session.scalars(oldest).first(),
        due_at=row.due_at if row else None,
        finished_at=row.finished_at if row else None,
        months_ahead=None if db.is_sqlite else _count_ahead(session, db.present(session)),
    )


def measure(session: Session, db: Database) -> int:
    """The size in bytes, as `House` tells it."""
    if db.is_sqlite:
        query = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    else:
        query = (
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c"
            " WHERE c.relkind = 'r' AND c.relname LIKE 'ringnote\\_%'"
            " AND c.relnamespace = (SELECT relnamespace FROM pg_class"
            " WHERE oid = to_regclass('ringnote_clinic'))"
        )
    size: int = session.execute(sa.text(query)).scalar_one()
    return size


def _count_ahead(session: Session, now: datetime) -> int:
    lows = {partition.low for partition in list_partitions(session)}
    ahead = 0
    while lowest_event_id(month_of(now, ahead + 1)) in lows:
        ahead += 1
    return ahead
