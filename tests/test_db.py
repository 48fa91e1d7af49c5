"""The database's transactions, when a process that is in one comes to a standstill."""

import sqlite3
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from factories import make_clinic
from ringnote import db as module
from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.models import Clinic, Line


def test_a_process_at_a_standstill_lets_go_of_what_it_locked(postgres_copy, monkeypatch):
    monkeypatch.setattr(module, "POSTGRES_IDLE_SECONDS", 1)
    stopped, other = Database(postgres_copy), Database(postgres_copy)
    clinic = make_clinic(other)
    rename = sa.update(Clinic).where(Clinic.id == clinic.id)

    with pytest.raises(DBAPIError), stopped.transaction() as session:
        began = time.monotonic()
        session.execute(rename.values(name="never to be"))
        with other.transaction() as second:
            second.execute(rename.values(name="Oak Street Vets"))
        waited = time.monotonic() - began

    assert 0.5 < waited < 10
    with other.transaction() as session:
        assert session.get_one(Clinic, clinic.id).name == "Oak Street Vets"
        session.execute(sa.delete(Clinic).where(Clinic.id == clinic.id))
    stopped.dispose()
    other.dispose()


def test_those_who_wait_for_a_locked_file_do_not_wait_for_one_another(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SQLITE_BUSY_SECONDS", 1)
    db = Database(f"sqlite:///{tmp_path / 'a.sqlite3'}")

    def write(_number):
        with pytest.raises(OperationalError), db.transaction() as session:
            session.execute(sa.text("SELECT 1"))

    with db.reading() as session:
        session.execute(sa.text("SELECT 1"))
    with closing(sqlite3.connect(tmp_path / "a.sqlite3")) as other, ThreadPoolExecutor(8) as pool:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        list(pool.map(write, range(8)))
        waited = time.monotonic() - began
        other.rollback()
    db.dispose()

    # One after the other they would take eight.
    assert waited < 6


def test_what_a_url_asks_of_the_server_stands_beside_what_ringnote_does(postgres_copy):
    url = sa.make_url(postgres_copy).update_query_dict({"options": "-c search_path=clinics"})
    db = Database(url)
    with db.reading() as session:
        settings = [
            session.scalars(sa.text(f"SHOW {name}")).one() for name in ("search_path", "jit")
        ]
    db.dispose()

    assert settings == ["clinics", "off"]


@pytest.mark.parametrize("is_host_s", [False, True])
def test_an_error_quotes_nothing_of_a_row(postgres_copy, is_host_s):
    own = Database(postgres_copy)
    host = sa.create_engine(own.url)
    db = Database.of_engine(host) if is_host_s else own
    clinic = make_clinic(own)
    line = {"clinic_id": clinic.id, "source": "seen", "label": "", "created_at": utc_now()}
    line |= {"number": "+12125550142"}

    with pytest.raises(IntegrityError) as caught, db.transaction() as session:
        session.execute(sa.insert(Line), [line, line])
    told = "".join(traceback.format_exception(caught.value))
    with pytest.raises(IntegrityError, match="2125550142"), host.begin() as connection:
        connection.execute(sa.insert(Line), [line, line])

    with own.transaction() as session:
        session.execute(sa.delete(Clinic).where(Clinic.id == clinic.id))
    own.dispose()
    host.dispose()
    assert "violates unique constraint" in told
    assert "2125550142" not in told


def test_statements_that_commit_by_themselves_leave_a_host_s_connection_as_it_was(postgres_copy):
    host = sa.create_engine(postgres_copy, pool_size=1, max_overflow=0)
    add = sa.text("INSERT INTO noted VALUES (1)")

    with pytest.raises(ZeroDivisionError), Database.of_engine(host).statements() as session:
        session.execute(sa.text("CREATE TABLE noted (number integer)"))
        session.execute(add)
        1 / 0  # noqa: B018
    with host.connect() as connection:
        connection.execute(add)
        connection.rollback()
        count = connection.scalar(sa.text("SELECT count(*) FROM noted"))
        connection.execute(sa.text("DROP TABLE noted"))
        connection.commit()
    host.dispose()

    assert count == 1
