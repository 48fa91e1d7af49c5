"""Many transactions in a row, and who else has something to write meanwhile."""

import sqlite3
from contextlib import closing

from factories import make_clinic
from ringnote import steps as module
from ringnote.models import Clinic
from ringnote.steps import Steps


def test_sqlite_is_free_for_others_in_each_pause_and_postgresql_needs_none(db, monkeypatch):
    clinic_id, others = make_clinic(db).id, []

    def write(seconds):
        with closing(sqlite3.connect(db.url.database, timeout=0)) as other, other:
            other.execute("UPDATE ringnote_clinic SET region = 'CA'")
        others.append(seconds)

    monkeypatch.setattr(module, "MOST_SECONDS", 0.0)
    monkeypatch.setattr(module, "sleep", write)
    steps = Steps(db)
    for name in ("Oak", "Elm"):
        with steps.step() as session:
            session.get_one(Clinic, clinic_id).name = name

    assert others == ([module.PAUSE_SECONDS] * 2 if db.is_sqlite else [])
    with db.reading() as session:
        clinic = session.get_one(Clinic, clinic_id)
    assert (clinic.name, clinic.region) == ("Elm", "CA" if db.is_sqlite else "US")
