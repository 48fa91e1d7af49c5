"""The worker as a whole: real processes, a real PMS on a real socket, killed in mid-work."""

import threading
from contextlib import ExitStack
from datetime import timedelta

import pytest
import sqlalchemy as sa
from databases import take_one

from factories import make_client, make_clinic
from ringnote.clock import utc_now
from ringnote.delivery.connections import open_connection
from ringnote.ledger.corrections import correct_call
from ringnote.models import CallbackState, Client, Entry, EntryState, OutboxRow, SyncState
from ringnote.sandbox.faults import Fault, FaultKind, Faults
from ringnote.sandbox.people import invent_clients
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store
from ringnote.worker import Worker
from running import environment, run, running, wait_for
from stories import CALLER, Phone, callbacks, entries

TOKEN = "a-token-of-the-pretend-pms"


@pytest.fixture
def faults():
    return Faults()


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "pms.sqlite3")
    yield store
    store.close()


@pytest.fixture
def pms(store, faults):
    server = Server(create_pms(":memory:", TOKEN, store=store, faults=faults)).start()
    yield server
    server.stop()


@pytest.fixture
def clinic(db):
    return make_clinic(db)


@pytest.fixture
def phone(runtime, clinic, pms, store):
    connect(runtime, clinic, pms)
    jane = {"name": "Jane Doe", "phones": [{"number": CALLER, "label": ""}], "patients": []}
    [client_id] = store.clients.add([jane])
    make_client(runtime.db, clinic, client_id, "Jane Doe", numbers=[CALLER])
    return Phone(runtime, clinic)


def connect(runtime, clinic, pms):
    with runtime.db.transaction() as session:
        open_connection(
            session,
            runtime,
            clinic.id,
            "sandbox",
            {"base_url": pms.url},
            {"token": TOKEN},
            now=utc_now(),
        )


def notes(store):
    return [each for each in store.records.newest(100) if each["kind"] == "note"]


def tasks(store):
    return [each for each in store.records.newest(100) if each["kind"] == "task"]


def states(runtime):
    return [each.state for each in entries(runtime)]


def test_all_that_is_due_is_settled_and_written(runtime, phone, store):
    phone.missed("u-1")
    phone.answered("u-2")

    Worker(runtime).run_until_idle()

    assert states(runtime) == [EntryState.SYNCED] * 3
    assert (len(notes(store)), len(tasks(store))) == (2, 1)


def test_a_note_stands_in_the_pms_moments_after_its_hangup(runtime, phone, store):
    stop = threading.Event()
    worker = Worker(runtime)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        phone.at = utc_now() - timedelta(seconds=12)
        phone.answered("u-1")

        wait_for(lambda: len(notes(store)) == 1)
    finally:
        stop.set()
        worker.wake()
        thread.join()


def test_a_worker_goes_on_that_found_no_connection_free_for_long(
    runtime, phone, store, monkeypatch, caplog
):
    monkeypatch.setattr(runtime.db.engine.pool, "_timeout", 0.05)
    stop = threading.Event()
    worker = Worker(runtime)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        with ExitStack() as taken:
            wait_for(lambda: take_one(runtime.db, taken) or "worker.database" in caplog.text)
        phone.answered("u-1")

        wait_for(lambda: len(notes(store)) == 1)
    finally:
        stop.set()
        worker.wake()
        thread.join()


def test_what_is_due_later_is_not_waited_for(runtime, phone, store, faults):
    faults.switch_on(Fault(FaultKind.SERVER_ERROR))
    phone.answered("u-1")

    Worker(runtime).run_until_idle()

    assert states(runtime) == [EntryState.RETRYING]


def test_an_answer_dropped_after_the_note_was_written_leaves_one_note(
    runtime, phone, store, faults
):
    faults.switch_on(Fault(FaultKind.DROP_AFTER, left=1, only_writes=True))
    phone.answered("u-1")

    Worker(runtime).run_until_idle()
    have_all_due(runtime)
    Worker(runtime).run_until_idle()

    assert states(runtime) == [EntryState.SYNCED]
    assert len(notes(store)) == 1


