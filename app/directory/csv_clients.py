"""The rows of a client list, each as a client or as a rejection that says why. Reads files only.

Called by the import; memory stays flat whatever the file's size.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from ..connectors.base import Phone, PmsClient
from ..errors import InputError
from .csv_columns import Columns, find_columns
from .csv_text import Rejection, Row, detect_format, open_text, read_rows
from .flaws import may_hold_number

MAX_ID = 200
MAX_NAME = 500
NO_NUMBER = ("n/a", "na", "none", "no phone", "unknown", "-", "--", "0", "null")
"""What people write where there is no number."""
NEUTRALISED = re.compile(r"'(?=\s*[=+@-])")
"""How spreadsheets, and our own files of rejected rows, keep a cell from being a formula."""

ColumnMapping = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class ClientRow:
    """One good row: the line on which it begins and the client it holds."""

    line: int
    client: PmsClient


class ListFile:
    """A client list in a file: how it is written, and how it names its columns.

    Raises InputError if it cannot be read or is no text of cells.
    """

    def __init__(self, path: Path) -> None:
        try:
            self.path = path
            self.format = detect_format(path)
            with open_text(path, self.format.encoding) as text:
                headings = next(_after_hint(read_rows(text, self.format.delimiter)), None)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}.") from None
        if not isinstance(headings, Row):
            raise InputError(
                "The first row, which names the columns, cannot be read: it is too long, or a"
                " quotation mark in it is not closed. Export the list from the PMS again, as CSV."
            )
        self.headings = tuple(map(_plain, headings.cells))

    def rows(self) -> Iterator[Row | Rejection]:
        """What is below the headings."""
        with open_text(self.path, self.format.encoding) as text:
            rows = _after_hint(read_rows(text, self.format.delimiter))
            next(rows, None)
            yield from rows


class ClientList:
    """The clients of a ListFile, with which column is what: guessed, or as `mapping` names it.

    Raises InputError if the file cannot be read or has no column for ids or for numbers.
    """

    def __init__(self, file: ListFile | Path, mapping: ColumnMapping | None = None) -> None:
        self.file = file if isinstance(file, ListFile) else ListFile(file)
        self.format = self.file.format
        self.columns: Columns = find_columns(self.file.headings, mapping)

    def rows(self) -> Iterator[ClientRow | Rejection]:
        """Each row as a client or as a rejection; rows of one id in succession become one."""
        held: ClientRow | None = None
        for row in self.file.rows():
            read = row if isinstance(row, Rejection) else self._read(row)
            if isinstance(read, Rejection):
                yield read
            elif held is not None and held.client.id == read.client.id:
                held = joined(held, read)
            else:
                if held is not None:
                    yield held
                held = read
        if held is not None:
            yield held

    def _read(self, row: Row) -> ClientRow | Rejection:
        columns, cells = self.columns, [_plain(cell) for cell in row.cells]
        width = len(columns.headings)

        def rejected(reason: str) -> Rejection:
            return Rejection(row.line, reason, tuple(row.cells))

        if any(cells[width:]):
            return rejected(f"it has {len(cells)} cells for {width} columns")
        if len(cells) <= max(columns.id, min(columns.phones)):
            return rejected(f"it has only {len(cells)} cells for {width} columns")
        cells += [""] * (width - len(cells))
        id_, name = cells[columns.id], _name(columns, cells)
        if not id_:
            return rejected("it has no client id")
        if len(id_) > MAX_ID or len(name) > MAX_NAME:
            return rejected("its id or name is far too long")
        client = PmsClient(id_, name, _phones(columns, cells), _patients(columns, cells))
        # What is long enough for a number is kept with its client even where it cannot be read.
        if client.phones and not any(map(may_hold_number, client.phones)):
            return rejected("none of its phone numbers can be read")
        return ClientRow(row.line, client)


def read_clients_csv(
    path: Path, mapping: ColumnMapping | None = None
) -> Iterator[ClientRow | Rejection]:
    """The rows of a client list, each as a client or as a rejection.

    Raises InputError, before the first row, if the file is no client list.
    """
    return ClientList(path, mapping).rows()


def joined(first: ClientRow, second: ClientRow) -> ClientRow:
    """Two rows of one client as one: lists with a row for each animal repeat their client."""
    one, other = first.client, second.client
    client = replace(
        one,
        name=one.name or other.name,
        phones=tuple(dict.fromkeys(one.phones + other.phones)),
        patients=tuple(dict.fromkeys(one.patients + other.patients)),
    )
    return ClientRow(first.line, client)


def _after_hint(rows: Iterator[Row | Rejection]) -> Iterator[Row | Rejection]:
    """Leave out the line `sep=;` with which Excel's exports may begin."""
    first = next(rows, None)
    if isinstance(first, Row) and first.cells[0].lower() == "sep=":
        return rows
    return chain([first], rows) if first is not None else iter(())


def _plain(cell: str) -> str:
    cell = NEUTRALISED.sub("", cell.strip(), count=1) if cell.startswith("'") else cell.strip()
    # Spreadsheets keep leading zeros by writing ="00123".
    if cell.startswith('="') and cell.endswith('"') and len(cell) > 2:
        return cell[2:-1].strip()
    return cell


def _name(columns: Columns, cells: Sequence[str]) -> str:
    parts = [columns.name] if columns.name >= 0 else [columns.first, columns.last]
    return " ".join(cells[part] for part in parts if part >= 0 and cells[part])


def _phones(columns: Columns, cells: Sequence[str]) -> tuple[Phone, ...]:
    return tuple(
        Phone(cells[place], columns.headings[place])
        for place in columns.phones
        if cells[place] and cells[place].lower() not in NO_NUMBER
    )


def _patients(columns: Columns, cells: Sequence[str]) -> tuple[str, ...]:
    names = chain.from_iterable(re.split(r"[,;|/\n]", cells[i]) for i in columns.patients)
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
