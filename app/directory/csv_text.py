"""Reads a text file of separated cells as PMSs export them: its encoding, its delimiter, its rows.

Memory stays flat whatever the file's size, and a broken row costs that row alone.
"""

import codecs
import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from ..errors import InputError

DELIMITERS = ",;\t|"
SAMPLE_BYTES = 64 * 1024
MAX_LINE = 1024 * 1024
"""Characters; a longer line is no row of clients."""
MAX_ROW_LINES = 40
"""How many lines one row may span, as an address in quotation marks does."""
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
IN_A_SPREADSHEET = "open it in a spreadsheet and save it as CSV (UTF-8)"
IN_THE_PMS = "export the client list from the PMS again, as CSV"
UNPACK = "unpack it and import the CSV file that is in it"
OTHER_FORMATS = (
    (b"PK\x03\x04", b"xl/", "an Excel workbook", IN_A_SPREADSHEET),
    (b"PK\x03\x04", b"[Content_Types].xml", "an Excel workbook", IN_A_SPREADSHEET),
    (b"PK\x03\x04", b"opendocument.spreadsheet", "an OpenDocument sheet", IN_A_SPREADSHEET),
    (b"PK\x03\x04", b"", "an Excel workbook or a zip archive", f"{IN_A_SPREADSHEET}, or {UNPACK}"),
    (b"\xd0\xcf\x11\xe0", b"", "an old Excel workbook", IN_A_SPREADSHEET),
    (b"{\\rtf", b"", "a text document", IN_THE_PMS),
    (b"%PDF", b"", "a PDF", IN_THE_PMS),
    (b"\x1f\x8b", b"", "a gzip archive", UNPACK),
    (b"BZh", b"", "a bzip2 archive", UNPACK),
    (b"\xfd7zXZ", b"", "an xz archive", UNPACK),
    (b"7z\xbc\xaf", b"", "a 7-Zip archive", UNPACK),
    (b"Rar!", b"", "a RAR archive", UNPACK),
    (b"\x89PNG", b"", "an image", IN_THE_PMS),
    (b"\xff\xd8\xff", b"", "an image", IN_THE_PMS),
    (b"GIF8", b"", "an image", IN_THE_PMS),
    (b"SQLite format 3", b"", "a database", IN_THE_PMS),
)
"""What else people have at hand: what it begins with, what it holds early, its name, what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row, and the line of the file on which it begins (the first is 1)."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that could not be taken: its line and why.

    `cells` is what it holds, as far as that can be told, to be given back to whoever mends it.
    """

    line: int
    reason: str
    cells: tuple[str, ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Format:
    """How a file is written."""

    encoding: str
    delimiter: str


def detect_format(path: Path) -> Format:
    """Tell a file's encoding and delimiter. Raises InputError for what is no text of cells."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    if not sample.strip(b"\x00\xef\xbb\xbf\xff\xfe \t\r\n"):
        raise InputError("The file is empty; it should begin with a row of column names.")
    for magic, inside, what, advice in OTHER_FORMATS:
        if sample.startswith(magic) and inside in sample:
            raise InputError(f"The file is {what}, not CSV: {advice}.")
    encoding = _detect_encoding(path, sample)
    with open_text(path, encoding) as text:
        first = next(
            (line for line in iter(lambda: text.readline(MAX_LINE), "") if line.strip()), ""
        )
    if first.lstrip()[:1] in ("<", "{", "["):
        raise InputError("The file is a web page, XML or JSON, not CSV; save it as CSV (UTF-8).")
    return Format(encoding, _detect_delimiter(first))


def open_text(path: Path, encoding: str) -> TextIO:
    """The file as text, with its line ends as they are. Bytes that mean nothing become U+FFFD."""
    return TextIOWrapper(path.open("rb"), encoding=encoding, errors="replace", newline="")


def read_rows(text: TextIO, delimiter: str) -> Iterator[Row | Rejection]:
    """The rows of a file, blank ones left out."""
    lines = _bounded_lines(text)
    given_back: deque[tuple[int, str]] = deque()
    held: list[tuple[int, str]] = []
    while True:
        following = given_back.popleft() if given_back else next(lines, None)
        if following is None and not held:
            return
        if following is not None:
            held.append(following)
        rows = _parse(held, delimiter)
        if rows is None and following is not None and len(held) < MAX_ROW_LINES:
            continue
        if rows is None:
            broken = tuple(held[0][1].rstrip("\r\n").replace('"', "").split(delimiter))
            yield Rejection(held[0][0], "a quotation mark is opened and never closed", broken)
            given_back.extendleft(reversed(held[1:]))
        else:
            yield from rows
        held = []


def _parse(held: list[tuple[int, str]], delimiter: str) -> list[Row | Rejection] | None:
    """The rows that some lines hold; None if they end within quotation marks."""
    line = held[0][0]
    texts = [text for _, text in held]
    if any(len(text) > MAX_LINE for text in texts):
        return [Rejection(line, f"the line is longer than {MAX_LINE:,} characters")]
    try:
        found = list(csv.reader(texts, delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None
        try:
            found = list(csv.reader(texts, delimiter=delimiter))
        except csv.Error:
            return [Rejection(line, f"a cell is longer than {csv.field_size_limit():,} characters")]
    return [Row(line, cells) for cells in found if any(cell.strip() for cell in cells)]


def _bounded_lines(text: TextIO) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; of a far too long one only the beginning, still too long."""
    number = 0
    while line := text.readline(MAX_LINE + 1):
        number += 1
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(("\n", "\r")):
            rest = text.readline(MAX_LINE + 1)
        yield number, line.replace("\x00", "")


def _detect_encoding(path: Path, sample: bytes) -> str:
    for mark, encoding in BYTE_ORDER_MARKS:
        if sample.startswith(mark):
            return encoding
    half = max(len(sample) // 2, 1)
    first, second = (sample[place::2].count(0) / half for place in (0, 1))
    if second > 0.7 > first:
        return "utf-16-le"
    if first > 0.7 > second:
        return "utf-16-be"
    if sample.count(0) > len(sample) * 0.001:
        raise InputError("The file is not text; save the clients as CSV (UTF-8) and try again.")
    return "utf-8" if _is_utf8(path) else "cp1252"


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1024 * 1024):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _detect_delimiter(header: str) -> str:
    if header.lower().startswith("sep=") and len(header.strip()) == 5:
        return header.strip()[4]
    outside = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=outside.count)
