"""Logs hold no client's name, number or text, and no secret."""

import itertools
import logging
import os
import secrets
import subprocess
import sys

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection
from ringnote import create_app
from ringnote.access.users import add_user
from ringnote.clock import utc_now
from ringnote.delivery.connections import open_connection
from ringnote.logs import get_logger
from ringnote.models import Attempt, Role
from ringnote.sandbox.faults import Fault, FaultKind, Faults
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store
from stories import CALLER, Phone, settle

TEXT = "Is Rex ready to come home?"
TOKEN = "a-token-of-the-pretend-pms"
PASSWORD = "paper lantern on a hill"


@pytest.mark.parametrize("log", [get_logger("ringnote.x"), logging.getLogger("x")])
@pytest.mark.parametrize("what", ["name", "number", "text", "token", "password"])
def test_what_is_logged_by_mistake_is_found(runtime, watch, log, what):
    clinic = make_clinic(runtime.db)
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    Phone(runtime, clinic).text(TEXT)
    with runtime.db.transaction() as session:
        add_user(session, "kim", Role.VIEWER, PASSWORD, None, utc_now())
    said = {"name": "Jane Doe", "number": CALLER, "text": TEXT, "password": PASSWORD}
    said["token"] = secrets.token_urlsafe(32)
    assert watch.leaks() == []

    try:
        raise ValueError(said[what])
    except ValueError:
        log.exception("something.failed")

    leaked = {leak for _, leak in watch.leaks()}
    watch.lines.clear()
    assert said[what] in leaked


def test_every_failure_at_once_is_logged_without_a_word_of_it(runtime, watch, monkeypatch):
    """A story with a fault at each step, so that all that may be logged is."""
    clinic = make_clinic(runtime.db)
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    make_connection(runtime.db, clinic)
    phone = Phone(runtime, clinic)
    phone.missed("u-1")
    phone.text(TEXT)

    def fail(*given, **_):
        raise RuntimeError(f"no luck with the {len(given)} that were given")

    monkeypatch.setattr("ringnote.ledger.settle.settle_call", fail)
    settle(runtime)
    browser = create_app(runtime=runtime).test_client()
    browser.post("/webhooks/no-such-token", data=TEXT)
    monkeypatch.setattr("ringnote.web.webhooks.take", fail)
    browser.post(f"/webhooks/{phone.token}", data=TEXT)

    assert len(watch.lines) >= 2
    assert watch.leaks() == []


@pytest.mark.parametrize(
    ("kind", "database_url"),
    [*zip(FaultKind, itertools.cycle(["sqlite", "postgresql"]), strict=False)],
    indirect=["database_url"],
)
def test_whatever_the_pms_does_neither_logs_nor_attempts_tell_of_clients(
    runtime, watch, tmp_path, kind
):
    store, faults = Store(tmp_path / "pms.sqlite3"), Faults()
    jane = {"name": "Jane Doe", "phones": [{"number": CALLER, "label": ""}], "patients": []}
    [client_id] = store.clients.add([jane])
    clinic = make_clinic(runtime.db)
    make_client(runtime.db, clinic, client_id, "Jane Doe", numbers=[CALLER])
    with Server(create_pms(":memory:", TOKEN, store=store, faults=faults)) as pms:
        with runtime.db.transaction() as session:
            settings, secret = {"base_url": pms.url}, {"token": TOKEN}
            open_connection(session, runtime, clinic.id, "sandbox", settings, secret, now=utc_now())
        phone = Phone(runtime, clinic)
        phone.missed("u-1")
        phone.text(TEXT)
        faults.switch_on(Fault(kind, left=3, seconds=0.1))
        ran = run_worker(runtime)
    store.close()

    with runtime.db.reading() as session:
        errors = session.scalars(sa.select(Attempt.error).where(Attempt.error.is_not(None))).all()
    watch.keep(TOKEN)
    watch.lines += [*ran.stderr.splitlines(), *errors]
    assert ran.returncode == 0
    assert watch.leaks() == []


def run_worker(runtime) -> subprocess.CompletedProcess:
    """`ringnote worker --until-idle`, as the process that it is."""
    settings = runtime.settings
    environ = {
        "PATH": os.environ["PATH"],
        "RINGNOTE_DATABASE_URL": settings.database_url,
        "RINGNOTE_DATA_DIR": str(settings.data_dir),
        "RINGNOTE_ENCRYPTION_KEYS": settings.encryption_keys,
        "RINGNOTE_ALLOW_PRIVATE_PMS": "1",
        "RINGNOTE_MISSED_GRACE_SECONDS": "0",
    }
    words = [sys.executable, "-c", "from ringnote.cli import main; main()"]
    return subprocess.run(
        [*words, "worker", "--until-idle"], env=environ, capture_output=True, text=True, timeout=60
    )
