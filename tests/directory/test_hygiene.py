"""What is wrong with a clinic's numbers, and what it costs."""

import pytest

from factories import make_client, make_clinic, make_settled_call, make_settled_text
from ringnote.clock import utc_now
from ringnote.connectors.base import Phone, PmsClient
from ringnote.db import Database
from ringnote.directory.clients import store_clients
from ringnote.directory.hygiene import Finding, find_flaws
from ringnote.models import Client, Clinic, Line

ONE, TWO = "+12125550142", "+12125550143"


@pytest.fixture
def clinic(db: Database) -> Clinic:
    return make_clinic(db)


def store(db: Database, clinic: Clinic, client: str, *fields: str, name: str = "Jane Doe") -> None:
    phones = tuple(Phone(field, "home") for field in fields)
    with db.transaction() as session:
        told = [PmsClient(client, name, phones)]
        store_clients(session, db, clinic.id, told, "sync", utc_now(), clinic.region)


def found(db: Database, clinic: Clinic) -> list[Finding]:
    with db.reading() as session:
        return find_flaws(session, clinic)


def kinds(db: Database, clinic: Clinic) -> dict[str, str]:
    return {each.client: each.kind for each in found(db, clinic)}


def test_each_kind_of_flaw_is_found_and_a_sound_number_is_none(
    db: Database, clinic: Clinic
) -> None:
    with db.transaction() as session:
        session.add(
            Line(clinic_id=clinic.id, number="+12125550199", source="seen", created_at=utc_now())
        )
    store(db, clinic, "sound", "(212) 555-0142")
    store(db, clinic, "short", "555-0143", "2125550144")
    store(db, clinic, "unread", "ask his wife", "2125550145")
    store(db, clinic, "label", "Spouse (212) 555-0146")
    store(db, clinic, "abroad", "+44 20 7946 0958")
    store(db, clinic, "own", "212 555 0199")
    store(db, clinic, "none")

    assert kinds(db, clinic) == {
        "short": "short",
        "unread": "unreadable",
        "label": "labelled",
        "abroad": "abroad",
        "own": "own_line",
        "none": "without_number",
    }


def test_an_extension_is_no_label(db: Database, clinic: Clinic) -> None:
    store(db, clinic, "a", "(212) 555-0142 ext. 12")

    assert found(db, clinic) == []


def test_a_shared_number_is_one_finding_with_all_its_clients(db: Database, clinic: Clinic) -> None:
    for client in ("a", "b", "c"):
        make_client(db, clinic, client, client, [ONE])
    gone = make_client(db, clinic, "gone", "Gone", [ONE])
    with db.transaction() as session:
        session.get_one(Client, gone.id).deleted_at = utc_now()

    (finding,) = found(db, clinic)

    assert (finding.kind, finding.field) == ("shared", ONE)
    assert (finding.name, finding.clients) == ("3 clients", ("a", "b", "c"))


def test_what_held_up_most_comes_first(db: Database, clinic: Clinic) -> None:
    for client in ("a", "b"):
        make_client(db, clinic, client, client, [ONE])
    make_settled_call(db, clinic, ONE, kind="several")
    make_settled_call(db, clinic, ONE, kind="client", client="a")
    store(db, clinic, "short", "555-0143", name="Cher")
    for _ in range(2):
        make_settled_call(db, clinic, TWO, kind="none")
    make_settled_text(db, clinic, TWO, kind="none")
    store(db, clinic, "unused", "555-0177", name="Bono")

    told = [(each.client, each.kind, each.waited, each.calls) for each in found(db, clinic)]

    assert told == [
        ("short", "short", 3, 3),
        ("", "shared", 1, 2),
        ("unused", "short", 0, 0),
    ]


def test_a_client_without_a_number_costs_the_calls_that_bear_its_name(
    db: Database, clinic: Clinic
) -> None:
    store(db, clinic, "a", name="Jane Doe")
    make_settled_call(db, clinic, ONE, kind="none")

    (finding,) = found(db, clinic)

    assert (finding.kind, finding.waited) == ("without_number", 1)


def test_a_flaw_that_was_mended_is_off_the_list(db: Database, clinic: Clinic) -> None:
    store(db, clinic, "a", "555-0142")

    store(db, clinic, "a", "212 555 0142")

    assert found(db, clinic) == []


def test_another_clinics_traffic_and_clients_count_for_nothing(
    db: Database, clinic: Clinic
) -> None:
    other = make_clinic(db)
    make_settled_call(db, other, ONE, kind="none")
    store(db, other, "theirs", "555-0177")
    store(db, clinic, "a", "555-0142", "2125550144")

    (finding,) = found(db, clinic)

    assert (finding.client, finding.waited) == ("a", 0)
