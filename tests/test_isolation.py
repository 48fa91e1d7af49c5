"""One clinic's PMS that hangs holds up nobody else's notes."""

import threading
import time

import pytest

from factories import make_client, make_clinic
from ringnote.clock import utc_now
from ringnote.delivery.connections import open_connection
from ringnote.sandbox.faults import Fault, FaultKind, Faults
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store
from ringnote.worker import Worker
from stories import CALLER, Phone

TOKEN = "a-token-of-the-pretend-pms"
HANGS_SECONDS = 18.0
"""Shorter than a connector waits for an answer, else it would be given up meanwhile."""
STRANGER = "+12125550177"


@pytest.fixture
def hanging():
    return Faults()


@pytest.fixture
def phones(runtime, tmp_path, hanging):
    """Two clinics, each with a PMS of its own that knows Jane Doe; the first hangs."""
    made, servers, stores = [], [], []
    for name, faults in (("hangs", hanging), ("works", Faults())):
        store = Store(tmp_path / f"{name}.sqlite3")
        jane = {"name": "Jane Doe", "phones": [{"number": CALLER, "label": ""}], "patients": []}
        [client_id] = store.clients.add([jane])
        server = Server(create_pms(":memory:", TOKEN, store=store, faults=faults)).start()
        clinic = make_clinic(runtime.db, name=f"The clinic whose PMS {name}")
        make_client(runtime.db, clinic, client_id, "Jane Doe", numbers=[CALLER])
        with runtime.db.transaction() as session:
            settings, secret = {"base_url": server.url}, {"token": TOKEN}
            open_connection(session, runtime, clinic.id, "sandbox", settings, secret, now=utc_now())
        made.append(Phone(runtime, clinic))
        servers.append(server)
        stores.append(store)
    hanging.switch_on(Fault(FaultKind.SLOW, seconds=HANGS_SECONDS))
    yield made, stores[1]
    hanging.switch_off()
    for server, store in zip(servers, stores, strict=True):
        server.stop()
        store.close()


@pytest.fixture
def working(runtime, hanging):
    stop, worker = threading.Event(), Worker(runtime)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    yield
    hanging.switch_off()
    stop.set()
    worker.wake()
    thread.join()


def written(store) -> int:
    return len(store.records.newest(100))


def wait_for_note(store, before: int) -> bool:
    # Long before the first of those that hang is answered.
    deadline = time.monotonic() + HANGS_SECONDS * 2 / 3
    while written(store) == before and time.monotonic() < deadline:
        time.sleep(0.02)
    return written(store) > before


def test_notes_of_others_are_written_while_one_pms_hangs_at_every_note(phones, working):
    (stuck, phone), store = phones
    for number in range(30):
        stuck.dials(f"u-{number}")
    time.sleep(1)

    for number in range(3):
        before = written(store)
        phone.dials(f"v-{number}")
        assert wait_for_note(store, before)


def test_notes_of_others_are_written_while_one_pms_hangs_at_every_look_up(phones, working):
    (stuck, phone), store = phones
    for number in range(10):
        stuck.dials(f"u-{number}", f"+1212555{160 + number:04}")
    time.sleep(1)

    before = written(store)
    phone.dials("v-1")
    assert wait_for_note(store, before)
    # A look-up of one who works is answered too.
    before = written(store)
    phone.dials("v-2", STRANGER)
    phone.dials("v-3")
    assert wait_for_note(store, before)
