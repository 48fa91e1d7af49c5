"""What people say a number is."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_settled_call
from ringnote.connectors.base import PmsClient
from ringnote.db import Database
from ringnote.directory.choices import Chosen, ignore_number, map_number
from ringnote.directory.clients import store_clients
from ringnote.directory.match import match_number
from ringnote.directory.ownership import Decided
from ringnote.errors import InputError
from ringnote.models import Clinic, Decision, DueMark, NumberRule

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ONE = "+12125550142"


@pytest.fixture
def clinic(db: Database) -> Clinic:
    clinic = make_clinic(db)
    make_client(db, clinic, "a", "Jane Doe")
    make_client(db, clinic, "b", "John Roe")
    return clinic


def map_to(db: Database, clinic: Clinic, number: str, client: str, **more: bool) -> Chosen:
    with db.transaction() as session:
        return map_number(session, db, clinic.id, number, client, "anna", "her sister", NOW, **more)


def ignore(db: Database, clinic: Clinic, number: str) -> Chosen:
    with db.transaction() as session:
        return ignore_number(session, db, clinic.id, number, "ben", "spam", NOW)


def matched(db: Database, clinic: Clinic) -> Decided:
    with db.reading() as session:
        return match_number(session, clinic.id, ONE, "2125550142", NOW)


def test_a_mapped_number_is_the_clients_and_what_waited_is_due(
    db: Database, clinic: Clinic
) -> None:
    call = make_settled_call(db, clinic, ONE)

    chosen = map_to(db, clinic, "(212) 555-0142", "a")

    assert chosen == Chosen(ONE, "a", 1)
    assert matched(db, clinic) == Decided("client", "a", rule="mapped by anna: her sister")
    with db.reading() as session:
        assert session.scalars(sa.select(DueMark.subject_key)).all() == [call.call_uuid]


def test_a_choice_is_kept_with_who_and_why(db: Database, clinic: Clinic) -> None:
    map_to(db, clinic, ONE, "a")

    with db.reading() as session:
        decision = session.scalars(sa.select(Decision)).one()
    assert (decision.subject_kind, decision.subject_key, decision.kind) == ("number", ONE, "map")
    assert (decision.value, decision.made_by, decision.why) == (
        {"client": "a"},
        "anna",
        "her sister",
    )


def test_a_later_choice_replaces_the_former_and_both_stay_on_record(
    db: Database, clinic: Clinic
) -> None:
    map_to(db, clinic, ONE, "a")
    ignore(db, clinic, ONE)
    map_to(db, clinic, ONE, "b")

    assert matched(db, clinic).client == "b"
    with db.reading() as session:
        revoked = session.scalars(sa.select(NumberRule.revoked_at).order_by(NumberRule.id)).all()
        assert len(session.scalars(sa.select(Decision)).all()) == 3
    assert [each is None for each in revoked] == [False, False, True]


def test_mapping_to_a_client_who_was_denied_takes_the_denial_back(
    db: Database, clinic: Clinic
) -> None:
    with db.transaction() as session:
        for client in ("a", "b"):
            session.add(
                NumberRule(
                    clinic_id=clinic.id,
                    number=ONE,
                    kind="not",
                    client=client,
                    made_by="x",
                    made_at=NOW,
                )
            )

    map_to(db, clinic, ONE, "a")

    with db.reading() as session:
        denied = session.scalars(
            sa.select(NumberRule.client).where(
                NumberRule.kind == "not", NumberRule.revoked_at.is_(None)
            )
        ).all()
    assert denied == ["b"]
    assert matched(db, clinic).client == "a"


def test_an_ignored_number_is_ignored_and_what_waited_is_due(db: Database, clinic: Clinic) -> None:
    make_settled_call(db, clinic, ONE)

    chosen = ignore(db, clinic, "212.555.0142")

    assert chosen == Chosen(ONE, "", 1)
    assert matched(db, clinic) == Decided("ignored", rule="ignored by ben: spam")


def test_a_client_that_the_directory_does_not_know_is_refused_unless_allowed(
    db: Database, clinic: Clinic
) -> None:
    with pytest.raises(InputError, match="knows no client 'zz'"):
        map_to(db, clinic, ONE, "zz")
    assert matched(db, clinic).kind == "none"

    map_to(db, clinic, ONE, "zz", must_exist=False)

    assert matched(db, clinic).client == "zz"


def test_a_deleted_client_is_refused(db: Database, clinic: Clinic) -> None:
    with db.transaction() as session:
        gone = PmsClient("a", "", is_deleted=True)
        store_clients(session, db, clinic.id, [gone], "sync", NOW, clinic.region)

    with pytest.raises(InputError, match="was deleted"):
        map_to(db, clinic, ONE, "a")


@pytest.mark.parametrize(
    ("number", "said"), [("anonymous", "withheld"), ("my neighbour", "no phone number")]
)
def test_what_is_no_number_cannot_be_mapped(
    db: Database, clinic: Clinic, number: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        map_to(db, clinic, number, "a")


def test_an_unreadable_number_on_which_something_waits_can_be_mapped(
    db: Database, clinic: Clinic
) -> None:
    odd = "999999999999999999"
    make_settled_call(db, clinic, odd)

    assert map_to(db, clinic, f" {odd} ", "a") == Chosen(odd, "a", 1)
