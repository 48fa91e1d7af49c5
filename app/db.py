"""The database: engine, transactions and its clock, on SQLite and PostgreSQL alike."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError
from sqlalchemy.orm import Session, sessionmaker

from .clock import Clock, utc_now
from .errors import ConfigError
from .signals import send_announced

SQLITE_BUSY_SECONDS = 15
SQLITE_RETRY_SECONDS = 0.01
POSTGRES_CONNECT_SECONDS = 2
POSTGRES_IDLE_SECONDS = 15
"""After so long without a word the server ends a transaction: its process was stopped, or its host
is gone, and what it has locked would keep the others waiting for as long."""

POSTGRES_ALIVE: dict[str, Any] = {
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""A server whose host is gone without a word is given up within half a minute, where the system
would wait for hours."""


DATABASE_FAULTS = (DBAPIError, TimeoutError)
"""What goes wrong with a database that is away, or that hangs until no connection is free."""


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An aware datetime in UTC; a naive one is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError("a naive datetime has no place in the database")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Database:
    """One database and how to talk to it. Cheap to make; connects when first used.

    `clock` replaces the database's own time (for tests that hold it still).
    """

    CLOCK: ClassVar[sa.ColumnElement[datetime]] = sa.cast(sa.func.clock_timestamp(), UtcDateTime())
    """PostgreSQL's own time."""

    def __init__(
        self,
        url: str | sa.URL,
        *,
        clock: Clock | None = None,
        pool_size: int = 10,
        engine: sa.Engine | None = None,
    ) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.clock = clock or utc_now
        self.tells_time = clock is None and not self.is_sqlite
        self.owns_engine = engine is None
        # SQLite takes one writer at a time, and waits for its turn by polling: one may be passed
        # over for a second. So the writers of a process stand in line here.
        self._turn = threading.Lock() if self.is_sqlite else None
        if engine is not None:
            self.engine = engine
        elif self.is_sqlite:
            if self.url.database:
                folder = Path(self.url.database).parent
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.engine = sa.create_engine(
                self.url, pool_size=pool_size, max_overflow=20, hide_parameters=True
            )
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            self.engine = sa.create_engine(
                self.url,
                pool_size=pool_size,
                max_overflow=20,
                pool_pre_ping=True,
                hide_parameters=True,
                execution_options={"ringnote_hides": True},
                connect_args={
                    "connect_timeout": POSTGRES_CONNECT_SECONDS,
                    **POSTGRES_ALIVE,
                    "fallback_application_name": "ringnote",
                    # Compiling a statement that runs for a millisecond takes a hundred.
                    "options": f"{_options(self.url)} -c timezone=utc -c jit=off"
                    f" -c idle_in_transaction_session_timeout={POSTGRES_IDLE_SECONDS}s",
                },
            )
        if not self.is_sqlite:
            event.listen(self.engine, "handle_error", _leave_out_details)
        self._reading = sessionmaker(
            self.engine.execution_options(ringnote_reads=True), expire_on_commit=False
        )
        self._writing = sessionmaker(self.engine, expire_on_commit=False)

    @classmethod
    def of_engine(cls, engine: sa.Engine) -> "Database":
        """The database that a host's engine speaks to.

        On PostgreSQL its connections are shared. On SQLite ours are our own, of the same file,
        since how they begin their transactions must not change the host's. Raises ConfigError for
        a database that can be neither.
        """
        kind = engine.url.get_backend_name()
        if kind == "sqlite":
            if engine.url.database in (None, "", ":memory:"):
                raise ConfigError("the engine's SQLite is in memory; Ringnote needs one in a file")
            return cls(engine.url.set(drivername="sqlite"))
        if kind != "postgresql" or engine.url.get_driver_name() != "psycopg":
            raise ConfigError("the engine must speak SQLite, or PostgreSQL by psycopg 3")
        ours = engine.execution_options(isolation_level="READ COMMITTED", ringnote_hides=True)
        ours.hide_parameters = True
        return cls(engine.url, engine=ours)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end, or rolls back on any exception.

        After the commit, what was announced in it is sent.
        """
        with self._in_turn(), self._writing.begin() as session:
            yield session
        send_announced(session)

    @contextmanager
    def statements(self) -> Iterator[Session]:
        """A session of statements that need no transaction around them: on PostgreSQL each commits
        by itself, which spares the sends that begin and end one. On SQLite as `transaction`."""
        with self.transaction() as session:
            if not self.is_sqlite:
                session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
            yield session

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        # Else the last of many would wait for as long as all before it together.
        if not self._turn.acquire(timeout=SQLITE_BUSY_SECONDS):
            locked = sqlite3.OperationalError("database is locked")
            raise OperationalError("BEGIN IMMEDIATE", None, locked)
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads (on SQLite it takes no write lock)."""
        with self._reading.begin() as session:
            yield session

    def now(self) -> sa.ColumnElement[datetime]:
        """The database's present, as an expression: what leases and due times are held against."""
        if not self.tells_time:
            return sa.literal(self.clock(), UtcDateTime())
        return self.CLOCK

    def present(self, session: Session) -> datetime:
        """The database's present, as a value."""
        if not self.tells_time:
            return self.clock()
        moment: datetime = session.scalars(sa.select(self.now())).one()
        return moment

    def later(self, seconds: float) -> sa.ColumnElement[datetime]:
        """The database's present plus `seconds`, as an expression."""
        if not self.tells_time:
            moment = self.clock() + timedelta(seconds=seconds)
            return sa.literal(moment, UtcDateTime())
        return sa.cast(
            sa.func.clock_timestamp() + sa.literal(timedelta(seconds=seconds), sa.Interval()),
            UtcDateTime(),
        )

    def after(
        self, moment: datetime, seconds: sa.ColumnElement[float]
    ) -> sa.ColumnElement[datetime]:
        """`moment` plus as many seconds as the row says, as an expression; to the millisecond."""
        start = sa.literal(moment, UtcDateTime())
        if self.is_sqlite:
            later = sa.func.printf("%.3f seconds", seconds)
            return sa.func.strftime("%Y-%m-%d %H:%M:%f000", start, later, type_=UtcDateTime())
        one = sa.literal(timedelta(seconds=1), sa.Interval())
        return sa.cast(start + seconds * one, UtcDateTime())

    def insert(self, table: Any) -> Any:
        """An INSERT of this database's dialect, which knows ON CONFLICT."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def fault_of(error: DBAPIError | TimeoutError) -> str:
    """Which of DATABASE_FAULTS it was, for logs: its words may quote what was sent."""
    return type(error.orig if isinstance(error, DBAPIError) else error).__name__


def _options(url: sa.URL) -> str:
    """The server's options that the URL itself sets, a search_path, say."""
    said = url.query.get("options", "")
    return said if isinstance(said, str) else " ".join(said)


def _leave_out_details(context: sa.ExceptionContext) -> None:
    """Keep out of an error, and so of logs, the rows that PostgreSQL quotes in its details."""
    error, engine = context.original_exception, context.engine
    # A host's own engine shares its dialect, of which errors are listened to, with ours.
    if engine is None or not engine.get_execution_options().get("ringnote_hides"):
        return
    if isinstance(error, psycopg.Error) and (said := error.diag.message_primary):
        error.args = (said,)
        if context.sqlalchemy_exception is not None:
            context.sqlalchemy_exception.args = (said,)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_SECONDS * 1000}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    # On a new file that another process is setting up, this fails at once whatever the timeout.
    deadline = time.monotonic() + SQLITE_BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(SQLITE_RETRY_SECONDS)


def _begin_sqlite(connection: sa.Connection) -> None:
    # A deferred transaction that writes later fails at once with "database is locked" when
    # another wrote meanwhile; one that says so at the start waits its turn.
    reads = connection.get_execution_options().get("ringnote_reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
