"""Keeping clients and their numbers."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from factories import make_clinic
from ringnote.connectors.base import Phone, PmsClient
from ringnote.db import Database
from ringnote.directory.clients import Tally, store_clients
from ringnote.models import Client, ClientNumber, Clinic

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ONE, TWO = "+12125550142", "+12125550143"


@pytest.fixture
def clinic(db: Database) -> Clinic:
    return make_clinic(db)


def store(
    db: Database, clinic: Clinic, *clients: PmsClient, tally: Tally | None = None
) -> set[str]:
    with db.transaction() as session:
        return store_clients(session, db, clinic.id, clients, "sync", NOW, clinic.region, tally)


def numbers_of(db: Database, client: str) -> dict[str, str]:
    with db.reading() as session:
        return {
            row.number: row.label
            for row in session.execute(
                sa.select(ClientNumber.number, ClientNumber.label)
                .join(Client, Client.id == ClientNumber.client_id)
                .where(Client.external_id == client)
            )
        }


def test_a_client_is_stored_with_its_numbers_labels_and_patients(
    db: Database, clinic: Clinic
) -> None:
    changed = store(
        db,
        clinic,
        PmsClient(
            "a", "Jane Doe", (Phone("(212) 555-0142", "home"), Phone("2125550143")), ("Rex",)
        ),
    )

    assert changed == {ONE, TWO}
    assert numbers_of(db, "a") == {ONE: "home", TWO: ""}
    with db.reading() as session:
        client = session.scalars(sa.select(Client)).one()
    assert (client.name, client.patients, client.source) == ("Jane Doe", ["Rex"], "sync")


def test_storing_the_same_again_changes_nothing(db: Database, clinic: Clinic) -> None:
    client = PmsClient("a", "Jane Doe", (Phone("2125550142"),), ("Rex",))
    store(db, clinic, client)
    tally = Tally()

    changed = store(db, clinic, client, tally=tally)

    assert changed == set()
    assert tally == Tally(unchanged=1)


def test_a_renamed_client_keeps_its_numbers_and_changes_none(db: Database, clinic: Clinic) -> None:
    store(db, clinic, PmsClient("a", "Jane Doe", (Phone("2125550142"),)))
    tally = Tally()

    changed = store(db, clinic, PmsClient("a", "Jane Roe", (Phone("2125550142"),)), tally=tally)

    assert changed == set()
    assert tally == Tally(updated=1)
    assert numbers_of(db, "a").keys() == {ONE}


def test_a_number_that_moves_on_is_told_and_leaves_its_first_owner(
    db: Database, clinic: Clinic
) -> None:
    store(db, clinic, PmsClient("a", "A", (Phone("2125550142"),)), PmsClient("b", "B"))

    changed = store(db, clinic, PmsClient("a", "A"), PmsClient("b", "B", (Phone("2125550142"),)))

    assert changed == {ONE}
    assert numbers_of(db, "a") == {}
    assert numbers_of(db, "b").keys() == {ONE}


def test_numbers_that_cannot_be_read_are_left_out_and_counted(db: Database, clinic: Clinic) -> None:
    tally = Tally()

    changed = store(
        db, clinic, PmsClient("a", "A", (Phone("call first"), Phone("2125550142"))), tally=tally
    )

    assert changed == {ONE}
    assert tally.unreadable_numbers == 1


def test_a_deletion_frees_the_numbers_and_keeps_the_name(db: Database, clinic: Clinic) -> None:
    store(db, clinic, PmsClient("a", "Jane Doe", (Phone("2125550142"),)))
    tally = Tally()

    changed = store(db, clinic, PmsClient("a", "", is_deleted=True), tally=tally)

    assert changed == {ONE}
    assert tally == Tally(deleted=1)
    with db.reading() as session:
        client = session.scalars(sa.select(Client)).one()
    assert (client.name, client.deleted_at) == ("Jane Doe", NOW)
    assert store(db, clinic, PmsClient("a", "", is_deleted=True)) == set()


def test_a_client_that_comes_back_has_its_numbers_again(db: Database, clinic: Clinic) -> None:
    there = PmsClient("a", "Jane Doe", (Phone("2125550142"),))
    store(db, clinic, there)
    store(db, clinic, PmsClient("a", "", is_deleted=True))

    changed = store(db, clinic, there)

    assert changed == {ONE}
    with db.reading() as session:
        assert session.scalars(sa.select(Client.deleted_at)).one() is None


def test_a_merge_tells_the_numbers_that_lead_elsewhere_now(db: Database, clinic: Clinic) -> None:
    store(db, clinic, PmsClient("a", "A", (Phone("2125550142"),)), PmsClient("b", "B"))

    changed = store(db, clinic, PmsClient("a", "", is_deleted=True, merged_into="b"))

    assert changed == {ONE}
    assert numbers_of(db, "a").keys() == {ONE}


def test_the_deletion_of_an_unknown_client_stores_nothing(db: Database, clinic: Clinic) -> None:
    store(db, clinic, PmsClient("a", "", is_deleted=True))

    with db.reading() as session:
        assert session.scalars(sa.select(Client)).first() is None


def test_of_two_with_one_id_in_a_batch_the_last_counts(db: Database, clinic: Clinic) -> None:
    store(
        db,
        clinic,
        PmsClient("a", "Old", (Phone("2125550143"),)),
        PmsClient("a", "New", (Phone("2125550142"),)),
    )

    assert numbers_of(db, "a").keys() == {ONE}


def test_the_same_id_in_two_clinics_is_two_clients(db: Database, clinic: Clinic) -> None:
    other = make_clinic(db, name="Other", container_id="999999")
    store(db, clinic, PmsClient("a", "Here"))
    store(db, other, PmsClient("a", "There"))

    with db.reading() as session:
        assert set(session.scalars(sa.select(Client.name))) == {"Here", "There"}