@pytest.mark.parametrize("kills", [2])
def test_a_worker_killed_in_mid_work_loses_nothing_and_writes_nothing_twice(
    runtime, phone, store, faults, kills
):
    for number in range(30):
        phone.answered(f"u-{number}")
    # So slowly that a good many are left by the time of the kill, however late that comes.
    faults.switch_on(Fault(FaultKind.SLOW, seconds=0.25))
    environ = environment(runtime)
    for kill in range(kills):
        with running(environ, "worker", "--threads", "4") as worker:
            wait_for(lambda so_far=kill: len(notes(store)) > so_far * 4 and leased(runtime))
            worker.kill()
        assert leased(runtime) > 0
        # As if the leases of the one that was killed had run out.
        have_all_due(runtime)
    faults.switch_off()

    last = run(environ, "worker", "--until-idle")

    assert last.returncode == 0, last.stderr
    assert states(runtime) == [EntryState.SYNCED] * 30
    assert len(notes(store)) == 30
    assert len({note["reference"] for note in notes(store)}) == 30


def leased(runtime):
    with runtime.db.reading() as session:
        query = sa.select(sa.func.count()).where(OutboxRow.lease_token.is_not(None))
        return session.scalars(query).one()


def have_all_due(runtime):
    with runtime.db.transaction() as session:
        session.execute(sa.update(OutboxRow).values(due_at=utc_now() - timedelta(seconds=1)))
        assert session.scalars(sa.select(Entry)).all()


def test_clients_are_followed_by_the_worker_alone(runtime, phone, store):
    store.clients.add(invent_clients(250))

    Worker(runtime).run_until_idle()

    with runtime.db.reading() as session:
        assert session.scalars(sa.select(sa.func.count()).select_from(Client)).one() == 251
        state = session.scalars(sa.select(SyncState)).one()
    assert (state.clients_total, state.reason, state.lease_token) == (251, None, None)


def test_a_merge_in_the_pms_has_later_changes_amend_what_was_written(runtime, phone, store):
    [survivor] = store.clients.add([{"name": "Jane Roe", "phones": [], "patients": []}])
    phone.missed("u-1")
    Worker(runtime).run_until_idle()
    [note] = notes(store)
    store.clients.merge(note["client_id"], survivor)
    have_sync_due(runtime)
    Worker(runtime).run_until_idle()

    with runtime.db.transaction() as session:
        now = utc_now()
        clinic_id = phone.clinic.id
        correct_call(session, runtime.db, clinic_id, "u-1", "answered", "me", "", now)
    Worker(runtime).run_until_idle()

    [amended] = notes(store)
    assert (amended["id"], amended["client_id"]) == (note["id"], survivor)
    assert amended["title"] != note["title"]
    assert {each.client for each in entries(runtime)} == {survivor}


def have_sync_due(runtime):
    with runtime.db.transaction() as session:
        session.execute(sa.update(SyncState).values(due_at=utc_now() - timedelta(seconds=1)))


@pytest.mark.parametrize("how", ["done", "deleted"])
def test_a_task_done_or_deleted_in_the_pms_closes_its_callback_though_nothing_else_happens(
    runtime, phone, store, how
):
    phone.missed("u-1")
    Worker(runtime).run_until_idle()
    [task] = tasks(store)
    if how == "done":
        store.records.change("task", task["id"], {"status": "done"})
    else:
        store.records.remove("task", task["id"])
    with runtime.db.transaction() as session:
        session.execute(sa.update(Entry).values(read_back_at=utc_now() - timedelta(seconds=1)))

    Worker(runtime).run_until_idle()

    [callback] = callbacks(runtime)
    assert (callback.state, "in the PMS" in callback.closed_by) == (CallbackState.DONE, True)
