"""A disk without space: what comes waits or is refused, and all goes on once there is space again.

SQLite is really full (its pages are counted). PostgreSQL raises, by a trigger, what it raises on a
full disk.
"""

import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote import create_receiver
from ringnote.db import Database
from ringnote.models import Event
from ringnote.runtime import Runtime
from ringnote.settings import load_settings
from ringnote.telephony.drain import drain_spool
from ringnote.worker import Worker
from stories import CALLER, Phone, purge, settle, write

TABLES = ("event", "due_mark", "call", "entry")
FULL = """
CREATE FUNCTION ringnote_test_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE disk_full USING MESSAGE = 'could not extend file: No space left on device'; END $$
"""


@contextmanager
def full_disk(db: Database):
    """Until the block ends nothing can be added to the database."""
    if db.is_sqlite:
        with db.reading() as session:
            pages = session.scalar(sa.text("PRAGMA page_count"))
        db.dispose()

        def limit(connection, _record):
            connection.execute(f"PRAGMA max_page_count={pages}")

        sa.event.listen(db.engine, "connect", limit)
        yield
        sa.event.remove(db.engine, "connect", limit)
        db.dispose()
        return
    with db.transaction() as session:
        session.execute(sa.text(FULL))
        for name in TABLES:
            session.execute(
                sa.text(
                    f"CREATE TRIGGER full_disk BEFORE INSERT ON ringnote_{name}"
                    " FOR EACH ROW EXECUTE FUNCTION ringnote_test_full()"
                )
            )
    yield
    with db.transaction() as session:
        session.execute(sa.text("DROP FUNCTION ringnote_test_full CASCADE"))


@pytest.fixture
def clinic(db):
    return make_clinic(db)


@pytest.fixture
def phone(runtime, clinic):
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    make_connection(runtime.db, clinic)
    return Phone(runtime, clinic)


def post(client, phone, number):
    body = phone.body("HangupCall", f"u-{number}", extNumber="101", note="x" * 2000)
    return client.post(
        f"/webhooks/{phone.token}",
        data=body,
        content_type="application/x-www-form-urlencoded",
    )


def fill(client, phone):
    """Post until no more is taken (free pages are used up first); the last answer."""
    for number in range(300):
        answer = post(client, phone, number)
        if answer.status_code != 200:
            return number, answer
    raise AssertionError("the disk never got full")


def count(db):
    with db.reading() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Event))


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_a_webhook_for_which_there_is_no_space_is_to_be_sent_again(runtime, phone):
    client = create_receiver(runtime=runtime).test_client()

    with full_disk(runtime.db):
        taken, refused = fill(client, phone)

    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert count(runtime.db) == taken
    assert post(client, phone, "again").status_code == 200


def test_a_webhook_for_which_there_is_no_space_waits_in_the_spool_where_there_is_one(
    runtime, db, phone
):
    known = runtime.settings.model_dump() | {"data_is_persistent": True}
    spooling = Runtime(load_settings(known, environ={}), db)
    client = create_receiver(runtime=spooling).test_client()

    with full_disk(db):
        answers = [post(client, phone, number).status_code for number in range(60)]
        stored = count(db)

    assert set(answers) == {200}
    assert stored < 60
    drain_spool(spooling)
    assert wait_until(spooling.spool.is_empty)
    assert count(db) == 60


def test_a_worker_goes_on_by_itself_once_there_is_space_again(runtime, db, phone, monkeypatch):
    monkeypatch.setattr("ringnote.worker.DATABASE_PAUSE_SECONDS", 0.05)
    for number in range(30):
        phone.answered(f"u-{number}")
    stop = threading.Event()
    worker = Worker(runtime)
    thread = threading.Thread(target=worker.run, args=(stop,))

    with full_disk(db):
        thread.start()
        time.sleep(1)
        was_alive = thread.is_alive()
        with db.reading() as session:
            left = session.scalar(sa.text("SELECT count(*) FROM ringnote_due_mark"))
    done = wait_until(lambda: not _due(db))
    stop.set()
    worker.wake()
    thread.join()

    assert was_alive
    assert left > 0
    assert done


def _due(db):
    with db.reading() as session:
        return session.scalar(sa.text("SELECT count(*) FROM ringnote_due_mark"))


def test_housekeeping_makes_space_on_a_full_disk(runtime, db, phone):
    phone.at -= timedelta(days=400)
    purge(runtime)
    for number in range(40):
        phone.answered(f"u-{number}")
    settle(runtime)
    write(runtime, MemoryConnector())
    client = create_receiver(runtime=runtime).test_client()

    with full_disk(db):
        if db.is_sqlite:
            fill(client, phone)
        purged = purge(runtime)
        again = post(client, phone, "now")

    assert purged["events"] >= 160
    # The trigger goes on refusing; the file has pages free.
    assert again.status_code == (200 if db.is_sqlite else 503)
