"""Writes CSV for people: no cell is a formula to the spreadsheet that opens it.

The file of rejected rows can be mended and imported again: the import takes the guard off.
"""

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from ..errors import InputError
from .csv_text import Rejection

FORMULA = ("=", "+", "-", "@")
LINE, REASON = "ringnote_line", "ringnote_reason"


def neutral(cell: object) -> str:
    """The cell as a text that no spreadsheet takes for a formula."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def write_rows(file: TextIO, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows under headings, comma-separated."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows([neutral(cell) for cell in row] for row in rows)


def open_private(path: Path) -> TextIO:
    """A new file for its owner alone, as spreadsheets expect UTF-8. Raises InputError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None
    return os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="")


class RejectedRows:
    """A file of the rows that were rejected, with line and reason before their own cells.

    It is made with the first of them. Used as a context.
    """

    def __init__(self, path: Path, headings: Sequence[str], delimiter: str) -> None:
        self.count = 0
        self._path = path
        self._headings = headings
        self._delimiter = delimiter
        self._file: TextIO | None = None

    def __enter__(self) -> "RejectedRows":
        return self

    def __exit__(self, *_error: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, row: Rejection) -> None:
        """Write one."""
        if self._file is None:
            self._file = open_private(self._path)
            self._write([LINE, REASON, *map(neutral, self._headings)])
        self._write([str(row.line), row.reason, *map(neutral, row.cells)])
        self.count += 1

    def _write(self, cells: Sequence[str]) -> None:
        csv.writer(self._file, delimiter=self._delimiter, lineterminator="\n").writerow(cells)  # type: ignore[arg-type]
