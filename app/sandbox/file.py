"""The SQLite file under the pretend PMS: its tables, its transactions and its sense of time."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..clock import Clock

TABLES = """
CREATE TABLE IF NOT EXISTS client (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, phones TEXT NOT NULL,
    patients TEXT NOT NULL, updated_at TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0,
    merged_into TEXT
);
CREATE INDEX IF NOT EXISTS client_updated ON client (updated_at, id);
CREATE TABLE IF NOT EXISTS phone (
    client_id TEXT NOT NULL REFERENCES client (id), number TEXT NOT NULL, tail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS phone_tail ON phone (tail);
CREATE INDEX IF NOT EXISTS phone_client ON phone (client_id);
CREATE TABLE IF NOT EXISTS record (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES client (id), reference TEXT NOT NULL,
    content TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS record_client ON record (client_id, seq);
CREATE INDEX IF NOT EXISTS record_reference ON record (reference);
CREATE TABLE IF NOT EXISTS answered (
    kind TEXT NOT NULL, key TEXT NOT NULL, record_id TEXT NOT NULL, PRIMARY KEY (kind, key)
);
"""


class Refused(Exception):
    """A request the PMS does not carry out: its HTTP status, a code and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        super().__init__(message)


class File:
    """One connection to the file at `path`, taken by one thread at a time."""

    def __init__(self, path: Path | str, clock: Clock) -> None:
        if str(path) != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            path, timeout=15, isolation_level=None, check_same_thread=False
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(TABLES)
        if "merged_into" not in {row["name"] for row in self.rows("PRAGMA table_info(client)")}:
            # A file from before clients could be merged.
            self._connection.execute("ALTER TABLE client ADD COLUMN merged_into TEXT")
        newest = self.rows(
            "SELECT max(at) AS at FROM (SELECT max(updated_at) AS at FROM client"
            " UNION ALL SELECT max(updated_at) FROM record)"
        )[0]["at"]
        self._last = datetime.fromisoformat(newest) if newest else datetime.min.replace(tzinfo=UTC)

    def rows(self, statement: str, *values: object) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> int:
        """Run a statement; returns the row id of what it inserted, if it did."""
        with self._lock:
            return self._connection.execute(statement, values).lastrowid or 0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """A transaction: committed at the end, rolled back on any exception."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def stamp(self) -> str:
        """The present. No two stamps are equal, so that a delta can be cut between any two."""
        with self._lock:
            self._last = max(self._clock(), self._last + timedelta(microseconds=1))
            return as_text(self._last)

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def as_text(moment: datetime) -> str:
    """A moment as it is kept: UTC, always with microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
