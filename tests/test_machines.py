"""Many machines: what is asked of processes that are ended, upgraded, and whose clocks differ."""

import json
import signal
import sys
import time
from contextlib import ExitStack
from datetime import timedelta

import pytest
import requests
import sqlalchemy as sa

from factories import make_client, make_clinic
from ringnote import schema
from ringnote.cli.worker import END_SECONDS
from ringnote.clock import utc_now
from ringnote.delivery.claim_queries import LEASE_SECONDS
from ringnote.delivery.connections import open_connection
from ringnote.models import Call, EntryState
from ringnote.sandbox.faults import Fault, FaultKind, Faults
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store
from running import environment, run, running, url_of, wait_for
from stories import CALLER, Phone, entries

TOKEN = "a-token-of-the-pretend-pms"
SECOND = timedelta(seconds=1)
HANGS_SECONDS = 15.0
GRACE = timedelta(minutes=2)
ON_A_HOST = (sys.executable, "-m", "chaos.launch")
"""A command on a host whose clock a file tells: `chaos/launch.py`."""


@pytest.fixture
def faults():
    return Faults()


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "pms.sqlite3")
    yield store
    store.close()


@pytest.fixture
def phone(runtime, store, faults):
    """Of a clinic that is connected to a PMS on a real socket, which knows the caller."""
    clinic = make_clinic(runtime.db)
    jane = {"name": "Jane Doe", "phones": [{"number": CALLER, "label": ""}], "patients": []}
    [client_id] = store.clients.add([jane])
    make_client(runtime.db, clinic, client_id, "Jane Doe", numbers=[CALLER])
    with Server(create_pms(":memory:", TOKEN, store=store, faults=faults)) as pms:
        settings, secrets = {"base_url": pms.url}, {"token": TOKEN}
        with runtime.db.transaction() as session:
            open_connection(
                session, runtime, clinic.id, "sandbox", settings, secrets, now=utc_now()
            )
        yield Phone(runtime, clinic)


