"""Importing client lists."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from factories import make_clinic
from ringnote.db import Database
from ringnote.directory import csv_import
from ringnote.directory.csv_clients import ClientList
from ringnote.directory.csv_import import (
    BATCH_ROWS,
    ClientRow,
    ImportResult,
    check_clients,
    import_checked,
    import_clients,
    read_clients_csv,
)
from ringnote.directory.csv_text import Rejection
from ringnote.errors import InputError
from ringnote.models import Client, ClientNumber, Clinic

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
LATER = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
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

    reasons = [row.reason for row in read_clients_csv(path) if isinstance(row, Rejection)]

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

    (row,) = read_clients_csv(path, {"id": "Ref", "name": "Who", "phones": "Contact"})

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
        read_clients_csv(tmp_path)


def test_rows_of_one_client_that_stand_apart_become_one_too(
    db: Database, clinic: Clinic, write: Write
) -> None:
    between = "".join(f"c{n},Client {n},,\n" for n in range(BATCH_ROWS + 1))
    path = write(f"id,name,phone,pet\n1,Jane,2125550142,Rex\n{between}1,Jane,2125550143,Bo\n")

    result = import_clients(db, clinic, path, NOW)

    assert stored(db)["1"] == ("Jane", ["Rex", "Bo"], {"+12125550142", "+12125550143"})
    assert (result.tally.added, result.tally.updated) == (BATCH_ROWS + 2, 0)


def test_a_number_without_its_area_code_is_kept_with_its_client_to_be_told_of(
    db: Database, clinic: Clinic, write: Write
) -> None:
    path = write("id,name,Home Phone,Cell\n1,Jane,555-0142,\n2,Joe,ask wife,212-555-0143\n")

    result = import_clients(db, clinic, path, NOW)

    assert stored(db) == {"1": ("Jane", [], set()), "2": ("Joe", [], {"+12125550143"})}
    assert (result.rejected_rows, result.tally.unreadable_numbers) == (0, 2)
    with db.reading() as session:
        flaws = dict(session.execute(sa.select(Client.external_id, Client.flaws)).all())
    assert flaws == {
        "1": [{"kind": "short", "raw": "555-0142", "label": "Home Phone"}],
        "2": [{"kind": "unreadable", "raw": "ask wife", "label": "Home Phone"}],
    }


def test_what_was_wrong_with_a_number_is_forgotten_once_it_is_mended(
    db: Database, clinic: Clinic, write: Write
) -> None:
    import_clients(db, clinic, write("id,name,phone\n1,Jane,555-0142\n"), NOW)

    import_clients(db, clinic, write("id,name,phone\n1,Jane,212-555-0142\n"), NOW)

    with db.reading() as session:
        assert session.scalars(sa.select(Client.flaws)).one() == []


def replacing(db: Database, clinic: Clinic, path: Path, *, dry_run: bool = False) -> ImportResult:
    clients = ClientList(path)
    checked = check_clients(clients)
    return import_checked(db, clinic, clients, checked, LATER, dry_run=dry_run, replaces=True)


def test_a_list_that_replaces_counts_whom_it_lacks_and_takes_them_out_when_told(
    db: Database, clinic: Clinic, write: Write
) -> None:
    import_clients(db, clinic, write("id,name,phone\n1,A,2125550142\n2,B,2125550143\n3,C,\n"), NOW)
    path = write("id,name,phone\n1,A,2125550142\n4,D,\n")

    tried = replacing(db, clinic, path, dry_run=True)
    done = replacing(db, clinic, path)
    with db.reading() as session:
        kept = session.scalars(sa.select(Client).where(Client.deleted_at.is_(None))).all()
    csv_import.remove_missing(db, clinic, done, LATER)

    assert (tried.missing, done.missing, len(kept)) == (2, 2, 4)
    assert done.tally.deleted == 2
    with db.reading() as session:
        left = session.scalars(sa.select(Client.external_id).where(Client.deleted_at.is_(None)))
        assert set(left) == {"1", "4"}
    assert stored(db)["2"][2] == set()


def test_an_import_that_is_interrupted_keeps_whole_batches_and_counts_them(
    db: Database, clinic: Clinic, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"{n},Client {n},212555{n:04d}\n" for n in range(BATCH_ROWS * 3))
    stores = iter((None, KeyboardInterrupt))
    store = csv_import.store_clients

    def interrupted(*arguments: object, **more: bool) -> set[str]:
        changed = store(*arguments, **more)  # type: ignore[arg-type]
        if error := next(stores):
            raise error
        return changed

    monkeypatch.setattr(csv_import, "store_clients", interrupted)

    result = import_clients(db, clinic, write("id,name,phone\n" + rows), NOW)

    assert result.is_cancelled
    assert result.tally.added == BATCH_ROWS == len(stored(db))


def test_a_list_of_headings_alone_is_told(db: Database, clinic: Clinic, write: Write) -> None:
    with pytest.raises(InputError, match="no clients below"):
        import_clients(db, clinic, write("id,name,phone\n\n"), NOW)


def test_a_person_may_say_that_there_is_no_such_column(write: Write) -> None:
    path = write("id,name,phone,pet\n1,Jane,2125550142,Rex\n")

    (row,) = read_clients_csv(path, {"patients": [], "name": []})

    assert isinstance(row, ClientRow)
    assert (row.client.name, row.client.patients) == ("", ())
