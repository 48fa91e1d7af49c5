"""The database's schema: brings it to this version's, or tells how far behind it is."""

import importlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from .db import Database
from .errors import ConfigError

PREFIX = "ringnote_"
VERSION_TABLE = "ringnote_alembic_version"
MIGRATION_LOCK = 0x52494E47


def migrate(db: Database, revision: str = "head") -> tuple[str | None, str | None]:
    """Upgrade (or downgrade) to `revision`; returns the revisions before and after. Commits.

    Two machines that start at once wait for each other. Raises ConfigError if a newer version of
    Ringnote has been here.
    """
    with _revising(db) as connection:
        before = current(connection)
        if _is_foreign(before):
            raise ConfigError(
                f"The database is at revision {before}, which is a newer version's; this one works"
                " on it as it is, so nothing needs to be done."
            )
        going_down = revision in ("base",) or revision.startswith("-")
        run = command.downgrade if going_down else command.upgrade
        run(_config(connection), revision)
        return before, current(connection)


def check(db: Database) -> bool:
    """Whether the schema is newer than this version's; raises ConfigError if it is older.

    On a newer one this version works all the same: while a new one is rolled out, both run side by
    side.
    """
    with db.reading() as session:
        at = current(session.connection())
    wanted = head()
    if _is_foreign(at):
        return True
    if at != wanted:
        state = "has no tables yet" if at is None else f"is at revision {at}, not {wanted}"
        raise ConfigError(f"The database {state}; run: ringnote migrate")
    return False


def _is_foreign(revision: str | None) -> bool:
    """Whether it is none of this version's, so of a newer one."""
    scripts = ScriptDirectory.from_config(_config(None))
    return revision not in {None, *(each.revision for each in scripts.walk_revisions())}


def current(connection: sa.Connection) -> str | None:
    """The revision that the database is at, None for an empty one."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def head() -> str | None:
    """The newest revision that this version ships."""
    return ScriptDirectory.from_config(_config(None)).get_current_head()


def autogenerate_check(db: Database) -> None:
    """Alembic's own `check`: raises if the models say something that no revision does."""
    with db.engine.begin() as connection:
        command.check(_config(connection))


@contextmanager
def _revising(db: Database) -> Iterator[sa.Connection]:
    """A transaction for revisions, of which one runs at a time."""
    with db.engine.connect() as connection:
        if not db.is_sqlite:
            with connection.begin():
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
                yield connection
            return
        # To change a column, SQLite drops the table and makes it anew: rows of others that refer
        # to it would go with it. The switch does nothing once a transaction has begun.
        plain = connection.connection.cursor()
        plain.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                dangling = _count_dangling(connection)
                yield connection
                if _count_dangling(connection) > dangling:
                    raise RuntimeError("a revision left rows that refer to rows no longer there")
        finally:
            plain.execute("PRAGMA foreign_keys=ON")


def _count_dangling(connection: sa.Connection) -> int:
    ours = [name for name in sa.inspect(connection).get_table_names() if name.startswith(PREFIX)]
    checks = (connection.exec_driver_sql(f"PRAGMA foreign_key_check({name})") for name in ours)
    return sum(len(check.all()) for check in checks)


def _scripts() -> str:
    package = importlib.import_module(".migrations", __package__)
    return str(Path(str(package.__file__)).parent)


def _config(connection: Any) -> Config:
    config = Config(output_buffer=io.StringIO(), stdout=io.StringIO())
    config.set_main_option("script_location", _scripts().replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
