"""Slow PMSs beside quick ones: real sockets, two of which answer nothing until they are let."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from factories import make_clinic, make_connection, make_entry
from ringnote.models import Entry, EntryState
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store
from ringnote.worker import Worker

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
