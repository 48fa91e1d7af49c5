"""Floors on the database, straight on its driver: no ORM, no pool, the settings of the house."""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from ringnote.db import Database

from .measurement import Sample, timed

INSERT = "one durable INSERT"
INSERTED_TOGETHER = "INSERTs committed together"
BODY = b"eventType=HangupCall&containerId=123456&callUuid=benchmark&extNumber=101" * 4
"""About as many bytes as a webhook has."""

ROWS = sa.Table(
    "ringnote_benchmark",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)


class Inserts:
    """INSERTs of a webhook's bytes into a table with a key and nothing else, each committed."""

    def __init__(self, connection: sa.PoolProxiedConnection, is_sqlite: bool) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._is_sqlite = is_sqlite
        self._statement = _spelled("INSERT INTO ringnote_benchmark (body) VALUES (?)", is_sqlite)

    def run(self, count: int) -> Sample:
        """A round of `count`."""
        return timed(self._insert, range(count))

    def run_together(self, count: int) -> Sample:
        """A round of `count` in one transaction."""
        started = time.perf_counter()
        if self._is_sqlite:
            self._cursor.execute("BEGIN IMMEDIATE")
        self._cursor.executemany(self._statement, [(BODY,)] * count)
        self._connection.commit()
        return Sample((time.perf_counter() - started) / count)

    def _insert(self, _number: int) -> None:
        if self._is_sqlite:
            self._cursor.execute("BEGIN IMMEDIATE")
        self._cursor.execute(self._statement, (BODY,))
        self._connection.commit()


class Selects:
    """SELECTs of single rows of the directory by their primary key, in one transaction."""

    def __init__(self, connection: sa.PoolProxiedConnection, is_sqlite: bool) -> None:
        self._cursor = connection.cursor()
        self._statement = _spelled(
            "SELECT client_id FROM ringnote_client_number WHERE id = ?", is_sqlite
        )
        self._cursor.execute("SELECT id FROM ringnote_client_number")
        self._keys = itertools.cycle(self._cursor.fetchall())

    def run(self, count: int) -> Sample:
        """A round of `count`."""
        started = time.perf_counter()
        for key in itertools.islice(self._keys, count):
            self._cursor.execute(self._statement, key)
            self._cursor.fetchone()
        return Sample((time.perf_counter() - started) / count)


@contextmanager
def inserting(db: Database) -> Iterator[Inserts]:
    """Inserts on a connection of their own."""
    ROWS.create(db.engine, checkfirst=True)
    connection = db.engine.raw_connection()
    try:
        yield Inserts(connection, db.is_sqlite)
    finally:
        connection.close()


@contextmanager
def selecting(db: Database) -> Iterator[Selects]:
    """Selects on a connection of their own."""
    connection = db.engine.raw_connection()
    try:
        yield Selects(connection, db.is_sqlite)
    finally:
        connection.close()


def _spelled(statement: str, is_sqlite: bool) -> str:
    return statement if is_sqlite else statement.replace("?", "%s")
