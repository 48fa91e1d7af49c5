"""The partitions of the event table on PostgreSQL: one a month, made ahead and dropped whole.

They are cut by the event's id, which tells the time, so that the id alone stays its unique key and
leads to the one partition it can be in. What no month covers goes into one by default.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ..logs import get_logger
from ..models import lowest_event_id
from .turn import Turn

MONTHS_AHEAD = 2
LOCK_TIMEOUT = "800ms"
"""Ingest waits behind whoever waits for the table; and a deadlock is found after a second only."""
MOVED_MOST = 20_000
"""Rows that may be moved while the table is locked."""
BOUNDS = re.compile(r"FROM \((?:'(\w+)'|MINVALUE)\) TO \('(\w+)'\)")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition: the ids from `low` ('' for all before) to below `high`."""

    name: str
    low: str
    high: str


def list_partitions(session: Session) -> list[Partition]:
    """Those there are, the oldest first, but for the default."""
    rows = session.execute(
        sa.text(
            "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i"
            " JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = to_regclass('ringnote_event')"
        )
    )
    bounds = ((name, BOUNDS.search(bound)) for name, bound in rows)
    found = (Partition(name, each[1] or "", each[2]) for name, each in bounds if each)
    return sorted(found, key=lambda partition: partition.low)


def month_of(moment: datetime, ahead: int = 0) -> datetime:
    """When the month of that time began, or the one so many months later (UTC)."""
    months = moment.astimezone(UTC).year * 12 + moment.astimezone(UTC).month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def make_partitions(turn: Turn, now: datetime) -> None:
    """Make the months to come, those that are not there yet. Commits."""
    for ahead in range(MONTHS_AHEAD + 1):
        month = month_of(now, ahead)
        low, high = lowest_event_id(month), lowest_event_id(month_of(month, 1))
        with turn.step() as session:
            known = list_partitions(session)
        if not any(each.low < high and each.high > low for each in known):
            with _locking(f"ringnote_event_{month:%Y%m}") as name, turn.step() as session:
                _make(session, Partition(name, low, high))


def _make(session: Session, partition: Partition) -> None:
    _limit_waits(session)
    within = {"low": partition.low, "high": partition.high, "most": MOVED_MOST + 1}
    # Meanwhile nothing may come that would belong there.
    session.execute(sa.text("LOCK TABLE ringnote_event_default IN ACCESS EXCLUSIVE MODE"))
    misplaced = session.scalar(
        sa.text(
            "SELECT count(*) FROM (SELECT 1 FROM ringnote_event_default"
            " WHERE id >= :low AND id < :high LIMIT :most) AS misplaced"
        ),
        within,
    )
    if misplaced and misplaced > MOVED_MOST:
        log.warning("partition.left_out", partition=partition.name)
        return
    for command in (
        "CREATE TABLE {name} (LIKE ringnote_event INCLUDING ALL)",
        "WITH gone AS (DELETE FROM ringnote_event_default"
        " WHERE id >= '{low}' AND id < '{high}' RETURNING *) INSERT INTO {name} SELECT * FROM gone",
        "ALTER TABLE ringnote_event ATTACH PARTITION {name}"
        " FOR VALUES FROM ('{low}') TO ('{high}')",
    ):
        session.execute(_of(partition, command))
    log.info("partition.made", partition=partition.name)


def drop_partition(turn: Turn, partition: Partition, kept: Sequence[str]) -> None:
    """Drop it with all that is in it but for the events `kept` and what is to be settled.

    These go to the default partition. Changes nothing if somebody held the table. Commits.
    """
    with _locking(partition.name), turn.step() as session:
        _limit_waits(session)
        rows = session.scalar(
            sa.text("SELECT reltuples FROM pg_class WHERE oid = to_regclass(:name)"),
            {"name": partition.name},
        )
        session.execute(_of(partition, "ALTER TABLE ringnote_event DETACH PARTITION {name}"))
        session.execute(
            _of(partition, "INSERT INTO ringnote_event SELECT * FROM {name} WHERE id = ANY(:kept)"),
            {"kept": list(kept)},
        )
        # A webhook out of an old spool may have come since it was looked through: by index, since
        # nobody can write meanwhile.
        for method in ("seqscan", "hashjoin", "mergejoin"):
            session.execute(sa.text(f"SET LOCAL enable_{method} = off"))
        session.execute(
            _of(
                partition,
                "INSERT INTO ringnote_event SELECT e.* FROM ringnote_due_mark m JOIN {name} e"
                " USING (clinic_id, subject_kind, subject_key) ON CONFLICT DO NOTHING",
            )
        )
        session.execute(_of(partition, "DROP TABLE {name}"))
        turn.purged["partitions"] += 1
        turn.purged["events"] += max(0, int(rows or 0) - len(kept))
        log.info("partition.dropped", partition=partition.name)


def _of(partition: Partition, command: str) -> sa.TextClause:
    return sa.text(command.format(name=partition.name, low=partition.low, high=partition.high))


def _limit_waits(session: Session) -> None:
    session.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))


@contextmanager
def _locking(name: str) -> Iterator[str]:
    """What could not be locked in time is left for the next run."""
    try:
        yield name
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", "") != "55P03":
            raise
        log.info("partition.busy", partition=name)
