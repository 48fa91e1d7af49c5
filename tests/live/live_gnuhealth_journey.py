"""From webhooks to a real GNU Health server: matched, written, amended, completed, synced."""

import pytest
import sqlalchemy as sa

from factories import make_clinic
from live.gnuhealth_server import SECRET, GnuHealth, LiveGnuHealth
from ringnote.clock import utc_now
from ringnote.connectors.base import Kind
from ringnote.delivery.account_settings import connector_for
from ringnote.delivery.connections import open_connection
from ringnote.directory.sync import sync_clients
from ringnote.models import (
    Call,
    Callback,
    CallbackState,
    Client,
    Connection,
    Entry,
    EntryState,
    OutboxRow,
    Pace,
)
from ringnote.worker import Worker
from stories import CALLER, Phone, entries

OTHER = "+12125550143"


class Clinic:
    """A clinic that is connected to a database of its own."""

    def __init__(self, runtime, pms: LiveGnuHealth) -> None:
        self.runtime, self.pms = runtime, pms
        self.row = make_clinic(runtime.db)
        self.phone = Phone(runtime, self.row)
        settings = {"base_url": pms.server.url, "database": "clinic", "user": "admin"}
        with runtime.db.transaction() as session:
            self.connection = open_connection(
                session,
                runtime,
                self.row.id,
                "gnuhealth",
                settings,
                {"password": SECRET},
                now=utc_now(),
            )

    def work(self) -> None:
        Worker(self.runtime).run_until_idle()

    def sync(self):
        connector = connector_for(self.connection, self.runtime)
        clock = self.runtime.clock
        return sync_clients(self.runtime.db, self.row, self.connection.id, connector, clock)

    def states(self) -> set[EntryState]:
        return {each.state for each in entries(self.runtime)}


@pytest.fixture
def clinic(runtime, pms) -> Clinic:
    return Clinic(runtime, pms)


def test_a_caller_is_found_by_phone_and_gets_a_note_and_a_task(clinic) -> None:
    [client_id] = clinic.pms.add_clients([("Jane Doe", (CALLER,))])
    clinic.phone.missed("u-1")

    clinic.work()

    [note] = clinic.pms.kept(Kind.NOTE, client_id)
    [task] = clinic.pms.kept(Kind.TASK, client_id)
    assert note.title == "Missed call"
    assert not task.is_done
    assert clinic.states() == {EntryState.SYNCED}


def test_what_turns_out_otherwise_is_amended_in_place(clinic) -> None:
    [client_id] = clinic.pms.add_clients([("Jane Doe", (CALLER,))])
    clinic.phone.missed("u-1")
    clinic.work()
    [before] = clinic.pms.kept(Kind.NOTE, client_id)
    clinic.phone.event("ExtensionAnswered", "u-1", extensionNumber="101", extensionName="Amy")

    clinic.work()

    [after] = clinic.pms.kept(Kind.NOTE, client_id)
    assert (after.id, after.title) == (before.id, "Incoming call answered by Amy (101)")
    assert clinic.pms.kept(Kind.TASK, client_id) == []


def test_a_task_that_is_done_there_counts_as_called_back(clinic) -> None:
    [client_id] = clinic.pms.add_clients([("Jane Doe", (CALLER,))])
    clinic.phone.missed("u-1")
    clinic.work()
    [task] = clinic.pms.kept(Kind.TASK, client_id)
    clinic.pms.close(task.id)
    clinic.phone.missed("u-2")
    clinic.work()

    clinic.phone.missed("u-3")
    clinic.work()

    done = [each.is_done for each in clinic.pms.kept(Kind.TASK, client_id)]
    assert sorted(done) == [False, True]
    with clinic.runtime.db.reading() as session:
        states = set(session.scalars(sa.select(Callback.state)))
    assert states == {CallbackState.DONE, CallbackState.OPEN}


def test_the_directory_follows_what_is_changed_there(clinic) -> None:
    jane, ben = clinic.pms.add_clients([("Jane Doe", (CALLER,)), ("Ben Ito", (OTHER,))])
    clinic.sync()
    clinic.pms.rename_client(jane, "Jane Roe")
    clinic.pms.remove_client(ben)
    [new] = clinic.pms.add_clients([("Ada Ito", ("+12125550144",))])

    result = clinic.sync()

    assert not result.is_full
    with clinic.runtime.db.reading() as session:
        known = {each.external_id: each for each in session.scalars(sa.select(Client))}
    assert known[jane].name == "Jane Roe"
    assert known[ben].deleted_at is not None
    assert known[new].deleted_at is None


def test_a_server_that_is_killed_and_comes_back_has_each_note_once(
    clinic, server: GnuHealth
) -> None:
    [client_id] = clinic.pms.add_clients([("Jane Doe", (CALLER,))])
    clinic.phone.answered("u-1")
    clinic.work()
    server.kill()
    for number in range(2, 6):
        clinic.phone.answered(f"u-{number}")
    clinic.work()
    assert EntryState.RETRYING in clinic.states()

    server.start()
    make_due(clinic.runtime)
    clinic.work()

    assert clinic.states() == {EntryState.SYNCED}
    assert len(clinic.pms.kept(Kind.NOTE, client_id)) == 5
    with clinic.runtime.db.reading() as session:
        assert session.scalars(sa.select(sa.func.count(Call.id))).one() == 5
        assert session.scalars(sa.select(sa.func.count(Entry.id))).one() == 5
        assert session.get_one(Connection, clinic.connection.id).paused_reason is None


def make_due(runtime) -> None:
    """Have all that waits for its next try, or behind a breaker, tried now."""
    with runtime.db.transaction() as session:
        session.execute(sa.update(OutboxRow).values(due_at=utc_now()))
        session.execute(sa.update(Pace).values(blocked_until=None))
