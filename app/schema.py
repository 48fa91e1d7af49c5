"""The database's schema: brings it to this version's, or tells how far behind it is."""

import importlib
import io
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from .db import Database
from .errors import ConfigError

VERSION_TABLE = "ringnote_alembic_version"
MIGRATION_LOCK = 0x52494E47


def migrate(db: Database, revision: str = "head") -> tuple[str | None, str | None]:
    """Upgrade (or downgrade) to `revision`; returns the revisions before and after. Commits.

    Two machines that start at once wait for each other.
    """
    with db.engine.begin() as connection:
        if not db.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        before = current(connection)
        going_down = revision in ("base",) or revision.startswith("-")
        run = command.downgrade if going_down else command.upgrade
        run(_config(connection), revision)
        return before, current(connection)


def check(db: Database) -> None:
    """Raise ConfigError unless the schema is exactly this version's."""
    with db.reading() as session:
        at = current(session.connection())
    wanted = head()
    if at != wanted:
        state = "has no tables yet" if at is None else f"is at revision {at}, not {wanted}"
        raise ConfigError(f"The database {state}; run: ringnote migrate")


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


def _scripts() -> str:
    package = importlib.import_module(".migrations", __package__)
    return str(Path(str(package.__file__)).parent)


def _config(connection: Any) -> Config:
    config = Config(output_buffer=io.StringIO(), stdout=io.StringIO())
    config.set_main_option("script_location", _scripts().replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
