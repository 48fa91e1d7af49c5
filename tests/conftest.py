"""The databases and the runtime that tests share."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from databases import NAMES, Databases, execute
from hypothesis import HealthCheck, settings
from wire import wired

from confidential import Watch, watching_logs
from factories import make_clinic
from postgres import NoPostgresError, postgres
from ringnote import schema
from ringnote.db import Database
from ringnote.models import Clinic
from ringnote.runtime import Runtime
from ringnote.settings import load_settings
from ringnote.telephony import ingest
from stories import Phone

# Taken out: `ringnote check` rightly wonders at a setting that it does not know.
NO_SKIPS = os.environ.pop("RINGNOTE_NO_SKIPS", "")

# The same examples in every run, however slow the machine is: what `make fuzz` and
# `make properties` look for at length, no run of the tests should come upon by chance.
settings.register_profile(
    "ringnote", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ringnote")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where nothing may be skipped (RINGNOTE_NO_SKIPS), a skip fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if NO_SKIPS and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def watch() -> Iterator[Watch]:
    """Fails whatever logs a client's name, number or text, or a secret."""
    with watching_logs() as watch:
        yield watch
    assert watch.leaks() == []


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Has webhooks wait for a disk that is busy, instead of being put by or refused."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "PATIENCE_SECONDS", 30.0)
        yield


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "empty.sqlite3"
    db = Database(f"sqlite:///{path}")
    schema.migrate(db)
    db.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server's maintenance database: yours (TEST_DATABASE_URL) or one of our own."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    try:
        with postgres() as url:
            yield url
    except NoPostgresError as error:
        pytest.skip(f"no PostgreSQL on this machine: {error}")


@pytest.fixture(scope="session")
def postgres_template(postgres_url) -> Iterator[str]:
    """The name of a migrated database, to be copied."""
    name = next(NAMES)
    execute(postgres_url, "CREATE DATABASE {}", name)
    db = Database(_named(postgres_url, name))
    schema.migrate(db)
    db.dispose()
    yield name
    execute(postgres_url, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="session")
def postgres_databases(postgres_url, postgres_template) -> Iterator[Databases]:
    """Migrated, empty databases, one at a time."""
    databases = Databases(postgres_url, postgres_template)
    yield databases
    databases.drop_all()


@pytest.fixture(scope="session")
def postgres_copy(postgres_url, postgres_template) -> Iterator[str]:
    """One migrated PostgreSQL database's URL, for tests that clean up after themselves."""
    name = next(NAMES)
    execute(postgres_url, "CREATE DATABASE {} TEMPLATE {}", name, postgres_template)
    yield _named(postgres_url, name)
    execute(postgres_url, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request, tmp_path) -> Iterator[str]:
    """The URL of a database without any table, on each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        return
    server = request.getfixturevalue("postgres_url")
    name = next(NAMES)
    execute(server, "CREATE DATABASE {}", name)
    yield _named(server, name)
    execute(server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path) -> Iterator[str]:
    """The URL of a migrated, empty database, on each kind in turn."""
    if request.param == "sqlite":
        path = tmp_path / "ringnote.sqlite3"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server = request.getfixturevalue("postgres_url")
    with request.getfixturevalue("postgres_databases").one() as name:
        yield _named(server, name)


@pytest.fixture
def db(database_url) -> Iterator[Database]:
    """A migrated, empty database, on each kind in turn."""
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture
def runtime(db, tmp_path) -> Iterator[Runtime]:
    """A Runtime on `db`, whose PMS may be on this machine."""
    known = load_settings(
        {
            "database_url": db.url.render_as_string(hide_password=False),
            "data_dir": tmp_path / "data",
            "encryption_keys": Fernet.generate_key().decode(),
            "allow_private_pms": True,
        },
        environ={},
    )
    made = Runtime(known, db)
    yield made
    made.close()


@pytest.fixture
def phoned(postgres_copy, tmp_path):
    """A phone whose runtime asks PostgreSQL through a wire, and the wire."""
    url = sa.make_url(postgres_copy)
    with wired(url.host, url.port) as wire:
        near = url.set(port=wire.port).render_as_string(hide_password=False)
        known = load_settings({"database_url": near, "data_dir": tmp_path}, environ={})
        runtime = Runtime(known, Database(known.url))
        phone = Phone(runtime, make_clinic(runtime.db))
        yield phone, wire
        with runtime.db.transaction() as session:
            session.execute(sa.delete(Clinic).where(Clinic.id == phone.clinic.id))
        runtime.close()


def _named(server: str, name: str) -> str:
    return f"{server.rpartition('/')[0]}/{name}".replace(
        "postgresql://", "postgresql+psycopg://", 1
    )
