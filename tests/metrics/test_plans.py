"""How the databases take the census: what is finished costs them nothing."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_clinic, make_connection, make_entry
from plans import NUMBER, multiply, planning
from ringnote.clock import utc_now
from ringnote.metrics.census import take_census
from ringnote.models import (
    Callback,
    Clinic,
    Connection,
    DueMark,
    Entry,
    EntryState,
    Event,
    Lookup,
    OutboxRow,
    Pace,
    SyncState,
    new_event_id,
)
from stories import Phone

CLINICS = 1000
DONE = 20_000
"""Rows of each kind that are finished, or not to be looked at yet."""
BACKLOG = 2000
# Events lie in partitions, of which those of other months are empty here.
GROWING = f"(entry|outbox|due_mark|lookup|event|event_{utc_now():%Y%m}|callback)"
READ_THROUGH = {
    # A scan of an index that holds only what is counted reads nothing else.
    "sqlite": rf"SCAN ringnote_{GROWING}\b(?! USING (COVERING )?INDEX \w+_(open|quarantined)\b)",
    "postgresql": rf"Seq Scan on ringnote_{GROWING} ",
}


@pytest.fixture
def house(db, runtime):
    """A thousand clinics at work, of which most calls are long done."""
    make_house(db, runtime, CLINICS, DONE, BACKLOG)
    return db


def make_house(db, runtime, clinics, done, backlog):
    clinic = make_clinic(db)
    connection = make_connection(db, clinic)
    make_entry(db, clinic, connection)
    phone = Phone(runtime, clinic, at=utc_now())
    phone.event("HangupCall", "u-1")
    word, now, later = sa.cast(NUMBER, sa.Text()), utc_now(), utc_now() + timedelta(days=2)
    key, of_clinic = NUMBER + 1000, 1001 + NUMBER % clinics
    start = sa.literal(new_event_id(now)[:19])
    note = {"id": NUMBER + 1000, "subject_id": NUMBER + 10**6, "reference": word}
    with db.transaction() as session:
        session.add(Lookup(clinic_id=clinic.id, number="first", due_at=None, answered_at=now))
        called = {"clinic_id": clinic.id, "number": "first", "opened_at": now, "closed_at": now}
        session.add(Callback(**called))
        session.add(SyncState(connection_id=connection.id, started_at=now))
        session.flush()
        multiply(session, Clinic, clinics, id=key, name=word, container_id=word)
        multiply(session, Connection, clinics, id=key, clinic_id=key)
        multiply(session, Pace, clinics, connection_id=key)
        multiply(session, SyncState, clinics, connection_id=key)
        multiply(session, Entry, backlog + done, clinic_id=of_clinic, **note)
        multiply(session, OutboxRow, backlog, entry_id=key, connection_id=of_clinic)
        finished = sa.update(Entry).where(Entry.id > 1000 + backlog)
        session.execute(finished.values(state=EntryState.SYNCED))
        multiply(session, DueMark, done, subject_key=word, due_at=sa.literal(later))
        multiply(session, Lookup, done, number=word)
        multiply(session, Callback, done, id=key, number=word)
        multiply(session, Event, done, id=start + sa.cast(NUMBER + 10**6, sa.Text()))
    phone.post(b"what?")
    with db.transaction() as session:
        session.execute(sa.text("ANALYZE"))


def test_the_census_reads_no_table_through_that_grows_with_the_calls(house):
    with planning(house) as plans:
        census = take_census(house)

    assert census.entries[EntryState.DUE] == BACKLOG + 1
    assert (census.due_subjects, census.due_lookups) == (1, 0)
    assert (census.quarantined_webhooks, census.open_callbacks) == (1, 0)
    read_through = re.compile(READ_THROUGH[house.url.get_backend_name()])
    assert any("ringnote_entry" in plan for _, plan in plans)
    assert [plan for _, plan in plans if read_through.search(plan)] == []
