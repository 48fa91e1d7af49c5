"""Callers whom nobody knows: waited for, made clients in the PMS, or ignored."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.delivery.connections import open_connection
from ringnote.directory.creation import name_client
from ringnote.directory.lookup import answer_lookup, claim_lookup
from ringnote.directory.waiting import mark_waiting
from ringnote.errors import ConnectorError, OutcomeUnknown, RecordRejected, Temporary
from ringnote.ledger.rules import DEFAULT_RULES
from ringnote.models import Client, Clinic, Lookup, Match, Policy
from ringnote.runtime import Runtime
from stories import Phone, calls, entries, settle

STRANGER = "+12125550177"


@pytest.fixture
def clinic(db: Database) -> Clinic:
    clinic = make_clinic(db)
    make_connection(db, clinic)
    return clinic


@pytest.fixture
def phone(runtime: Runtime, clinic: Clinic) -> Phone:
    return Phone(runtime, clinic)


@pytest.fixture
def pms() -> MemoryConnector:
    return MemoryConnector()


def have(runtime: Runtime, clinic: Clinic, **matching: object) -> None:
    with runtime.db.transaction() as session:
        rules = DEFAULT_RULES | {"matching": matching}
        session.add(
            Policy(
                clinic_id=clinic.id, version=2, rules=rules, created_at=utc_now(), created_by="kim"
            )
        )


def work_off(runtime: Runtime, pms: MemoryConnector, times: int = 6) -> None:
    """Settle, answer look-ups and settle again until nothing is due."""
    for _ in range(times):
        settle(runtime)
        if lookup := claim_lookup(runtime.db):
            answer_lookup(runtime.db, lookup, pms, utc_now)


def hurry(runtime: Runtime) -> None:
    """Have every look-up due now that is to be tried again."""
    with runtime.db.transaction() as session:
        due = Lookup.due_at.is_not(None)
        session.execute(sa.update(Lookup).where(due).values(due_at=utc_now()))


def matches(runtime: Runtime) -> list[tuple[str, str]]:
    with runtime.db.reading() as session:
        query = sa.select(Match.kind, Match.client).order_by(Match.id)
        return [(row.kind, row.client) for row in session.execute(query)]


def creations(pms: MemoryConnector) -> int:
    return pms.calls.count("create_client")


def test_by_default_they_are_waited_for(runtime, phone, pms):
    phone.answered("u-1", STRANGER)

    work_off(runtime, pms)

    assert (matches(runtime), creations(pms)) == ([("none", "")], 0)


def test_a_clinic_may_ignore_them_once_the_pms_was_asked(runtime, phone, clinic, pms):
    have(runtime, clinic, unknown="ignore")
    phone.answered("u-1", STRANGER)
    settle(runtime)
    assert matches(runtime) == [("none", "")]

    work_off(runtime, pms)

    assert matches(runtime) == [("ignored", "")]
    [call] = calls(runtime)
    assert "the clinic ignores unknown callers" in (call.filtered_by or "")
    assert [each.state.value for each in entries(runtime)] == ["withdrawn"]


def test_a_caller_whom_the_pms_knows_is_not_a_stranger(runtime, phone, clinic, pms):
    have(runtime, clinic, unknown="create")
    pms.create_client("Jane Doe", STRANGER, "")
    pms.calls.clear()
    phone.answered("u-1", STRANGER)

    work_off(runtime, pms)

    assert (matches(runtime), creations(pms)) == ([("client", "new-1")], 0)


def test_a_client_is_made_of_a_caller_under_the_name_that_was_shown(runtime, phone, clinic, pms):
    have(runtime, clinic, unknown="create")
    phone.answered("u-1", STRANGER)

    work_off(runtime, pms)

    assert [(each.name, each.phones[0].number) for each in pms.clients] == [("Doe Jane", STRANGER)]
    assert matches(runtime) == [("client", "new-1")]
    assert [each.client for each in entries(runtime)] == ["new-1"]
    with runtime.db.reading() as session:
        assert session.scalars(sa.select(Client.source)).all() == ["created"]


def test_one_client_is_made_of_a_number_however_often_it_calls(runtime, phone, clinic, pms):
    have(runtime, clinic, unknown="create")
    for number in range(3):
        phone.missed(f"u-{number}", STRANGER)
    work_off(runtime, pms)
    phone.answered("u-9", STRANGER)

    work_off(runtime, pms)

    assert (creations(pms), len(pms.clients)) == (1, 1)
    assert set(matches(runtime)) == {("client", "new-1")}


@pytest.mark.parametrize("was_carried_out", [True, False])
def test_an_answer_that_was_lost_makes_no_second_client(
    runtime, phone, clinic, pms, was_carried_out
):
    have(runtime, clinic, unknown="create")
    lost: ConnectorError = OutcomeUnknown("no answer") if was_carried_out else Temporary("busy")
    pms.failures = [(lost, True) if was_carried_out else lost]
    phone.answered("u-1", STRANGER)
    work_off(runtime, pms)

    hurry(runtime)
    work_off(runtime, pms)

    assert len(pms.clients) == 1
    assert matches(runtime) == [("client", "new-1")]


def test_a_worker_that_died_after_the_create_leaves_no_second_client(runtime, phone, clinic, pms):
    have(runtime, clinic, unknown="create")
    phone.answered("u-1", STRANGER)
    settle(runtime)
    answer_lookup(runtime.db, claim_lookup(runtime.db), pms, utc_now)
    settle(runtime)
    dead = claim_lookup(runtime.db)
    pms.create_client(dead.creates_as, STRANGER, dead.create_key)

    hurry(runtime)
    work_off(runtime, pms)

    assert len(pms.clients) == 1
    assert matches(runtime) == [("client", "new-1")]


def test_a_worker_that_was_overtaken_makes_no_client(runtime, phone, clinic, pms):
    have(runtime, clinic, unknown="create")
    phone.answered("u-1", STRANGER)
    settle(runtime)
    answer_lookup(runtime.db, claim_lookup(runtime.db), pms, utc_now)
    settle(runtime)
    slow = claim_lookup(runtime.db)
    hurry(runtime)
    claim_lookup(runtime.db)

    answer_lookup(runtime.db, slow, pms, utc_now)

    assert creations(pms) == 0


def test_a_pms_that_refuses_such_a_client_is_not_asked_again_and_the_number_waits(
    runtime, phone, clinic, pms
):
    have(runtime, clinic, unknown="create")
    pms.failures = [RecordRejected("a client needs an address")]
    phone.answered("u-1", STRANGER)

    work_off(runtime, pms)
    phone.answered("u-2", STRANGER)
    work_off(runtime, pms)

    assert creations(pms) == 1
    assert matches(runtime) == [("none", "")] * 2
    with runtime.db.reading() as session:
        rules = set(session.scalars(sa.select(Match.rule)))
    assert rules == {"no client has this number, and none was created: a client needs an address"}


@pytest.mark.parametrize("number", ["anonymous", "12345"])
def test_nobody_is_made_of_a_number_that_is_withheld_or_none(runtime, phone, clinic, pms, number):
    have(runtime, clinic, unknown="create")
    phone.answered("u-1", number)

    work_off(runtime, pms)

    assert creations(pms) == 0


def test_nobody_is_made_of_a_number_that_the_clinic_called(runtime, phone, clinic, pms):
    have(runtime, clinic, unknown="create")
    phone.dials("u-1", STRANGER)

    work_off(runtime, pms)

    assert creations(pms) == 0


def test_what_waited_too_long_is_left_alone_when_a_client_appears(runtime, phone, clinic, pms):
    have(runtime, clinic, backlog_days=2)
    phone.at = utc_now() - timedelta(days=3)
    phone.missed("u-1", STRANGER)
    phone.at = utc_now() - timedelta(hours=1)
    phone.answered("u-2", STRANGER)
    work_off(runtime, pms)

    make_client(runtime.db, clinic, "C1", "Jane Doe", [STRANGER])
    with runtime.db.transaction() as session:
        mark_waiting(session, runtime.db, clinic.id, [STRANGER])
    settle(runtime)

    assert sorted(matches(runtime)) == [("client", "C1"), ("ignored", "")]
    assert sorted((each.kind.value, each.state.value) for each in entries(runtime)) == [
        ("note", "due"),
        ("note", "withdrawn"),
        ("task", "withdrawn"),
    ]
    [old] = [each for each in calls(runtime) if each.call_uuid == "u-1"]
    assert "waited for its client for more than 2 days" in (old.filtered_by or "")


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("DOE JANE", "Doe Jane"),
        ("WIRELESS CALLER", "Unknown caller (212) 555-0177"),
        ("", "Unknown caller (212) 555-0177"),
    ],
)
def test_what_a_new_client_is_called(shown: str, name: str) -> None:
    assert name_client(shown, STRANGER, "US") == name
    assert name_client("", STRANGER, "GB") == "Unknown caller +1 212-555-0177"


def test_what_one_account_refused_is_asked_of_another_and_of_it_alone(runtime, phone, clinic, pms):
    have(runtime, clinic, unknown="create")
    pms.failures = [RecordRejected("a client needs an address")]
    phone.answered("u-1", STRANGER)
    work_off(runtime, pms)
    assert (matches(runtime), creations(pms)) == ([("none", "")], 1)

    new = MemoryConnector()
    for _ in range(2):
        with runtime.db.transaction() as session:
            account = ("sandbox", {"base_url": "http://127.0.0.1:10"}, {"token": "t"})
            open_connection(session, runtime, clinic.id, *account, now=utc_now())
        work_off(runtime, new)

    assert (matches(runtime), creations(new)) == ([("client", "new-1")], 1)
