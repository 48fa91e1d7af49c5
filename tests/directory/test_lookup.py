"""Asking the PMS for numbers that the tables do not know."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection, make_settled_call
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.connectors.base import Connector, Phone, PmsClient
from ringnote.db import Database
from ringnote.directory.lookup import answer_lookup, claim_lookup, queue_lookup
from ringnote.errors import (
    ConnectorError,
    CredentialsRejected,
    RateLimited,
    RecordRejected,
    Temporary,
)
from ringnote.models import Client, Clinic, Connection, ConnectionState, DueMark, Lookup

ONE = "+12125550142"


class Asked(MemoryConnector):
    """Remembers the numbers it was asked for, and whether a transaction was open then."""

    def __init__(self, db: Database, *clients: PmsClient, fails: Exception | None = None) -> None:
        super().__init__()
        self.clients = list(clients)
        self.numbers: list[str] = []
        self.open: list[int] = []
        self._db, self._fails = db, fails

    def find_clients(self, number: str) -> list[PmsClient]:
        self.numbers.append(number)
        self.open.append(self._db.engine.pool.checkedout())  # type: ignore[attr-defined]
        if self._fails:
            raise self._fails
        return super().find_clients(number)


@pytest.fixture
def clinic(db: Database) -> Clinic:
    return make_clinic(db)


def queue(db: Database, clinic: Clinic, number: str = ONE) -> None:
    with db.transaction() as session:
        queue_lookup(session, db, clinic.id, number)


def answer(db: Database, connector: Connector | None, limit: int = 10) -> int:
    """Answer what is due; how many there were."""
    for count in range(limit):
        lookup = claim_lookup(db)
        if lookup is None:
            return count
        answer_lookup(db, lookup, connector, utc_now)
    return limit


def lookup(db: Database) -> Lookup:
    with db.reading() as session:
        return session.scalars(sa.select(Lookup)).one()


def due(db: Database) -> list[str]:
    with db.reading() as session:
        return list(session.scalars(sa.select(DueMark.subject_key)))


def test_a_client_found_at_the_pms_is_stored_and_what_waited_is_due(
    db: Database, clinic: Clinic
) -> None:
    call = make_settled_call(db, clinic, ONE)
    pms = Asked(db, PmsClient("a", "Jane Doe", (Phone(ONE),)))
    queue(db, clinic)

    taken = answer(db, pms)

    assert (taken, pms.numbers, pms.open) == (1, [ONE], [0])
    assert due(db) == [call.call_uuid]
    with db.reading() as session:
        client = session.scalars(sa.select(Client)).one()
    assert (client.external_id, client.source) == ("a", "lookup")
    assert (lookup(db).found, lookup(db).due_at) == (1, None)


def test_a_negative_answer_is_remembered_for_ten_minutes(db: Database, clinic: Clinic) -> None:
    pms = Asked(db)
    for _ in range(3):
        queue(db, clinic)
        answer(db, pms)
    assert pms.numbers == [ONE]

    with db.transaction() as session:
        earlier = utc_now() - timedelta(minutes=11)
        session.execute(sa.update(Lookup).values(answered_at=earlier))
    queue(db, clinic)
    answer(db, pms)

    assert pms.numbers == [ONE, ONE]
    assert due(db) == []


def test_only_a_readable_number_is_asked_for(db: Database, clinic: Clinic) -> None:
    queue(db, clinic, "101")
    queue(db, clinic, "")

    assert answer(db, Asked(db)) == 0


def test_a_client_stored_while_its_call_was_settled_is_not_overlooked(
    db: Database, clinic: Clinic
) -> None:
    call = make_settled_call(db, clinic, ONE)
    make_client(db, clinic, "a", "Jane Doe", [ONE])
    queue(db, clinic)

    answer(db, None)

    assert due(db) == [call.call_uuid]


def test_a_pms_that_cannot_search_is_not_asked(db: Database, clinic: Clinic) -> None:
    pms = Asked(db)
    pms.capabilities = replace(pms.capabilities, search_by_phone=False)  # type: ignore[misc]
    queue(db, clinic)

    assert answer(db, pms) == 1
    assert pms.numbers == []


@pytest.mark.parametrize(
    ("error", "seconds", "failures"),
    [
        (Temporary("later"), 10, 1),
        (Temporary("later", retry_after=77), 77, 1),
        (RateLimited("slower", retry_after=42), 42, 0),
        (RateLimited("slower"), 10, 0),
        (CredentialsRejected("no"), 300, 0),
        (RecordRejected("odd"), 10, 1),
    ],
)
def test_a_failure_is_tried_again_later(
    db: Database, clinic: Clinic, error: ConnectorError, seconds: float, failures: int
) -> None:
    queue(db, clinic)

    answer(db, Asked(db, fails=error))

    after = lookup(db)
    assert after.due_at is not None
    assert after.failures == failures
    wait = (after.due_at - utc_now()).total_seconds()
    assert seconds - 5 < wait <= seconds


def test_repeated_failures_are_spaced_ever_wider_up_to_an_hour(
    db: Database, clinic: Clinic
) -> None:
    queue(db, clinic)
    waits = []
    for _ in range(8):
        answer(db, Asked(db, fails=Temporary("later")))
        due_at = lookup(db).due_at
        assert due_at is not None
        waits.append(round((due_at - utc_now()).total_seconds(), -1))
        with db.transaction() as session:
            session.execute(sa.update(Lookup).values(due_at=utc_now()))

    assert waits == sorted(waits)
    assert waits[0] == 10
    assert waits[-1] == 3600


def test_a_lookup_under_way_is_not_taken_twice_and_a_late_answer_changes_nothing(
    db: Database, clinic: Clinic
) -> None:
    queue(db, clinic)
    taken_meanwhile: list[int] = []

    class Slow(Asked):
        def find_clients(self, number: str) -> list[PmsClient]:
            taken_meanwhile.append(answer(db, Asked(db)))
            with db.transaction() as session:
                session.execute(sa.update(Lookup).values(due_at=db.later(-1)))
            answer(db, Asked(db))
            return [PmsClient("late", "Late", (Phone(ONE),))]

    answer(db, Slow(db), limit=1)

    assert taken_meanwhile == [0]
    assert lookup(db).found == 0
    with db.reading() as session:
        assert session.scalars(sa.select(Client)).first() is None


def test_no_more_than_the_limit_are_taken(db: Database, clinic: Clinic) -> None:
    for number in range(5):
        queue(db, clinic, f"+1212555014{number}")

    assert answer(db, Asked(db), limit=3) == 3
    assert answer(db, Asked(db), limit=3) == 2


def test_nothing_is_asked_through_a_connection_that_is_paused(db: Database, clinic: Clinic) -> None:
    connection, pms = make_connection(db, clinic), Asked(db)
    queue(db, clinic)
    pause(db, connection.id, ConnectionState.PAUSED)
    while_paused = answer(db, pms)
    pause(db, connection.id, ConnectionState.ACTIVE)

    assert (while_paused, answer(db, pms), pms.numbers) == (0, 1, [ONE])


def pause(db: Database, connection_id: int, state: ConnectionState) -> None:
    with db.transaction() as session:
        session.get_one(Connection, connection_id).state = state
