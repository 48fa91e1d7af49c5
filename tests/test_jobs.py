"""What a worker does besides settling and delivering, where it cannot be done."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_clinic, make_connection, make_entry
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.connectors.base import CheckResult
from ringnote.delivery.accounts import Accounts
from ringnote.delivery.connections import resume_if_refused
from ringnote.directory.lookup import claim_lookup, queue_lookup
from ringnote.directory.sync_state import claim_due, tell_sync
from ringnote.errors import CredentialsRejected, Temporary
from ringnote.jobs import Workplace, take_lookup, take_read_back, take_sync
from ringnote.models import Connection, ConnectionState, Entry, EntryKind, EntryState, Lookup, Pace


class Refusing(MemoryConnector):
    """A PMS that refuses to be read; `sign_in` is what becomes of signing in."""

    def __init__(self, sign_in: Exception | None = None) -> None:
        super().__init__()
        self.sign_in = sign_in

    def iter_clients(self, cursor):
        raise CredentialsRejected("the PMS answered 401", status=401)

    def find_clients(self, number):
        raise CredentialsRejected("the PMS answered 401", status=401)

    def check(self) -> CheckResult:
        if self.sign_in:
            raise self.sign_in
        return super().check()


def test_where_the_plugin_is_gone_nothing_is_held_as_under_way_and_the_sync_says_why(db, runtime):
    clinic = make_clinic(db)
    connection = make_connection(db, clinic, connector="gone")
    with db.transaction() as session:
        queue_lookup(session, db, clinic.id, "+12125550142")
    place = Workplace(runtime, Accounts(runtime), lambda: False)

    for job in (take_sync(place, ()), take_lookup(place, ())):
        job.act()

    with db.reading() as session:
        told = tell_sync(session, db, connection.id)
        lookup = session.scalars(sa.select(Lookup)).one()
    assert told["state"] == "stopped"
    assert told["reason"].startswith("no connector is called gone")
    assert lookup.failures == 1
    assert (claim_due(db), claim_lookup(db)) == (None, None)


def test_tasks_whose_secret_opens_no_more_are_left_unread_and_keep_no_others_waiting(db, runtime):
    connections = [make_connection(db, make_clinic(db)) for _ in range(2)]
    standing = {"state": EntryState.SYNCED, "pms_id": "T1"}
    standing["written_at"] = utc_now() - timedelta(days=1)
    for each in connections:
        entry_id = make_entry(db, each.clinic_id, each, EntryKind.TASK)
        with db.transaction() as session:
            at = sa.update(Entry).where(Entry.id == entry_id)
            session.execute(at.values(standing | {"connection_id": each.id}))
    place = Workplace(runtime, Accounts(runtime), lambda: False)

    for _ in connections:
        take_read_back(place, ()).act()

    assert take_read_back(place, ()) is None
    with db.reading() as session:
        failures = {each.connection_id: each.failures for each in session.scalars(sa.select(Pace))}
    assert failures == {each.id: 1 for each in connections}


REFUSED = CredentialsRejected("the token was refused", status=401)


@pytest.mark.parametrize("take", [take_sync, take_lookup])
@pytest.mark.parametrize(
    ("sign_in", "state"),
    [
        (REFUSED, ConnectionState.PAUSED),
        (None, ConnectionState.ACTIVE),
        (Temporary("busy", status=503), ConnectionState.ACTIVE),
    ],
)
def test_who_is_refused_when_reading_is_paused_where_signing_in_is_refused_too(
    db, runtime, monkeypatch, take, sign_in, state
):
    clinic = make_clinic(db)
    connection = make_connection(db, clinic)
    with db.transaction() as session:
        queue_lookup(session, db, clinic.id, "+12125550142")
    accounts = Accounts(runtime)
    monkeypatch.setattr(accounts, "connector", lambda connection_id: Refusing(sign_in))

    take(Workplace(runtime, accounts, lambda: False), ()).act()

    with db.reading() as session:
        found = session.get_one(Connection, connection.id)
    assert found.state is state
    if state is ConnectionState.PAUSED:
        assert (found.paused_reason, found.paused_by) == ("the token was refused", "refused")


def test_once_the_account_is_let_in_again_its_clients_are_read_at_once(db, runtime, monkeypatch):
    connection = make_connection(db, make_clinic(db))
    accounts = Accounts(runtime)
    monkeypatch.setattr(accounts, "connector", lambda connection_id: Refusing(REFUSED))
    place = Workplace(runtime, accounts, lambda: False)
    take_sync(place, ()).act()
    is_resting = take_sync(place, ()) is None

    with db.transaction() as session:
        resume_if_refused(session, db, connection.id)

    assert is_resting
    assert take_sync(place, ()) is not None
