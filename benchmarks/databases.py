"""The databases that are measured on: each area gets an empty one of its own, on a real disk.

PostgreSQL is started with its usual settings, so a commit is as durable as it is in use.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa
from cryptography.fernet import Fernet
from psycopg import sql

from postgres import NoPostgresError, postgres
from ringnote import schema
from ringnote.runtime import Runtime
from ringnote.settings import Settings, load_settings

from .measurement import BenchmarkError

NAMES = (f"ringnote_benchmark_{number}" for number in itertools.count())

NewDatabase = Callable[[Path], str]
"""Makes the URL of an empty database; one in a file lies in the folder given."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A Runtime on an empty, migrated database, and a folder that lasts as long as it does."""

    database: str
    runtime: Runtime
    folder: Path
    new_database: NewDatabase

    @property
    def environment(self) -> dict[str, str]:
        """What `ringnote` commands are told, to work on the same database."""
        settings = self.runtime.settings
        return {
            "RINGNOTE_DATABASE_URL": settings.url,
            "RINGNOTE_DATA_DIR": str(settings.data_dir),
            "RINGNOTE_ENCRYPTION_KEYS": settings.encryption_keys,
            "RINGNOTE_ALLOW_PRIVATE_PMS": "1",
        }


@contextmanager
def sqlite() -> Iterator[NewDatabase]:
    yield lambda folder: f"sqlite:///{folder / 'ringnote.sqlite3'}"


@contextmanager
def postgresql() -> Iterator[NewDatabase]:
    """Runs a server for the block. Raises BenchmarkError if none can be had."""
    try:
        with postgres(quick=False) as server:
            yield lambda _folder: _create(server)
    except NoPostgresError as error:
        raise BenchmarkError(
            f"no PostgreSQL can be had ({error}); leave it out with --database sqlite"
        ) from None


DATABASES = {"sqlite": sqlite, "postgresql": postgresql}


@contextmanager
def staged(database: str, new_database: NewDatabase) -> Iterator[Stage]:
    """A Stage for the block; its files are removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="ringnote-benchmark-") as name:
        folder = Path(name)
        runtime = Runtime.from_settings(_settings(new_database(folder), folder))
        try:
            schema.migrate(runtime.db)
            yield Stage(database, runtime, folder, new_database)
        finally:
            runtime.close()


def _settings(url: str, folder: Path) -> Settings:
    return load_settings(
        {
            "database_url": url,
            "data_dir": folder / "data",
            "encryption_keys": Fernet.generate_key().decode(),
            "allow_private_pms": True,
        },
        environ={},
    )


def _create(server: str) -> str:
    name = next(NAMES)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)
