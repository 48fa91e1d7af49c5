"""Slow PMSs beside quick ones: real sockets, two of which answer nothing until they are let."""

import socket
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from factories import make_clinic, make_connection, make_entry
from ringnote.cli.worker import keep_working
from ringnote.clock import utc_now
from ringnote.connectors.sandbox import SandboxConnector
from ringnote.delivery import accounts, hands
from ringnote.delivery.accounts import Accounts
from ringnote.delivery.claim import claim
from ringnote.models import Attempt, Entry, EntryState, OutboxRow, Pace
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store
from ringnote.worker import Worker
from running import wait_for

TOKEN = "a-token-of-the-pretend-pms"
BY_CONNECTION = 4


@contextmanager
def hanging():
    """The address of a server that takes connections and says nothing until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def working(runtime, threads):
    stop = threading.Event()
    worker = Worker(runtime, threads)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        worker.wake()
        wait_for_end(thread)


def wait_for_end(thread):
    thread.join(60)
    assert not thread.is_alive()


@pytest.fixture
def pms():
    store = Store(":memory:")
    [client] = store.clients.add([{"name": "Jane Doe", "phones": [], "patients": []}])
    with Server(create_pms(":memory:", TOKEN, store=store)) as server:
        yield server.url, client
    store.close()


def connected(runtime, address):
    secrets = runtime.vault.seal({"token": TOKEN})
    clinic = make_clinic(runtime.db)
    return make_connection(runtime.db, clinic, settings={"base_url": address}, secrets=secrets)


def states(runtime, ids):
    with runtime.db.reading() as session:
        return {session.get_one(Entry, each).state for each in ids}


def test_the_others_are_served_while_two_pmss_hang(runtime, pms):
    url, client = pms
    # The servers end before the worker does, and let go of what hangs.
    with working(runtime, threads=4), hanging() as one, hanging() as two:
        stuck = [connected(runtime, address) for address in (one, two)]
        held = [
            make_entry(runtime.db, each.clinic_id, each)
            for each in stuck
            for _ in range(2 * BY_CONNECTION)
        ]
        time.sleep(0.5)
        fine = connected(runtime, url)
        quick = [make_entry(runtime.db, fine.clinic_id, fine, client=client) for _ in range(10)]

        deadline = time.monotonic() + 15
        while states(runtime, quick) != {EntryState.SYNCED} and time.monotonic() < deadline:
            time.sleep(0.05)

        assert states(runtime, quick) == {EntryState.SYNCED}
        # They still hang: none of their tries has ended.
        assert states(runtime, held) == {EntryState.DUE}


def many_connected(runtime, address, count, client="C1"):
    """Clinics that are each connected to the PMS there, and owed a note: its ids."""
    made = [connected(runtime, address) for _ in range(count)]
    with runtime.db.transaction() as session:
        here = Pace.connection_id.in_([each.id for each in made])
        session.execute(sa.update(Pace).where(here).values(host=address.removeprefix("http://")))
    return [make_entry(runtime.db, each.clinic_id, each, client=client) for each in made]


def under_way(runtime, ids):
    with runtime.db.reading() as session:
        leased = sa.select(sa.func.count()).where(
            OutboxRow.entry_id.in_(ids), OutboxRow.lease_token.is_not(None)
        )
        return session.scalars(leased).one()


def test_many_connections_to_one_host_that_hangs_leave_threads_to_the_others(
    runtime, pms, monkeypatch
):
    url, client = pms
    monkeypatch.setattr(hands, "SLOW_SECONDS", 0.05)
    monkeypatch.setattr(hands, "MOST_SLOW", 8)
    monkeypatch.setattr(hands, "MOST_BY_HOST", 6)
    with working(runtime, threads=4), hanging() as address:
        held = many_connected(runtime, address, 24)
        wait_for(lambda: under_way(runtime, held) == 6)
        fine = many_connected(runtime, url, 6, client)
        # Long before the first of those that hang is given up.
        wait_for(lambda: states(runtime, fine) == {EntryState.SYNCED}, seconds=15)
        begun = under_way(runtime, held)

    assert begun == 6


@pytest.mark.parametrize(
    ("connector", "said"),
    [
        ("sandbox", "none of the keys opens a stored secret"),
        ("gone", "no connector is called gone; if a plugin brings it, install that"),
    ],
)
def test_where_no_connector_can_be_made_nothing_is_in_doubt_and_the_entry_says_why(
    db, runtime, connector, said
):
    clinic = make_clinic(db)
    entry_id = make_entry(db, clinic, make_connection(db, clinic, connector))
    with db.transaction() as session:
        row = session.get_one(OutboxRow, entry_id)
        row.queued_at, row.attempts = row.queued_at - timedelta(days=4), 9

    Worker(runtime).run_until_idle()

    with db.reading() as session:
        entry, row = session.get_one(Entry, entry_id), session.get_one(OutboxRow, entry_id)
    assert (entry.state, row.lease_token, row.is_in_doubt) == (EntryState.RETRYING, None, False)
    assert said in entry.reason
    # What fails once a connector can be made again is not given up for the days without one.
    assert row.queued_at > utc_now() - timedelta(hours=1)


def test_where_the_database_fails_before_anything_is_sent_nothing_is_in_doubt(
    db, runtime, monkeypatch
):
    def fail(*_):
        raise OperationalError("SELECT 1", {}, Exception("server closed the connection"))

    monkeypatch.setattr(accounts, "connector_for", fail)
    clinic = make_clinic(db)
    entry_id = make_entry(db, clinic, make_connection(db, clinic))

    Worker(runtime).run_until_idle()

    with db.reading() as session:
        entry, row = session.get_one(Entry, entry_id), session.get_one(OutboxRow, entry_id)
    assert (entry.state, row.lease_token, row.is_in_doubt) == (EntryState.RETRYING, None, False)
    assert entry.reason == hands.UNREAD


def test_a_fault_of_a_connector_is_told_at_the_entry_and_leaves_its_outcome_in_doubt(
    runtime, pms, monkeypatch
):
    def fail(*_):
        raise KeyError("due_at")

    monkeypatch.setattr(SandboxConnector, "create_note", fail)
    url, client = pms
    connection = connected(runtime, url)
    entry_id = make_entry(runtime.db, connection.clinic_id, connection, client=client)

    Worker(runtime).run_until_idle()

    with runtime.db.reading() as session:
        entry, row = session.get_one(Entry, entry_id), session.get_one(OutboxRow, entry_id)
    assert (entry.state, row.lease_token, row.is_in_doubt) == (EntryState.RETRYING, None, True)
    assert entry.reason == "a fault of the connector's or of Ringnote's, see the log: KeyError"


def test_no_more_is_claimed_of_a_host_than_there_is_room_for(runtime):
    held = many_connected(runtime, "http://127.0.0.1:8", 5)
    others = many_connected(runtime, "http://127.0.0.1:9", 2)

    some = claim(runtime.db, 7, rooms={"127.0.0.1:8": 3})
    none = claim(runtime.db, 7, rooms={"127.0.0.1:8": 0})
    rest = claim(runtime.db, 7)

    assert sorted(work.host for work in some) == ["127.0.0.1:8"] * 3 + ["127.0.0.1:9"] * 2
    assert none == []
    assert {work.entry_id for work in [*some, *rest]} == {*held, *others}


def test_the_host_of_a_connection_of_an_earlier_version_is_kept_once_it_is_known(runtime):
    connection = connected(runtime, "http://PMS.example:8/below")

    Accounts(runtime).connector(connection.id)

    with runtime.db.reading() as session:
        assert session.get_one(Pace, connection.id).host == "pms.example:8"


def test_what_no_thread_could_be_begun_for_is_tried_again_and_not_in_doubt(
    runtime, pms, monkeypatch
):
    url, client = pms
    ids = many_connected(runtime, url, 3, client)
    worker, start, refused = Worker(runtime, 4), threading.Thread.start, []

    def refuse(thread):
        if thread.name.startswith("ringnote-deliver") and len(refused) < 2:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    stop = threading.Event()
    loop = threading.Thread(target=keep_working, args=(worker, stop))
    loop.start()
    wait_for(lambda: states(runtime, ids) == {EntryState.SYNCED}, seconds=30)
    stop.set()
    worker.wake()
    wait_for_end(loop)

    assert len(refused) == 2
    with runtime.db.reading() as session:
        tries = session.execute(sa.select(Attempt.action, Attempt.error).order_by(Attempt.id))
        told = tries.all()
    # Nothing was in doubt, so nothing was looked up.
    assert {action for action, _ in told} <= {"none", "create"}
    assert [error for _, error in told if error] == [hands.NO_THREAD] * 2
