"""`ringnote serve`, `worker` and `migrate` as real processes on a real socket."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests
import sqlalchemy as sa
from cryptography.fernet import Fernet

from factories import make_clinic
from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.models import Call, Event
from ringnote.telephony.tokens import issue_webhook_token

RINGNOTE = str(Path(sys.executable).with_name("ringnote"))


@pytest.fixture
def environ(database_url, tmp_path) -> dict[str, str]:
    return make_environ(database_url, tmp_path)


def make_environ(database_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        **{name: each for name, each in os.environ.items() if not name.startswith("RINGNOTE_")},
        "RINGNOTE_DATABASE_URL": database_url,
        "RINGNOTE_DATA_DIR": str(tmp_path / "data"),
        "RINGNOTE_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "RINGNOTE_MISSED_GRACE_SECONDS": "0",
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def serving(environ: dict[str, str], *more: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """A `ringnote serve` on a free port, and its address."""
    words = [RINGNOTE, "serve", "--port", "0", *more]
    with subprocess.Popen(
        words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            line = process.stdout.readline()
            yield process, next(word for word in line.split() if word.startswith("http://"))
        finally:
            process.kill()


def run(environ: dict[str, str], *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [RINGNOTE, *words], env=environ, capture_output=True, text=True, timeout=60
    )


def add_clinic(db: Database) -> str:
    """The path of the webhook URL of a new clinic."""
    clinic = make_clinic(db, container_id="123456")
    with db.transaction() as session:
        return f"/webhooks/{issue_webhook_token(session, clinic.id, utc_now())}"


def count(db: Database, kind: type) -> int:
    with db.reading() as session:
        return session.scalars(sa.select(sa.func.count()).select_from(kind)).one()


def hangup(**over: str) -> str:
    fields = {
        "eventType": "HangupCall",
        "containerId": "123456",
        "callUuid": "u-1",
        "extNumber": "101",
        "callerIdNum": "+12125550142",
    }
    return urlencode(fields | over)


def test_it_takes_a_webhook_and_ends_gracefully_on_sigterm(environ, db):
    path = add_clinic(db)

    with serving(environ) as (process, url):
        ready = requests.get(f"{url}/readyz", timeout=10)
        taken = requests.post(url + path, data=hangup(), timeout=10)
        begun = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, logged = process.communicate(timeout=30)

    assert (ready.status_code, taken.json()) == (200, {"status": "accepted"})
    assert process.returncode == 0
    assert "worker.started" in begun
    assert "worker.stopped" in logged
    assert path.rpartition("/")[2] not in logged
    # Of the number more than three digits, which times and ports have by chance.
    assert not re.search(r"555\D?0142", logged)


def test_it_says_who_gets_in_until_there_is_a_user(environ):
    with serving(environ, "--no-worker") as (process, _):
        said = process.stdout.readline()
    added = subprocess.run(
        [RINGNOTE, "user", "add", "kim", "--link"], env=environ, capture_output=True, text=True
    )
    with serving(environ, "--no-worker") as (process, url):
        page = requests.get(url, timeout=10)
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=30)

    assert "this machine alone" in said
    assert "ringnote user add" in said
    assert added.returncode == 0
    assert rest == ""
    assert "<h1>Sign in</h1>" in page.text


def test_ctrl_c_ends_it_gracefully_too(environ):
    with serving(environ, "--no-worker") as (process, _):
        process.send_signal(signal.SIGINT)
        _, logged = process.communicate(timeout=30)

    assert process.returncode == 0
    assert "Traceback" not in logged


def test_what_it_took_is_worked_off_by_a_worker_until_idle(environ, db):
    path = add_clinic(db)
    with serving(environ, "--no-worker") as (_, url):
        requests.post(url + path, data=hangup(), timeout=10)
    taken = (count(db, Event), count(db, Call))

    worked = run(environ, "worker", "--until-idle")

    assert taken == (1, 0)
    assert (worked.returncode, worked.stdout) == (0, "")
    assert count(db, Call) == 1


def test_a_worker_ends_gracefully_on_sigterm(environ):
    words = [RINGNOTE, "worker", "--threads", "1"]
    with subprocess.Popen(words, env=environ, stderr=subprocess.PIPE, text=True) as process:
        first = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, logged = process.communicate(timeout=30)

    assert "worker.started" in first
    assert "worker.stopped" in logged
    assert process.returncode == 0


def test_logs_are_one_json_object_a_line_when_that_is_asked_for(environ):
    with serving(environ | {"RINGNOTE_LOG_FORMAT": "json"}) as (process, _):
        begun = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, logged = process.communicate(timeout=30)

    events = [json.loads(line)["event"] for line in (begun + logged).splitlines()]
    assert events == ["worker.started", "worker.stopped"]


def test_a_taken_port_is_told_in_one_line(environ):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        ran = run(environ, "serve", "--port", port)

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"Error: Port {port} on 127.0.0.1 is taken")
    assert len(ran.stderr.splitlines()) == 1


def test_keys_are_looked_for_before_anything_is_served(environ, db, tmp_path):
    (tmp_path / "file").write_text("")
    environ |= {"RINGNOTE_ENCRYPTION_KEYS": "", "RINGNOTE_DATA_DIR": str(tmp_path / "file" / "x")}

    ran = run(environ, "serve", "--port", "0")

    assert (ran.returncode, ran.stdout) == (1, "")
    # SQLite is for one machine, whose folder keeps a key; PostgreSQL's machines must share theirs.
    wanted = "RINGNOTE_DATA_DIR" if db.is_sqlite else "RINGNOTE_ENCRYPTION_KEYS is not set"
    assert wanted in ran.stderr


def test_a_database_without_tables_is_refused_until_it_is_migrated(empty_database_url, tmp_path):
    environ = make_environ(empty_database_url, tmp_path)

    refused = run(environ, "serve", "--port", "0")
    first = json.loads(run(environ, "migrate", "--json").stdout)
    second = json.loads(run(environ, "migrate", "--json").stdout)

    assert refused.returncode == 1
    assert refused.stderr == "Error: The database has no tables yet; run: ringnote migrate\n"
    assert (first["before"], second["before"]) == (None, first["after"])
    with serving(environ, "--no-worker") as (_, url):
        assert requests.get(f"{url}/readyz", timeout=10).status_code == 200
