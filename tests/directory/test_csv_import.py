"""Importing client lists."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from factories import make_clinic
from ringnote.db import Database
from ringnote.directory.csv_import import (
    BATCH_ROWS,
    ClientRow,
    ImportResult,
    import_clients,
    read_clients_csv,
)
from ringnote.directory.csv_text import Rejection
from ringnote.errors import InputError
from ringnote.models import Client, ClientNumber, Clinic

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
Write = Callable[[str], Path]


@pytest.fixture
def clinic(db: Database) -> Clinic:
    return make_clinic(db)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(content: str) -> Path:
        path = tmp_path / "clients.csv"
        path.write_text(content, encoding="utf-8")
        return path

    return to_file


def stored(db: Database) -> dict[str, tuple[str, list[str], set[str]]]:
    with db.reading() as session:
        return {
            client.external_id: (
                client.name,
                client.patients,
                set(
                    session.scalars(
                        sa.select(ClientNumber.number).where(ClientNumber.client_id == client.id)
                    )
                ),
            )
            for client in session.scalars(sa.select(Client))
        }


def rejected(result: ImportResult) -> dict[int, str]:
    return {each.line: each.reason for each in result.rejected}


def test_good_rows_are_imported_and_each_bad_one_is_told_by_line(
    db: Database, clinic: Clinic, write: Write
) -> None:
    path = write(
        "Client ID,Name,Phone,Mobile\n"
        "1,Jane Doe,(212) 555-0142,\n"
        ",No Id,2125550143,\n"
        "3,Bad Number,ask at desk,\n"
        "4,Shifted, Inc,2125550144,2125550145\n"
        "5,Short\n"
        '6,"Never closed,2125550146,\n'
        "7,John Roe,212-555-0147,2125550148\n"
    )

    result = import_clients(db, clinic, path, NOW)

    assert stored(db) == {
        "1": ("Jane Doe", [], {"+12125550142"}),
        "7": ("John Roe", [], {"+12125550147", "+12125550148"}),
    }
    assert rejected(result) == {
        3: "it has no client id",
        4: "none of its phone numbers can be read",
        5: "it has 5 cells for 4 columns",
        6: "it has only 2 cells for 4 columns",
        7: "a quotation mark is opened and never closed",
    }
    assert (result.rows, result.imported, result.rejected_rows) == (7, 2, 5)


def test_no_reason_repeats_what_the_row_holds(write: Write) -> None:
    path = write("id,name,phone\n,Jane Doe,2125550142\n2,Jane Doe,none of your business\n")

    reasons = [row.reason for row in read_clients_csv(path, "US") if isinstance(row, Rejection)]

    assert len(reasons) == 2
    assert not any("Jane" in reason or "business" in reason for reason in reasons)


def test_importing_again_updates_by_id(db: Database, clinic: Clinic, write: Write) -> None:
    import_clients(db, clinic, write("id,name,phone\n1,Jane,2125550142\n2,Joe,2125550143\n"), NOW)

    result = import_clients(
        db, clinic, write("id,name,phone\n1,Jane,2125550142\n2,Joe Roe,2125550144\n"), NOW
    )

    assert stored(db) == {
        "1": ("Jane", [], {"+12125550142"}),
        "2": ("Joe Roe", [], {"+12125550144"}),
    }
    assert (result.tally.added, result.tally.updated, result.tally.unchanged) == (0, 1, 1)


def test_several_numbers_in_a_cell_are_all_taken(
    db: Database, clinic: Clinic, write: Write
) -> None:
    import_clients(
        db, clinic, write('id,name,phone\n1,Jane,"212-555-0142; Spouse (212) 555-0143"\n'), NOW
    )

    assert stored(db)["1"][2] == {"+12125550142", "+12125550143"}


def test_first_and_last_names_are_joined_and_patients_are_parted(
    db: Database, clinic: Clinic, write: Write
) -> None:
    import_clients(
        db,
        clinic,
        write("Client No\tFirst Name\tLast Name\tCell\tPets\n1\tJane\tDoe\t2125550142\tRex, Bo\n"),
        NOW,
    )

    assert stored(db)["1"] == ("Jane Doe", ["Rex", "Bo"], {"+12125550142"})


def test_rows_of_one_client_in_succession_become_one(
    db: Database, clinic: Clinic, write: Write
) -> None:
    import_clients(
        db,
        clinic,
        write("id,name,phone,pet\n1,Jane,2125550142,Rex\n1,Jane,2125550143,Bo\n2,Joe,,\n"),
        NOW,
    )

    assert stored(db)["1"] == ("Jane", ["Rex", "Bo"], {"+12125550142", "+12125550143"})


def test_a_client_without_a_number_is_known_all_the_same(
    db: Database, clinic: Clinic, write: Write
) -> None:
    import_clients(db, clinic, write("id,name,phone\n1,Jane,\n2,Joe,N/A\n"), NOW)

    assert stored(db) == {"1": ("Jane", [], set()), "2": ("Joe", [], set())}


def test_spreadsheet_quirks_are_read_and_formulas_stay_text(
    db: Database, clinic: Clinic, write: Write
) -> None:
    import_clients(db, clinic, write('sep=;\nid;name;phone\n="007";=cmd();="2125550142"\n'), NOW)

    assert stored(db) == {"007": ("=cmd()", [], {"+12125550142"})}


def test_a_dry_run_tells_the_same_and_writes_nothing(
    db: Database, clinic: Clinic, write: Write
) -> None:
    path = write("id,name,phone\n1,Jane,2125550142\n,Nobody,2125550143\n")

    tried = import_clients(db, clinic, path, NOW, dry_run=True)

    assert stored(db) == {}
    done = import_clients(db, clinic, path, NOW)
    assert (tried.tally, tried.rejected) == (done.tally, done.rejected)


def test_a_list_of_many_batches_is_imported_whole_and_progress_is_told(
    db: Database, clinic: Clinic, write: Write
) -> None:
    count = BATCH_ROWS * 2 + 10
    rows = "".join(f"{n},Client {n},212555{n:04d}\n" for n in range(count))
    heard: list[int] = []

    result = import_clients(db, clinic, write("id,name,phone\n" + rows), NOW, heard.append)

    assert result.tally.added == count == len(stored(db))
    assert heard == [BATCH_ROWS, BATCH_ROWS * 2, count]


def test_a_person_may_name_the_columns(write: Write) -> None:
    path = write("Ref,Who,Contact\n1,Jane,2125550142\n")

    (row,) = read_clients_csv(path, "US", {"id": "Ref", "name": "Who", "phones": "Contact"})

    assert isinstance(row, ClientRow)
    assert (row.line, row.client.id, row.client.name) == (2, "1", "Jane")


def test_a_file_that_is_no_client_list_is_refused_before_anything_is_written(
    db: Database, clinic: Clinic, write: Write
) -> None:
    with pytest.raises(InputError, match="The columns of the file are: colour, size"):
        import_clients(db, clinic, write("colour,size\nred,2\n"), NOW)

    assert stored(db) == {}


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_clients_csv(tmp_path, "US")
