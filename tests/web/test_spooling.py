"""The database goes away and comes back: no webhook is lost, none is kept twice."""

import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
import requests
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from factories import make_clinic
from postgres import NoPostgresError, postgres_server
from ringnote import create_receiver, schema
from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.models import DueMark, Event
from ringnote.runtime import Runtime
from ringnote.settings import load_settings
from ringnote.telephony.drain import drain_spool
from ringnote.telephony.ingest import PATIENCE_SECONDS, keep_spooled
from ringnote.telephony.tokens import issue_webhook_token
from serving import served

CONTAINER = "123456"
READY = {"status": "ready"}
IN_TIME = PATIENCE_SECONDS + 3.0
"""Seconds: so much a machine with little time to spare may add. Who waits for a database that hangs
waits for ten and more."""


@pytest.fixture(autouse=True)
def patience():
    """The real one, instead of the one that other tests have."""


@pytest.fixture(scope="module")
def server():
    try:
        # A crash of one that does not wait for its disk would lose what it has committed.
        with postgres_server(quick=False) as server:
            yield server
    except NoPostgresError as error:
        pytest.skip(f"no PostgreSQL on this machine: {error}")


@pytest.fixture
def spooling(server, tmp_path):
    """A runtime on a PostgreSQL that the test may stop, with a data folder that lasts."""
    settings = load_settings(
        {"database_url": server.url, "data_dir": tmp_path, "data_is_persistent": True}, environ={}
    )
    runtime = Runtime.from_settings(settings)
    schema.migrate(runtime.db)
    yield runtime
    schema.migrate(runtime.db, "base")
    runtime.close()


@pytest.fixture
def token(spooling):
    clinic = make_clinic(spooling.db, container_id=CONTAINER)
    with spooling.db.transaction() as session:
        return issue_webhook_token(session, clinic.id, utc_now())


def hangup(number: int) -> dict[str, str]:
    call = {"callUuid": f"u-{number}", "extNumber": "101"}
    return {"eventType": "HangupCall", "containerId": CONTAINER, **call}


def kept(runtime) -> list[str]:
    with runtime.db.reading() as session:
        return sorted(session.scalars(sa.select(Event.subject_key)))


def marks(runtime) -> dict[str, int]:
    """How often each call was marked as due."""
    with runtime.db.reading() as session:
        rows = session.execute(sa.select(DueMark.subject_key, DueMark.generation))
        return dict(rows.all())


def wait_until(condition, seconds=60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_webhooks_are_taken_while_the_database_is_away_and_kept_once_it_is_back(
    spooling, token, server, how
):
    numbers = itertools.count()
    answers = []
    with served(create_receiver(runtime=spooling)) as url:

        def post(how_many: int) -> None:
            for number in itertools.islice(numbers, how_many):
                data = hangup(number)
                answer = requests.post(f"{url}/webhooks/{token}", data=data, timeout=10)
                answers.append((number, answer.status_code, answer.elapsed.total_seconds()))

        post(3)
        poster = threading.Thread(target=post, args=(40,))
        poster.start()
        server.stop(how)
        poster.join()
        post(5)
        away = requests.get(f"{url}/readyz", timeout=10)
        server.start()
        assert wait_until(spooling.spool.is_empty)
        post(3)
        back = requests.get(f"{url}/readyz", timeout=10)

    assert {status for _, status, _ in answers} == {200}
    assert max(seconds for _, _, seconds in answers) < IN_TIME
    assert kept(spooling) == sorted(f"u-{number}" for number, _, _ in answers)
    assert (away.status_code, away.json()["status"]) == (200, "spooling")
    assert away.json()["spool"]["bytes"] > 0
    assert back.json() == READY
    with spooling.db.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(DueMark)) == len(answers)


