"""What waits for a match."""

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_settled_call, make_settled_text
from ringnote.db import Database
from ringnote.directory.waiting import list_unmatched, mark_waiting
from ringnote.models import Clinic, DueMark

ONE, TWO = "+12125550142", "+12125550143"


@pytest.fixture
def clinic(db: Database) -> Clinic:
    return make_clinic(db)


def due(db: Database) -> set[tuple[str, str]]:
    with db.reading() as session:
        rows = session.execute(sa.select(DueMark.subject_kind, DueMark.subject_key))
        return {(row.subject_kind.value, row.subject_key) for row in rows}


def mark(db: Database, clinic: Clinic, numbers: list[str] | None = None) -> int:
    with db.transaction() as session:
        return mark_waiting(session, db, clinic.id, numbers)


def test_what_waits_on_a_number_is_due_again(db: Database, clinic: Clinic) -> None:
    call = make_settled_call(db, clinic, ONE)
    shared = make_settled_call(db, clinic, ONE, "several", candidates=["a", "b"])
    text = make_settled_text(db, clinic, ONE)
    make_settled_call(db, clinic, TWO)

    count = mark(db, clinic, [ONE, "+12125550199"])

    assert count == 3
    assert due(db) == {
        ("call", call.call_uuid),
        ("call", shared.call_uuid),
        ("conversation", text),
    }


@pytest.mark.parametrize("kind", ["client", "withheld", "internal", "ignored"])
def test_what_is_decided_is_left_alone(db: Database, clinic: Clinic, kind: str) -> None:
    make_settled_call(db, clinic, ONE, kind)

    assert mark(db, clinic, [ONE]) == 0
    assert due(db) == set()


def test_all_that_waits_can_be_marked_but_never_another_clinics(
    db: Database, clinic: Clinic
) -> None:
    make_settled_call(db, make_clinic(db), ONE)
    calls = [make_settled_call(db, clinic, number) for number in (ONE, TWO)]

    assert mark(db, clinic) == 2
    assert due(db) == {("call", call.call_uuid) for call in calls}


def test_thousands_of_numbers_can_be_named(db: Database, clinic: Clinic) -> None:
    call = make_settled_call(db, clinic, ONE)

    count = mark(db, clinic, [f"+1212{n:07d}" for n in range(3000)] + [ONE])

    assert count == 1
    assert due(db) == {("call", call.call_uuid)}


def test_no_number_marks_nothing(db: Database, clinic: Clinic) -> None:
    make_settled_call(db, clinic, ONE)

    assert mark(db, clinic, []) == 0


def test_unmatched_numbers_are_listed_once_the_latest_first(db: Database, clinic: Clinic) -> None:
    make_client(db, clinic, "a", "Jane Doe")
    first = make_settled_call(db, clinic, ONE)
    last = make_settled_call(db, clinic, ONE)
    make_settled_text(db, clinic, ONE)
    make_settled_call(db, clinic, TWO, "several", candidates=["a", "z"])
    make_settled_call(db, clinic, "+12125550144", "client", client="a")

    with db.reading() as session:
        shared, alone = list_unmatched(session, clinic.id)

    assert (alone["number"], alone["kind"]) == (ONE, "none")
    assert [(each["id"], each["why"]) for each in alone["candidates"]] == [
        ("a", "has the name that was shown")
    ]
    assert (alone["calls"], alone["texts"], alone["caller_name"]) == (2, 1, "DOE JANE")
    assert alone["first_at"] == first.started_at
    assert alone["last_at"] > last.started_at
    assert (shared["number"], shared["kind"]) == (TWO, "several")
    assert [(each["id"], each["name"], each["why"]) for each in shared["candidates"]] == [
        ("a", "Jane Doe", "has this number and has the name that was shown"),
        ("z", "", "has this number"),
    ]
