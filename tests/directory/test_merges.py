"""What the PMS merged: whom it leads to from then on."""

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection, make_entry, make_settled_call
from ringnote.clock import utc_now
from ringnote.connectors.base import PmsClient
from ringnote.db import Database
from ringnote.directory.choices import map_number
from ringnote.directory.clients import store_clients
from ringnote.directory.match import match_number
from ringnote.directory.merges import repoint_merged
from ringnote.directory.rulings import list_rules
from ringnote.models import Call, Clinic, Decision, Entry, Match

NUMBER, NATIONAL = "+12125550142", "2125550142"


@pytest.fixture
def clinic(db: Database) -> Clinic:
    clinic = make_clinic(db)
    for client in "abc":
        make_client(db, clinic, client, "Jane Doe", numbers=[NUMBER])
    return clinic


def merge(db: Database, clinic: Clinic, one: str, other: str) -> None:
    gone = PmsClient(one, "", is_deleted=True, merged_into=other)
    with db.transaction() as session:
        store_clients(session, db, clinic.id, [gone], "sync", utc_now(), "US")
        repoint_merged(session, db, clinic.id, [one])


def written_to(db: Database, clinic: Clinic, call: Call, *clients: str) -> None:
    connection = make_connection(db, clinic)
    for client in clients:
        entry = make_entry(db, clinic, connection, client=client)
        with db.transaction() as session:
            session.execute(
                sa.update(Entry)
                .where(Entry.id == entry)
                .values(subject_id=call.id, pms_id=f"note-{client}")
            )


def match_of(db: Database, call: Call) -> tuple[str, list[str]]:
    with db.reading() as session:
        match = session.scalars(sa.select(Match).where(Match.subject_id == call.id)).one()
        return match.client, match.candidates


@pytest.mark.parametrize(
    ("one", "other", "client", "further"),
    [
        ("b", "d", "a", ["d", "c"]),
        ("b", "c", "a", ["c"]),
        ("b", "a", "a", ["c"]),
        ("a", "b", "b", ["c"]),
        ("a", "d", "d", ["b", "c"]),
    ],
)
def test_each_record_that_a_call_is_written_to_follows_a_merge_and_stands_once(
    db: Database, clinic: Clinic, one: str, other: str, client: str, further: list[str]
) -> None:
    make_client(db, clinic, "d", "Jane Doe")
    call = make_settled_call(db, clinic, NUMBER, "client", client="a", candidates=["b", "c"])
    written_to(db, clinic, call, "a", "b", "c")

    merge(db, clinic, one, other)

    assert match_of(db, call) == (client, further)


def test_a_call_that_others_wait_on_is_left_to_its_own_decision(
    db: Database, clinic: Clinic
) -> None:
    call = make_settled_call(db, clinic, NUMBER, "several", candidates=["a", "b", "c"])
    written_to(db, clinic, call, "b")

    merge(db, clinic, "b", "a")

    assert match_of(db, call) == ("", ["a", "b", "c"])


def test_a_number_mapped_to_a_client_is_the_survivors_and_the_trail_keeps_whom_was_named(
    db: Database, clinic: Clinic
) -> None:
    with db.transaction() as session:
        map_number(session, db, clinic.id, NUMBER, "b", "kim", "", utc_now())

    merge(db, clinic, "b", "c")

    with db.reading() as session:
        assert match_number(session, clinic.id, NUMBER, NATIONAL, utc_now()).client == "c"
        [rule] = list_rules(session, clinic.id, utc_now())
        assert (rule["kind"], rule["client"]) == ("map", "c")
        assert session.scalars(sa.select(Decision.value)).all() == [{"client": "b"}]
