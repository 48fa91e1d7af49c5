"""A process that is stopped in the middle of a pipeline, which PostgreSQL itself waits for."""

import threading
import time
from functools import partial

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from factories import make_clinic
from ringnote import abandoned
from ringnote import db as module
from ringnote.abandoned import end_abandoned, watching_over
from ringnote.db import Database
from ringnote.models import Clinic

SILENT_SECONDS = 0.2
LONG_SECONDS = 60


@pytest.fixture
def db(postgres_copy, monkeypatch):
    monkeypatch.setattr(module, "POSTGRES_IDLE_SECONDS", 1)
    db = Database(postgres_copy)
    yield db
    with db.transaction() as session:
        session.execute(sa.delete(Clinic))
    db.dispose()


def stop_in_a_pipeline(db, clinic_id):
    """A connection whose process sent a statement, and then not the pipeline's end."""
    connection = db.engine.raw_connection()
    driver: psycopg.Connection = connection.driver_connection
    driver.execute("UPDATE ringnote_clinic SET name = 'never to be' WHERE id = %s", [clinic_id])
    driver.pgconn.enter_pipeline_mode()
    driver.pgconn.send_query_params(b"SELECT count(*) FROM ringnote_clinic", None)
    driver.pgconn.send_flush_request()
    driver.pgconn.flush()
    return connection


def test_one_stopped_in_a_pipeline_is_ended_by_whoever_watches(db, monkeypatch):
    monkeypatch.setattr(abandoned, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(abandoned, "end_abandoned", partial(end_abandoned, seconds=1))
    clinic = make_clinic(db, name="Oak Street Vets")
    stopped = stop_in_a_pipeline(db, clinic.id)
    time.sleep(1.5)
    with db.transaction() as session, pytest.raises(OperationalError, match="could not obtain"):
        session.scalars(sa.select(Clinic).with_for_update(nowait=True)).all()

    with watching_over(db), db.transaction() as session:
        session.execute(sa.text("SET LOCAL lock_timeout = '20s'"))
        session.scalars(sa.select(Clinic).with_for_update()).all()

    stopped.invalidate()
    assert "ringnote-abandoned" not in [thread.name for thread in threading.enumerate()]


def test_other_programs_and_those_who_are_at_work_are_left_alone(db, postgres_copy):
    url = db.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with (
        psycopg.connect(url, application_name="psql") as other,
        psycopg.connect(url, application_name="ringnote") as namesake,
        db.transaction() as session,
    ):
        other.execute("SELECT count(*) FROM ringnote_clinic")
        namesake.execute("SELECT 1")
        session.scalars(sa.select(Clinic)).all()
        time.sleep(SILENT_SECONDS)

        assert end_abandoned(db, LONG_SECONDS) == 0

        assert end_abandoned(db, SILENT_SECONDS) == 1
        other.execute("SELECT 1")
        namesake.execute("SELECT 1")
        session.invalidate()