def test_what_a_killed_process_left_is_kept_by_the_next_that_looks(spooling, token, server):
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "RINGNOTE_DATABASE_URL": server.url,
        "RINGNOTE_DATA_DIR": str(spooling.settings.data_dir),
        "RINGNOTE_DATA_IS_PERSISTENT": "1",
        "RINGNOTE_SECRET_KEY": "for the forms alone",
    }
    command = [sys.executable, "-c", "from ringnote.cli import main; main()"]
    with subprocess.Popen(
        [*command, "serve", "--port", "0", "--no-worker"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        url = next(word for word in process.stdout.readline().split() if "://" in word)
        server.stop()
        answers = [
            requests.post(f"{url}/webhooks/{token}", data=hangup(number), timeout=10)
            for number in range(3)
        ]
        still_held = drain_spool(spooling)
        process.kill()
    server.start()

    drained = drain_spool(spooling)

    assert [answer.status_code for answer in answers] == [200] * 3
    assert (still_held, drained) == (0, 3)
    assert kept(spooling) == ["u-0", "u-1", "u-2"]
    assert spooling.spool.is_empty()


def test_a_token_that_could_not_be_checked_is_checked_when_it_is_stored(spooling, token, server):
    client = create_receiver(runtime=spooling).test_client()
    server.stop()
    answers = [
        client.post(f"/webhooks/{each}", data=hangup(number))
        for number, each in enumerate([token, "no-such-token", token])
    ]
    unread = client.post(f"/webhooks/{token}", data=b"what?")
    server.start()

    drain_spool(spooling)

    assert [answer.status_code for answer in answers] == [200] * 3
    assert unread.json["status"] == "quarantined"
    assert wait_until(spooling.spool.is_empty)
    with spooling.db.reading() as session:
        found = session.scalars(sa.select(Event).order_by(Event.received_at)).all()
    assert [(event.subject_key, event.status.value) for event in found] == [
        ("u-0", "accepted"),
        ("u-2", "accepted"),
        (None, "quarantined"),
    ]


def test_a_commit_of_which_nobody_heard_is_not_repeated(spooling, token, monkeypatch):
    """The connection is lost at the commit: perhaps it happened, and the webhook is spooled too."""
    client = create_receiver(runtime=spooling).test_client()
    original = Database.transaction

    @contextmanager
    def transaction(db):
        with original(db) as session:
            yield session
        raise OperationalError("COMMIT", {}, Exception("server closed the connection"))

    with monkeypatch.context() as patch:
        patch.setattr(Database, "transaction", transaction)
        answer = client.post(f"/webhooks/{token}", data=hangup(1))
    assert wait_until(spooling.spool.is_empty)

    assert answer.status_code == 200
    assert kept(spooling) == ["u-1"]


def test_it_is_stored_once_however_often_that_is_tried(spooling, token):
    client = create_receiver(runtime=spooling).test_client()
    spooled = []

    def store(webhooks):
        spooled.extend(webhooks)
        for _ in range(3):
            assert keep_spooled(spooling, webhooks) == []
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(spooling.spool), "is_preferred", property(lambda _spool: True))
        patch.setattr("ringnote.telephony.drain.Drain.look", lambda _drain: None)
        for number in (1, 2):
            client.post(f"/webhooks/{token}", data=hangup(number))
        spooling.spool.drain(store)

    assert len(spooled) == 2
    assert kept(spooling) == ["u-1", "u-2"]


def test_while_the_database_hangs_webhooks_are_answered_in_time_and_kept_once_it_goes_on(
    spooling, token, server
):
    """Its processes are stopped: connections are taken by the kernel, and nobody answers."""
    with served(create_receiver(runtime=spooling)) as url:

        def post(number: int) -> requests.Response:
            return post_hangup(url, token, number)

        with ThreadPoolExecutor(8) as pool:
            before = list(pool.map(post, range(8)))
            with server.frozen():
                asking = pool.submit(requests.get, f"{url}/readyz", timeout=10)
                first = list(pool.map(post, range(8, 15)))
                later = [post(number) for number in range(15, 25)]
                ready = [asking.result(), requests.get(f"{url}/readyz", timeout=10)]
        assert wait_until(spooling.spool.is_empty)
        after = post(25)
        assert wait_until(lambda: requests.get(f"{url}/readyz", timeout=10).json() == READY)

    answers = [*before, *first, *later, after]
    assert [answer.status_code for answer in answers] == [200] * 26
    assert max(answer.elapsed.total_seconds() for answer in first) < IN_TIME
    assert max(answer.elapsed.total_seconds() for answer in later) < PATIENCE_SECONDS
    assert [answer.json()["status"] for answer in ready] == ["spooling"] * 2
    assert max(answer.elapsed.total_seconds() for answer in ready) < IN_TIME
    assert kept(spooling) == sorted(f"u-{number}" for number in range(26))
    assert marks(spooling) == {f"u-{number}": 1 for number in range(26)}


@pytest.fixture
def on_sqlite(tmp_path, sqlite_template):
    """A runtime on an SQLite file of its own, and a token."""
    shutil.copyfile(sqlite_template, tmp_path / "ringnote.sqlite3")
    runtime = Runtime.from_settings(load_settings({"data_dir": tmp_path}, environ={}))
    clinic = make_clinic(runtime.db, container_id=CONTAINER)
    with runtime.db.transaction() as session:
        token = issue_webhook_token(session, clinic.id, utc_now())
    yield runtime, token
    runtime.close()


def test_while_another_program_locks_the_sqlite_file_webhooks_are_answered_in_time(on_sqlite):
    runtime, token = on_sqlite
    with served(create_receiver(runtime=runtime)) as url:
        with closing(sqlite3.connect(runtime.db.url.database)) as other:
            other.execute("BEGIN IMMEDIATE")
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda n: post_hangup(url, token, n), range(8)))
            answers += [post_hangup(url, token, number) for number in range(8, 12)]
            other.rollback()
        assert wait_until(runtime.spool.is_empty)

    assert [answer.status_code for answer in answers] == [200] * 12
    assert max(answer.elapsed.total_seconds() for answer in answers) < IN_TIME
    assert max(answer.elapsed.total_seconds() for answer in answers[8:]) < PATIENCE_SECONDS
    assert kept(runtime) == sorted(f"u-{number}" for number in range(12))
    assert marks(runtime) == {f"u-{number}": 1 for number in range(12)}