def written(store: Store) -> list[str]:
    return [each["kind"] for each in store.records.newest(100)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_processes_end_within_the_lease_though_the_pms_hangs_and_the_next_goes_on(
    runtime, phone, store, faults
):
    faults.switch_on(Fault(FaultKind.SLOW, left=1, seconds=HANGS_SECONDS, only_writes=True))
    phone.answered("u-1")
    environ = environment(runtime)
    with running(environ, "worker") as worker, running(environ, "serve", "--port", "0") as serve:
        url_of(serve)
        # One that is told to end before it has begun ends by the signal.
        assert any("worker.started" in line for line in worker.stderr)
        wait_for(lambda: faults.active() == [])
        began = time.monotonic()
        for each in (worker, serve):
            each.send_signal(signal.SIGTERM)
        logs = [each.communicate(timeout=30)[1] for each in (worker, serve)]
        took = time.monotonic() - began
        codes = [worker.returncode, serve.returncode]

    idle = run(environ, "worker", "--until-idle")

    assert codes == [0, 0]
    assert END_SECONDS < LEASE_SECONDS
    assert took < HANGS_SECONDS
    assert "".join(logs).count("process.let_go") == 1
    assert idle.returncode == 0, idle.stderr
    assert [entry.state for entry in entries(runtime)] == [EntryState.SYNCED]
    assert written(store) == ["note"]


def bring_by_a_newer_version(db) -> None:
    """What tomorrow's migration may do: more columns, more tables."""
    with db.transaction() as session:
        for statement in (
            "ALTER TABLE ringnote_event ADD COLUMN later TEXT",
            "ALTER TABLE ringnote_call ADD COLUMN later TEXT DEFAULT 'x' NOT NULL",
            "CREATE TABLE ringnote_later (id INTEGER PRIMARY KEY)",
            "UPDATE ringnote_alembic_version SET version_num = '9999'",
        ):
            session.execute(sa.text(statement))


def test_yesterday_s_processes_go_on_and_start_on_tomorrow_s_schema(runtime, phone, store):
    environ = environment(runtime)
    with running(environ, "serve", "--port", "0") as process:
        url = url_of(process)
        address = f"{url}/webhooks/{phone.token}"
        requests.post(address, data=phone.body("HangupCall", "u-1", extNumber="101"), timeout=10)
        bring_by_a_newer_version(runtime.db)
        body = phone.body("HangupCall", "u-2", extNumber="101", callerIdNum=CALLER)
        taken = requests.post(address, data=body, timeout=10)
        ready = requests.get(f"{url}/readyz", timeout=10)
        wait_for(lambda: EntryState.SYNCED in [entry.state for entry in entries(runtime)])

    assert written(store) == ["note"]
    checked = json.loads(run(environ, "check", "--json").stdout)
    idle = run(environ, "worker", "--until-idle")
    migrated = run(environ, "migrate")

    assert (taken.status_code, ready.json()) == (200, {"status": "ready"})
    assert idle.returncode == 0, idle.stderr
    [database] = [each for each in checked["findings"] if each["subject"] == "database"]
    assert database["state"] == "hint"
    assert "newer version's schema" in database["detail"]
    assert migrated.returncode == 1
    assert "nothing needs to be done" in migrated.stderr
    with runtime.db.reading() as session:
        assert set(session.scalars(sa.select(Call.call_uuid))) == {"u-1", "u-2"}


def test_a_process_that_meets_an_older_schema_says_what_to_do_and_waits(runtime, phone):
    environ = environment(runtime)
    with running(environ, "serve", "--port", "0", "--no-worker") as process:
        url = url_of(process)
        schema.migrate(runtime.db, "-1")

        unready = requests.get(f"{url}/readyz", timeout=10)
        refused = run(environ, "worker", "--until-idle")
        migrated = run(environ, "migrate")
        ready = requests.get(f"{url}/readyz", timeout=10)

    assert (unready.status_code, unready.json()["status"]) == (503, "unready")
    assert "run: ringnote migrate" in unready.json()["reason"]
    assert refused.returncode == 1
    assert "run: ringnote migrate" in refused.stderr
    assert migrated.returncode == 0
    assert ready.json() == {"status": "ready"}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_hosts_whose_clocks_are_ten_minutes_apart_tell_one_story(runtime, phone, store, tmp_path):
    environ = environment(runtime, RINGNOTE_MISSED_GRACE_SECONDS=str(GRACE.total_seconds()))
    with ExitStack() as stack:

        def started(ahead: int, *words: str):
            host = tmp_path / str(ahead)
            host.mkdir(exist_ok=True)
            (host / "clock").write_text(str(ahead))
            command = running(environ, str(host), *words, command=ON_A_HOST)
            return stack.enter_context(command)

        receivers = [started(ahead, "serve", "--port", "0", "--no-worker") for ahead in (300, -300)]
        fast, slow = (f"{url_of(each)}/webhooks/{phone.token}" for each in receivers)
        for ahead in (300, -300):
            started(ahead, "worker")

        def post(address: str, event_type: str, call: str, **fields: str) -> None:
            body = phone.body(event_type, call, callerIdNum=CALLER, **fields)
            assert requests.post(address, data=body, timeout=10).status_code == 200

        began = utc_now()
        post(slow, "InboundCall", "u-1", didNumber="+12125550100")
        post(slow, "HangupCall", "u-1", extNumber="")
        post(fast, "InboundCall", "u-2", didNumber="+12125550100")
        post(fast, "HangupCall", "u-2", extNumber="101")
        wait_for(lambda: written(store) == ["note"])
        post(fast, "ExtensionAnswered", "u-1", extensionNumber="101")
        wait_for(lambda: len(written(store)) == 2)
        took = utc_now() - began

    # A grace that a clock took away would have made a callback of the call that was answered.
    assert took < GRACE, "the machine was too busy to tell"
    assert written(store) == ["note", "note"]
    with runtime.db.reading() as session:
        told = session.execute(sa.select(Call.call_uuid, Call.outcome, Call.started_at)).all()
    assert {(uuid, outcome) for uuid, outcome, _ in told} == {
        ("u-1", "answered"),
        ("u-2", "answered"),
    }
    assert all(began - SECOND < at < began + took for _, _, at in told)
