"""Finding clients by what people type of their names, and of their animals'."""

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic
from ringnote.clock import utc_now
from ringnote.directory.find import search_clients
from ringnote.models import Client


@pytest.fixture
def clinic(db):
    clinic = make_clinic(db)
    for external_id, name in (
        ("C1", "Jane Doe"),
        ("C2", "Chloé O'Brien"),
        ("C3", "Jan Dorn"),
        ("C4", "Ann 100%"),
    ):
        make_client(db, clinic, external_id, name, numbers=[f"+1212555014{external_id[1]}"])
    make_client(db, make_clinic(db, name="Elm"), "C9", "Jane Doe")
    return clinic


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("jane", ["C1"]),
        ("JAN D", ["C3", "C1"]),
        ("doe, jane", ["C1"]),
        ("chloe", ["C2"]),
        ("Chloé", ["C2"]),
        ("obrien", ["C2"]),
        ("ane", []),
        ("%", []),
        ("_", []),
        ("", []),
        ("Nobody", []),
    ],
)
def test_each_word_begins_a_word_of_the_name_whatever_case_and_accents(db, clinic, typed, found):
    with db.reading() as session:
        told = search_clients(session, clinic.id, typed, limit=20)

    assert [each["id"] for each in told] == found


def test_no_more_are_told_than_asked_for_each_with_its_numbers(db, clinic):
    with db.reading() as session:
        [told] = search_clients(session, clinic.id, "jan", limit=1)

    assert told["name"] == "Jan Dorn"
    assert told["numbers"] == [{"number": "+12125550143", "label": ""}]


def test_a_name_of_letters_that_may_bear_accents_is_found_behind_thousands(db, clinic):
    row = {"clinic_id": clinic.id, "source": "import", "updated_at": utc_now(), "patients": []}
    others = [row | {"external_id": f"A{count}", "name": f"Anna {count}"} for count in range(2100)]
    with db.transaction() as session:
        session.execute(sa.insert(Client), others)
    make_client(db, clinic, "C9", "Walter Lee")

    with db.reading() as session:
        told = search_clients(session, clinic.id, "lee", limit=20)

    assert [each["id"] for each in told] == ["C9"]
