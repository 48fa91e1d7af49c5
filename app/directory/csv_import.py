"""Imports a clinic's client list from CSV or TSV: checked whole, then stored batch by batch.

Called by the commands and the console. Importing a list again updates by the PMS's id.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..connectors.base import PmsClient
from ..db import Database
from ..errors import InputError
from ..models import Client, Clinic
from ..steps import Steps
from .bulk import among
from .clients import Tally, add_up, plan_clients, store_clients
from .csv_clients import ClientList, ClientRow, ColumnMapping, joined, read_clients_csv
from .csv_text import Rejection
from .missing import count_missing, next_missing
from .waiting import mark_waiting

__all__ = ["ClientRow", "ImportResult", "import_clients", "read_clients_csv"]

BATCH_ROWS = 500
REJECTIONS_KEPT = 10_000
"""How many rejected rows are told one by one; all are counted."""
MOST_CLIENTS = 5_000_000
MOST_HELD = 200_000
"""How many clients whose rows stand apart are joined in memory."""


@dataclass(slots=True)
class Checked:
    """What a first reading found, before anything is written."""

    rows: int = 0
    good_rows: int = 0
    rejected_rows: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    """The first of them, without their cells."""
    repeated: frozenset[int] = frozenset()
    """Hashes of the ids that stand in rows apart from each other."""


@dataclass(slots=True)
class ImportResult:
    """What an import did, or would have done (`is_dry_run`)."""

    encoding: str
    delimiter: str
    columns: dict[str, list[str]]
    is_dry_run: bool
    rows: int = 0
    tally: Tally = field(default_factory=Tally)
    rejected_rows: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    """The first of them."""
    now_due: int = 0
    """How many calls and conversations waited for what was imported."""
    is_cancelled: bool = False
    """Whether it was interrupted; what was stored until then stays."""
    missing: int | None = None
    """With `replaces`: how many living clients of the directory are not in the list."""
    known: int = 0
    """And how many living clients it has in all; of a dry run: had before."""

    @property
    def imported(self) -> int:
        return self.tally.clients


@dataclass(slots=True)
class _Import:
    """An import under way, and when it began."""

    db: Database
    steps: Steps
    clinic: Clinic
    now: datetime
    replaces: bool
    result: ImportResult
    known: int = 0
    """In a dry run: how many living clients of the directory the list holds."""


def check_clients(
    clients: ClientList,
    progress: Callable[[int], None] | None = None,
    reject: Callable[[Rejection], None] | None = None,
) -> Checked:
    """Read the whole list, writing nothing. `progress` hears the rows read, `reject` each rejection
    with its cells. Raises InputError if the list has no rows, or far too many."""
    found = Checked()
    ids = array("q")
    for row in clients.rows():
        found.rows += 1
        if isinstance(row, Rejection):
            found.rejected_rows += 1
            if len(found.rejected) < REJECTIONS_KEPT:
                found.rejected.append(Rejection(row.line, row.reason))
            if reject:
                reject(row)
        else:
            ids.append(hash(row.client.id))
        if len(ids) > MOST_CLIENTS:
            raise InputError(f"The file has more than {MOST_CLIENTS:,} clients; no clinic has.")
        if progress and not found.rows % BATCH_ROWS:
            progress(found.rows)
    if not found.rows:
        raise InputError("The file has a row of column names and no clients below it.")
    found.good_rows = len(ids)
    found.repeated = frozenset(one for one, other in pairwise(sorted(ids)) if one == other)
    if len(found.repeated) > MOST_HELD:
        raise InputError(
            f"More than {MOST_HELD:,} clients have rows that stand apart; sort the list by client"
            " id and import it again."
        )
    return found


def import_clients(
    db: Database,
    clinic: Clinic,
    path: Path,
    now: datetime,
    progress: Callable[[int], None] | None = None,
    dry_run: bool = False,
    mapping: ColumnMapping | None = None,
) -> ImportResult:
    """Check a client list and import it; see `import_checked`.

    Raises InputError, before anything is written, if the file is no client list.
    """
    clients = ClientList(path, mapping)
    checked = check_clients(clients)
    return import_checked(db, clinic, clients, checked, now, progress, dry_run=dry_run)


def import_checked(
    db: Database,
    clinic: Clinic,
    clients: ClientList,
    checked: Checked,
    now: datetime,
    progress: Callable[[int], None] | None = None,
    *,
    dry_run: bool = False,
    replaces: bool = False,
) -> ImportResult:
    """Store the good rows in batches, each committed by itself with what it makes due.

    `progress` hears the number of rows done so far. With `dry_run` nothing is written. An
    interrupt ends it between two batches. With `replaces` the result says how many clients are
    missing from the list, which `remove_missing` takes out.
    """
    described = clients.columns.described()
    result = ImportResult(clients.format.encoding, clients.format.delimiter, described, dry_run)
    result.rejected_rows, result.rejected = checked.rejected_rows, checked.rejected
    work = _Import(db, Steps(db), clinic, now, replaces, result)
    try:
        for batch in _batches(clients, checked, work):
            _store(work, batch)
            if progress:
                progress(result.rows)
    except KeyboardInterrupt:
        result.is_cancelled = True
        return result
    if replaces:
        result.missing, result.known = _count_missing(work)
    return result


def may_remove(result: ImportResult) -> bool:
    """Whether those who are missing from a list may be taken for gone: not where it was cut short,
    nor where rows were rejected, whose clients would be among them."""
    return bool(
        result.missing
        and result.imported
        and not (result.is_dry_run or result.is_cancelled or result.rejected_rows)
    )


def remove_missing(db: Database, clinic: Clinic, result: ImportResult, now: datetime) -> None:
    """Mark as deleted whom the list that was imported at `now` does not hold; adds to `result`.

    Commits batch by batch.
    """
    steps, is_more = Steps(db), True
    while is_more:
        tally = Tally()
        with steps.step() as session:
            gone = next_missing(session, clinic.id, now)
            where = (clinic.id, gone, "import", now, clinic.region)
            changed = store_clients(session, db, *where, tally)
            now_due = mark_waiting(session, db, clinic.id, changed)
        add_up(result.tally, tally)
        result.now_due += now_due
        is_more = bool(gone)


def _batches(clients: ClientList, checked: Checked, work: _Import) -> Iterator[list[ClientRow]]:
    """The good rows, each client once: those whose rows stand apart come joined, at the end."""
    batch: list[ClientRow] = []
    held: dict[str, ClientRow] = {}
    for row in clients.rows():
        work.result.rows += 1
        if isinstance(row, Rejection):
            pass
        elif hash(row.client.id) in checked.repeated:
            known = held.get(row.client.id)
            held[row.client.id] = joined(known, row) if known else row
        else:
            batch.append(row)
        if len(batch) >= BATCH_ROWS:
            yield batch
            batch = []
    batch += held.values()
    for start in range(0, len(batch), BATCH_ROWS):
        yield batch[start : start + BATCH_ROWS]


def _store(work: _Import, batch: list[ClientRow]) -> None:
    db, clinic, result = work.db, work.clinic, work.result
    clients = [row.client for row in batch]
    if result.is_dry_run:
        with db.reading() as session:
            add_up(result.tally, plan_clients(session, clinic.id, clients, clinic.region).tally)
            work.known += _count_living(session, clinic, clients)
        return
    tally = Tally()
    with work.steps.step() as session:
        where = (clinic.id, clients, "import", work.now, clinic.region)
        changed = store_clients(session, db, *where, tally, work.now, owns=work.replaces)
        now_due = mark_waiting(session, db, clinic.id, changed)
    # What was rolled back, because it was interrupted, was not imported.
    add_up(result.tally, tally)
    result.now_due += now_due


def _count_missing(work: _Import) -> tuple[int, int]:
    """How many living clients are not in the list, and how many there are."""
    with work.db.reading() as session:
        living = _count_living(session, work.clinic, None)
        if not work.result.is_dry_run:
            return count_missing(session, work.clinic.id, work.now), living
        return living - work.known, living


def _count_living(session: Session, clinic: Clinic, among_these: list[PmsClient] | None) -> int:
    query = (
        sa.select(sa.func.count())
        .select_from(Client)
        .where(Client.clinic_id == clinic.id, Client.deleted_at.is_(None))
    )
    if among_these is not None:
        ids = [client.id for client in among_these]
        query = query.where(among(session, Client.external_id, ids))
    return session.scalars(query).one()
