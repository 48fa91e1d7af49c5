"""Reading text files of separated cells."""

from pathlib import Path

import pytest

from ringnote.directory.csv_text import (
    MAX_LINE,
    MAX_ROW_LINES,
    Rejection,
    Row,
    detect_format,
    open_text,
    read_rows,
)
from ringnote.errors import InputError

TEXT = "id,name,phone\n1,Zoë,2125550142\n"


def rows_of(tmp_path: Path, content: bytes | str) -> list[Row | Rejection]:
    path = tmp_path / "list.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = detect_format(path)
    with open_text(path, found.encoding) as text:
        return list(read_rows(text, found.delimiter))


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("cp1252"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
    ],
    ids=["utf-8", "bom", "utf-16", "utf-16-be", "le-no-bom", "be-no-bom", "1252", "crlf", "cr"],
)
def test_every_encoding_of_an_export_reads_alike(tmp_path: Path, content: bytes) -> None:
    assert rows_of(tmp_path, content) == [
        Row(1, ["id", "name", "phone"]),
        Row(2, ["1", "Zoë", "2125550142"]),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_from_the_first_row(tmp_path: Path, delimiter: str) -> None:
    found = rows_of(
        tmp_path, f'"id, of client"{delimiter}phone{delimiter}name\n1{delimiter}2{delimiter}3\n'
    )

    assert found[1] == Row(2, ["1", "2", "3"])


def test_a_row_may_span_lines_within_quotation_marks(tmp_path: Path) -> None:
    found = rows_of(tmp_path, 'id,address\n1,"Elm Street 1\nSpringfield"\n2,x\n')

    assert found[1:] == [Row(2, ["1", "Elm Street 1\nSpringfield"]), Row(4, ["2", "x"])]


def test_an_unclosed_quotation_mark_costs_its_row_alone(tmp_path: Path) -> None:
    good = "".join(f"{n},b\n" for n in range(2, MAX_ROW_LINES * 2))

    found = rows_of(tmp_path, f'id,name\n1,"a\n{good}')

    assert found[1] == Rejection(2, "a quotation mark is opened and never closed")
    assert [row.cells[0] for row in found[2:] if isinstance(row, Row)] == [
        str(n) for n in range(2, MAX_ROW_LINES * 2)
    ]


def test_an_unclosed_quotation_mark_at_the_end_keeps_the_rows_after_it(tmp_path: Path) -> None:
    found = rows_of(tmp_path, 'id,name\n1,"a\n2,b\n3,c\n')

    assert found[1:] == [
        Rejection(2, "a quotation mark is opened and never closed"),
        Row(3, ["2", "b"]),
        Row(4, ["3", "c"]),
    ]


def test_a_quotation_mark_within_a_cell_is_taken_as_it_is(tmp_path: Path) -> None:
    assert rows_of(tmp_path, 'id,name\n1,5" pipe\n')[1] == Row(2, ["1", '5" pipe'])


def test_a_giant_cell_and_a_giant_line_cost_their_rows_alone(tmp_path: Path) -> None:
    content = f"id,name\n1,{'x' * 200_000}\n2,{'y' * (MAX_LINE * 2 + 5)}\n3,c\n"

    found = rows_of(tmp_path, content)

    assert isinstance(found[1], Rejection) and "cell is longer" in found[1].reason
    assert isinstance(found[2], Rejection) and "line is longer" in found[2].reason
    assert found[3] == Row(4, ["3", "c"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \r\n\r\n", "empty"),
        (b"PK\x03\x04rest", "Excel"),
        (b"PK\x03\x04\x14[Content_Types].xml", "an Excel workbook, not CSV: open it"),
        (b"%PDF-1.7", "PDF"),
        (b"\x89PNG\r\n", "an image"),
        (b"\xff\xd8\xff\xe0", "an image"),
        (b"\x1f\x8b\x08", "gzip.*unpack"),
        (b"<html><table>", "web page"),
        (bytes(range(256)) * 8, "not text"),
        (b"id,phone\n1,2125550142\n" + bytes(4096), "not text"),
    ],
)
def test_what_is_no_csv_is_told_so(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        rows_of(tmp_path, content)
