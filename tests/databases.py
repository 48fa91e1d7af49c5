"""PostgreSQL databases for tests: made from a template, emptied and used again.

To copy the template takes a tenth of a second, to empty a copy some milliseconds. One that cannot
be made as it was, or that held many rows, is dropped.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator

import psycopg
from psycopg import sql
from sqlalchemy.exc import TimeoutError

from ringnote.db import Database

NAMES = (f"ringnote_test_{os.getpid()}_{number}" for number in itertools.count())
MOST_ROWS = 1000
"""What more deleted rows leave behind would slow down those who come after."""
MOST_USES = 50
END_MS = 5000

# Whatever a test may change besides rows: tables, columns, constraints, indexes, settings.
SHAPE = """
SELECT (SELECT md5(string_agg(format('%s %s %s', c.relname, a.attname, a.atttypid), ','
    ORDER BY c.relname, a.attnum)) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0),
(SELECT md5(string_agg(conname, ',' ORDER BY conname, conrelid)) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace),
(SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal),
(SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
    WHERE d.datname = current_database()),
(SELECT version_num FROM ringnote_alembic_version)
"""
TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'ringnote_alembic_version'
"""
RESTART = """
SELECT setval(s.seqrelid::regclass, s.seqstart, false)
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
WHERE c.relnamespace = 'public'::regnamespace
"""


class Databases:
    """Copies of the database `template` on a server whose maintenance database is at `url`."""

    def __init__(self, url: str, template: str) -> None:
        self._url = url
        self._template = template
        self._uses: dict[str, int] = {}
        self._free: list[str] = []
        with self._connect(template) as connection:
            self._shape = connection.execute(SHAPE).fetchone()
            self._tables = [name for (name,) in connection.execute(TABLES)]
            kept = [name for name in self._tables if _count(connection, name)]
        assert kept == [], (
            "what the migrations put into these tables would be lost by emptying them"
        )

    @contextlib.contextmanager
    def one(self) -> Iterator[str]:
        """The name of one that is as the template is."""
        name = self._free.pop() if self._free else self._copy()
        self._uses[name] += 1
        try:
            yield name
        finally:
            if self._uses[name] < MOST_USES and self._empty(name):
                self._free.append(name)
            else:
                self._drop(name)

    def drop_all(self) -> None:
        for name in self._free:
            self._drop(name)

    def _copy(self) -> str:
        name = next(NAMES)
        execute(self._url, "CREATE DATABASE {} TEMPLATE {}", name, self._template)
        self._uses[name] = 0
        return name

    def _drop(self, name: str) -> None:
        execute(self._url, "DROP DATABASE {} WITH (FORCE)", name)

    def _empty(self, name: str) -> bool:
        """Whether it is as the template is again."""
        try:
            with self._connect(name) as connection:
                # Who is only told to end may commit something yet, after all was emptied.
                others = connection.execute(
                    "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()",
                    [END_MS],
                )
                if not all(has_ended for (has_ended,) in others):
                    return False
                if connection.execute(SHAPE).fetchone() != self._shape:
                    return False
                connection.execute("SET lock_timeout = '2s'")
                # Or the tables would have to be emptied in an order.
                connection.execute("SET session_replication_role = replica")
                rows = sum(_empty(connection, table) for table in self._tables)
                connection.execute(RESTART)
        except psycopg.Error:
            return False
        return rows <= MOST_ROWS

    def _connect(self, name: str) -> psycopg.Connection:
        return psycopg.connect(f"{self._url.rpartition('/')[0]}/{name}", autocommit=True)


def execute(url: str, command: str, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(command).format(*map(sql.Identifier, names)))


def _count(connection: psycopg.Connection, table: str) -> int:
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
    return connection.execute(query).fetchone()[0]


def _empty(connection: psycopg.Connection, table: str) -> int:
    return connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table))).rowcount


def take_one(db: Database, taken: contextlib.ExitStack) -> None:
    """Take a connection of the pool away, if one is free, until `taken` ends."""
    with contextlib.suppress(TimeoutError):
        taken.enter_context(db.engine.connect())