def test_what_finds_the_database_full_is_kept_once_there_is_space(on_sqlite):
    runtime, token = on_sqlite
    pages = {"most": 1}

    def limit(connection, *_) -> None:
        connection.execute(f"PRAGMA max_page_count={pages['most']}")

    sa.event.listen(runtime.db.engine, "checkout", limit)
    big = {"callerIdName": "x" * 30_000}
    with served(create_receiver(runtime=runtime)) as url:
        answers = [post_hangup(url, token, number, **big) for number in range(5)]
        held = requests.get(f"{url}/readyz", timeout=10).json()["spool"]
        while_full = kept(runtime)
        pages["most"] = 1_000_000
        assert wait_until(runtime.spool.is_empty)

    assert [answer.status_code for answer in answers] == [200] * 5
    assert len(while_full) < 5
    assert held["bytes"] > 30_000
    assert kept(runtime) == [f"u-{number}" for number in range(5)]


def post_hangup(url: str, token: str, number: int, **more: str) -> requests.Response:
    return requests.post(f"{url}/webhooks/{token}", data=hangup(number) | more, timeout=10)


def test_without_a_folder_that_lasts_it_is_503(server, tmp_path, spooling, token):
    settings = spooling.settings.model_copy(update={"data_is_persistent": None})
    runtime = Runtime(settings, spooling.db)
    server.stop()
    answer = create_receiver(runtime=runtime).test_client().post(f"/webhooks/{token}", data={})
    server.start()

    assert runtime.spool is None
    assert answer.status_code == 503


def test_where_the_spool_is_full_too_it_is_503(spooling, token, server, monkeypatch):
    client = create_receiver(runtime=spooling).test_client()
    monkeypatch.setattr(spooling.spool, "_max_bytes", 10)
    server.stop()
    answer = client.post(f"/webhooks/{token}", data=hangup(1))
    server.start()

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
