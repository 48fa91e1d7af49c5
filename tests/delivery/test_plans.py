"""How the databases go about claims: what is not due, or not theirs, costs them nothing."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_clinic, make_connection, make_entry
from fakes import MemoryConnector, tools
from plans import NUMBER, multiply, planning
from ringnote.clock import utc_now
from ringnote.delivery.claim import claim
from ringnote.delivery.deliver import deliver
from ringnote.delivery.finish import finish_all
from ringnote.delivery.outbox import is_any_leased, renew
from ringnote.keeping.partitions import month_of
from ringnote.ledger.listings import count_backlog
from ringnote.models import Clinic, Connection, Entry, Event, OutboxRow, Pace, new_event_id
from stories import Phone

CONNECTIONS = 1000
BACKLOG = 20_000
READ_THROUGH = {"sqlite": "SCAN ringnote_outbox", "postgresql": "Seq Scan on ringnote_outbox"}


@pytest.fixture
def crowd(db):
    """A thousand connections, each with a due note, and one of them with a backlog."""
    clinic = make_clinic(db)
    entry_id = make_entry(db, clinic, make_connection(db, clinic))
    key, word = NUMBER + 1000, sa.cast(NUMBER, sa.Text())
    subject = NUMBER + 10**6
    names = {"name": word, "container_id": word}
    with db.transaction() as session:
        multiply(session, Clinic, CONNECTIONS, id=key, **names)
        multiply(session, Connection, CONNECTIONS, id=key, clinic_id=key)
        multiply(session, Pace, CONNECTIONS, connection_id=key)
        note = {"subject_id": subject, "reference": word}
        multiply(session, Entry, BACKLOG, id=key, **note)
        multiply(session, OutboxRow, BACKLOG, entry_id=key)
        some = sa.update(OutboxRow).where(OutboxRow.entry_id.between(2000, 2000 + CONNECTIONS - 1))
        session.execute(some.values(connection_id=OutboxRow.entry_id - 999))
        session.execute(sa.delete(OutboxRow).where(OutboxRow.entry_id == entry_id))
        session.execute(sa.text("ANALYZE"))
    return db


def test_no_step_of_a_delivery_reads_the_backlog_through(crowd):
    with planning(crowd) as plans:
        work = claim(crowd, 16)
        held = renew(crowd, work)
        is_leased = is_any_leased(crowd)
        finish_all(crowd, [(each, deliver(each, MemoryConnector(), tools(crowd))) for each in work])

    assert (len(work), len(held), is_leased) == (16, 16, True)
    mark = READ_THROUGH[crowd.url.get_backend_name()]
    assert any("ringnote_outbox" in plan for _, plan in plans)
    assert [statement for statement, plan in plans if mark in plan] == []


@pytest.mark.parametrize("is_limited", [False, True])
def test_the_backlog_is_counted_without_reading_all_events(db, runtime, is_limited):
    at = month_of(utc_now(), 1) + timedelta(days=1)
    phone = Phone(runtime, make_clinic(db), at=at)
    phone.event("HangupCall", "u-1")
    start = sa.literal(new_event_id(at)[:19])
    with db.transaction() as session:
        multiply(session, Event, BACKLOG, id=start + sa.cast(NUMBER + 10**6, sa.Text()))
    phone.post(b"what?")
    with db.transaction() as session:
        session.execute(sa.text("ANALYZE"))

    with planning(db) as plans, db.reading() as session:
        counts = count_backlog(session, {phone.clinic.id} if is_limited else None)

    _, plan = plans[-1]
    assert counts["quarantined"] == 1
    if db.is_sqlite:
        assert "ix_ringnote_event_quarantined" in plan
    else:
        month = f" on ringnote_event_{at:%Y%m} "
        assert month in plan
        assert f"Seq Scan{month}" not in plan
