"""Imports a clinic's client list from CSV or TSV: good rows are stored, bad ones told by line.

Called by the commands. Importing a list again updates by the PMS's id.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from pathlib import Path

from ..connectors.base import Phone, PmsClient
from ..db import Database
from ..errors import InputError
from ..models import Clinic
from .clients import Tally, add_up, plan_clients, read_phones, store_clients
from .csv_columns import Columns, find_columns
from .csv_text import Rejection, Row, detect_format, open_text, read_rows
from .waiting import mark_waiting

BATCH_ROWS = 500
MAX_ID = 200
MAX_NAME = 500
NO_NUMBER = ("n/a", "na", "none", "no phone", "unknown", "-", "--", "0", "null")
"""What people write where there is no number."""
REJECTIONS_KEPT = 10_000
"""How many rejected rows are told one by one; all are counted."""

ColumnMapping = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class ClientRow:
    """One good row: the line on which it begins and the client it holds."""

    line: int
    client: PmsClient


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

    @property
    def imported(self) -> int:
        return self.tally.clients


class ClientList:
    """A client list in a file: how it is written, which column is what, and its rows.

    Raises InputError if the file cannot be read or has no column for ids or for numbers.
    """

    def __init__(self, path: Path, mapping: ColumnMapping | None = None) -> None:
        try:
            self.path = path
            self.format = detect_format(path)
            with open_text(path, self.format.encoding) as text:
                headings = next(self._after_hint(read_rows(text, self.format.delimiter)), None)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}.") from None
        if not isinstance(headings, Row):
            raise InputError("The first row, which names the columns, cannot be read.")
        self.columns: Columns = find_columns(headings.cells, mapping)

    def rows(self, region: str) -> Iterator[ClientRow | Rejection]:
        """Each row as a client or as a rejection; rows of one id in succession become one."""
        held: ClientRow | None = None
        with open_text(self.path, self.format.encoding) as text:
            rows = self._after_hint(read_rows(text, self.format.delimiter))
            next(rows, None)
            for row in rows:
                read = row if isinstance(row, Rejection) else self._read(row, region)
                if isinstance(read, Rejection):
                    yield read
                elif held is not None and held.client.id == read.client.id:
                    held = replace(held, client=_joined(held.client, read.client))
                else:
                    if held is not None:
                        yield held
                    held = read
        if held is not None:
            yield held

    def _read(self, row: Row, region: str) -> ClientRow | Rejection:
        columns, cells = self.columns, [_plain(cell) for cell in row.cells]
        width = len(columns.headings)
        if any(cells[width:]):
            return Rejection(row.line, f"it has {len(cells)} cells for {width} columns")
        if len(cells) <= max(columns.id, min(columns.phones)):
            return Rejection(row.line, f"it has only {len(cells)} cells for {width} columns")
        cells += [""] * (width - len(cells))
        id_, name = cells[columns.id], _name(columns, cells)
        if not id_:
            return Rejection(row.line, "it has no client id")
        if len(id_) > MAX_ID or len(name) > MAX_NAME:
            return Rejection(row.line, "its id or name is far too long")
        client = PmsClient(
            id_,
            name,
            tuple(
                Phone(cells[i], columns.headings[i])
                for i in columns.phones
                if cells[i] and cells[i].lower() not in NO_NUMBER
            ),
            _patients(columns, cells),
        )
        if client.phones and not read_phones(client.phones, region)[0]:
            return Rejection(row.line, "none of its phone numbers can be read")
        return ClientRow(row.line, client)

    @staticmethod
    def _after_hint(rows: Iterator[Row | Rejection]) -> Iterator[Row | Rejection]:
        """Leave out the line `sep=;` with which Excel's exports may begin."""
        first = next(rows, None)
        if isinstance(first, Row) and first.cells[0].lower() == "sep=":
            return rows
        return chain([first], rows) if first is not None else iter(())


def read_clients_csv(
    path: Path, region: str, mapping: ColumnMapping | None = None
) -> Iterator[ClientRow | Rejection]:
    """The rows of a client list, each as a client or as a rejection.

    Raises InputError, before the first row, if the file is no client list.
    """
    return ClientList(path, mapping).rows(region)


def import_clients(
    db: Database,
    clinic: Clinic,
    path: Path,
    now: datetime,
    progress: Callable[[int], None] | None = None,
    dry_run: bool = False,
    mapping: ColumnMapping | None = None,
) -> ImportResult:
    """Import a client list in batches, each committed by itself with what it makes due.

    `progress` hears the number of rows done so far. With `dry_run` nothing is written. Raises
    InputError, before anything is written, if the file is no client list.
    """
    clients = ClientList(path, mapping)
    result = ImportResult(
        clients.format.encoding, clients.format.delimiter, clients.columns.described(), dry_run
    )
    batch: list[PmsClient] = []
    for row in clients.rows(clinic.region):
        result.rows += 1
        if isinstance(row, Rejection):
            result.rejected_rows += 1
            if len(result.rejected) < REJECTIONS_KEPT:
                result.rejected.append(row)
        else:
            batch.append(row.client)
        if len(batch) >= BATCH_ROWS:
            _store(db, clinic, batch, now, result)
            batch = []
            if progress:
                progress(result.rows)
    if batch:
        _store(db, clinic, batch, now, result)
    if progress:
        progress(result.rows)
    return result


def _store(
    db: Database, clinic: Clinic, batch: list[PmsClient], now: datetime, result: ImportResult
) -> None:
    if result.is_dry_run:
        with db.reading() as session:
            add_up(result.tally, plan_clients(session, clinic.id, batch, clinic.region).tally)
        return
    with db.transaction() as session:
        changed = store_clients(
            session, db, clinic.id, batch, "import", now, clinic.region, result.tally
        )
        result.now_due += mark_waiting(session, db, clinic.id, changed)


def _joined(first: PmsClient, second: PmsClient) -> PmsClient:
    """Lists with a row for each animal repeat their client."""
    return replace(
        first,
        name=first.name or second.name,
        phones=tuple(dict.fromkeys(first.phones + second.phones)),
        patients=tuple(dict.fromkeys(first.patients + second.patients)),
    )


def _plain(cell: str) -> str:
    cell = cell.strip()
    # Spreadsheets keep leading zeros by writing ="00123".
    if cell.startswith('="') and cell.endswith('"') and len(cell) > 2:
        return cell[2:-1].strip()
    return cell


def _name(columns: Columns, cells: Sequence[str]) -> str:
    parts = [columns.name] if columns.name >= 0 else [columns.first, columns.last]
    return " ".join(cells[part] for part in parts if part >= 0 and cells[part])


def _patients(columns: Columns, cells: Sequence[str]) -> tuple[str, ...]:
    names = chain.from_iterable(re.split(r"[,;|/\n]", cells[i]) for i in columns.patients)
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
