"""Wake-up: how a worker hears of a commit at once instead of sleeping until its next poll.

PostgreSQL tells by NOTIFY, sent after the commit; SQLite by `PRAGMA data_version`, which moves when
anybody else commits. Both are hints: a lost one only means waiting for the poll.
"""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from .db import POSTGRES_ALIVE, Database
from .logs import get_logger

CHANNEL = "ringnote_due"
NOTIFY_GAP_SECONDS = 0.02
DATA_VERSION_SECONDS = 0.01
LISTEN_SECONDS = 0.5
CLOSE_SECONDS = 2.0
AGAIN_SECONDS = 1.0
"""After the database failed whoever watches it."""

log = get_logger(__name__)


class Waker:
    """Tells workers that something became due. `notify` never blocks and never raises."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._process: int | None = None
        self._thread: threading.Thread | None = None
        self._is_closing = False

    def notify(self) -> None:
        """Call after a commit. Many calls within 20 ms are one NOTIFY."""
        if self._db.is_sqlite:
            return
        if self._process != os.getpid():
            try:
                self._start()
            except RuntimeError as error:
                # No thread can be begun. What is due is found by the next poll.
                log.warning("wake.no_thread", error=str(error))
        self._wanted.set()

    def close(self) -> None:
        """Send what is still to be told, and end (or leave it to itself if the database hangs)."""
        self._is_closing = True
        if self._thread and self._process == os.getpid():
            self._wanted.set()
            self._thread.join(CLOSE_SECONDS)

    def _start(self) -> None:
        # A web server forks after the application is made: the thread belongs to one process.
        with self._lock:
            if self._process != os.getpid():
                self._wanted = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, name="ringnote-waker", daemon=True
                )
                self._thread.start()
                self._process = os.getpid()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            try:
                with self._db.statements() as session:
                    session.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))
            except SQLAlchemyError:
                log.warning("wake.notify_failed")
            if self._is_closing and not self._wanted.is_set():
                return
            time.sleep(NOTIFY_GAP_SECONDS)


@contextlib.contextmanager
def watching(db: Database, woken: threading.Event) -> Iterator[None]:
    """Set `woken` whenever somebody commits something that may be due, until the block ends."""
    stop = threading.Event()
    watch = _watch_sqlite if db.is_sqlite else _watch_postgres
    thread = threading.Thread(
        target=watch, args=(db, woken, stop), name="ringnote-watcher", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _watch_sqlite(db: Database, woken: threading.Event, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            with contextlib.closing(db.engine.raw_connection()) as connection:
                cursor = connection.cursor()
                seen = None
                while not stop.wait(DATA_VERSION_SECONDS):
                    (version,) = cursor.execute("PRAGMA data_version").fetchone()
                    if version != seen:
                        seen = version
                        woken.set()
        except (sqlite3.Error, SQLAlchemyError):
            log.warning("wake.watch_failed")
            stop.wait(AGAIN_SECONDS)


def _watch_postgres(db: Database, woken: threading.Event, stop: threading.Event) -> None:
    url = db.url.set(drivername="postgresql").render_as_string(hide_password=False)
    while not stop.is_set():
        try:
            with psycopg.connect(
                url, autocommit=True, connect_timeout=2, **POSTGRES_ALIVE
            ) as connection:
                connection.execute(f"LISTEN {CHANNEL}")
                woken.set()
                while not stop.is_set():
                    for _ in connection.notifies(timeout=LISTEN_SECONDS, stop_after=1):
                        woken.set()
        except psycopg.Error:
            log.warning("wake.listen_failed")
            stop.wait(AGAIN_SECONDS)
