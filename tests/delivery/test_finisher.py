"""The finisher, while the database is away for longer than a lease lasts, and afterwards."""

import threading
import time
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from factories import make_clinic, make_connection, make_entry
from fakes import MemoryConnector, tools
from ringnote.delivery import finisher as module
from ringnote.delivery.claim import claim
from ringnote.delivery.deliver import deliver
from ringnote.delivery.finish import finish_all
from ringnote.delivery.finisher import Finisher
from ringnote.delivery.leases import Leases
from ringnote.delivery.outbox import enqueue
from ringnote.models import Attempt, Entry, EntryState, OutboxRow
from running import wait_for

LONG_AGO = -3600.0
"""Seconds: when what was claimed then has no lease any more."""


@pytest.fixture
def connection(db):
    return make_connection(db, make_clinic(db))


class Away:
    """The database of one worker, which fails `times`, or until it is back."""

    def __init__(self, times: float = float("inf")) -> None:
        self.times = times
        self.failed = threading.Semaphore(0)

    def __call__(self, db, ended):
        if self.times > 0:
            self.times -= 1
            self.failed.release()
            raise OperationalError("UPDATE", {}, Exception("server closed the connection"))
        return finish_all(db, ended)


@pytest.fixture
def away(monkeypatch):
    monkeypatch.setattr(module, "DATABASE_PAUSE_SECONDS", 0.02)
    away = Away()
    monkeypatch.setattr(module, "finish_all", away)
    return away


def have_it_due(db):
    with db.transaction() as session:
        session.execute(sa.update(OutboxRow).values(due_at=db.later(-1)))


def look(db, entry_id):
    with db.reading() as session:
        return session.get_one(Entry, entry_id)


def test_what_was_written_is_known_though_the_database_was_away_for_longer(db, connection, away):
    entry_id, pms = make_entry(db, connection.clinic_id, connection), MemoryConnector()
    [work] = claim(db, 1)
    leases = Leases(db)
    leases.hold([work], LONG_AGO)
    finisher = Finisher(db, leases, lambda: None, lambda _ended: None)

    with finisher.running():
        finisher.put((work, deliver(work, pms, tools(db))))
        for _ in range(3):
            assert away.failed.acquire(timeout=10)
        away.times = 0
        wait_for(lambda: finisher.unfinished == 0)

    entry = look(db, entry_id)
    assert (entry.state, entry.pms_id) == (EntryState.SYNCED, *pms.notes)
    assert claim(db, 1) == []


def test_what_was_sent_while_the_database_was_away_is_written_over(db, connection, away):
    entry_id, pms = make_entry(db, connection.clinic_id, connection), MemoryConnector()
    pms.capabilities = replace(pms.capabilities, read_notes=False)
    [work] = claim(db, 1)
    finish_all(db, [(work, deliver(work, pms, tools(db)))])
    slow = amend_and_claim(db, entry_id, connection, "An old text")
    quick = amend_and_claim(db, entry_id, connection, "The newest text")
    written = deliver(quick, pms, tools(db))
    late = deliver(slow, pms, tools(db))
    finish_all(db, [(quick, written)])
    leases = Leases(db)
    leases.hold([slow], LONG_AGO)
    finisher = Finisher(db, leases, lambda: None, lambda _ended: None)

    with finisher.running():
        finisher.put((slow, late))
        assert away.failed.acquire(timeout=10)
        away.times = 0
        wait_for(lambda: finisher.unfinished == 0)
    for again in claim(db, 1):
        finish_all(db, [(again, deliver(again, pms, tools(db)))])

    [note] = pms.notes.values()
    assert note.body.startswith("The newest text")


def amend_and_claim(db, entry_id, connection, body):
    with db.transaction() as session:
        entry = session.get_one(Entry, entry_id)
        entry.content = {**entry.content, "body": body}
        entry.version += 1
        enqueue(session, db, entry, connection.id)
    have_it_due(db)
    [work] = claim(db, 1)
    return work


def test_one_that_fails_by_itself_holds_up_no_other(db, connection, away, monkeypatch):
    poison = make_entry(db, connection.clinic_id, connection)
    ids = [make_entry(db, connection.clinic_id, connection) for _ in range(2)]
    pms, leases = MemoryConnector(), Leases(db)
    work = claim(db, 3)
    leases.hold(work, LONG_AGO)

    def fail(db, ended):
        if any(each.entry_id == poison for each, _ in ended):
            raise OperationalError("INSERT", {}, Exception("program limit exceeded"))
        return finish_all(db, ended)

    monkeypatch.setattr(module, "finish_all", fail)
    monkeypatch.setattr(module, "KEPT_SECONDS", 1.0)
    finisher = Finisher(db, leases, lambda: None, lambda _ended: None)
    with finisher.running():
        for each in work:
            finisher.put((each, deliver(each, pms, tools(db))))
        wait_for(lambda: {look(db, each).state for each in ids} == {EntryState.SYNCED})
        wait_for(lambda: finisher.unfinished == 0)

    assert look(db, poison).state is EntryState.DUE


def test_it_ends_though_the_database_stays_away(db, connection, away):
    make_entry(db, connection.clinic_id, connection)
    [work] = claim(db, 1)
    leases = Leases(db)
    leases.hold([work], LONG_AGO)
    finisher = Finisher(db, leases, lambda: None, lambda _ended: None)
    with finisher.running():
        finisher.put((work, deliver(work, MemoryConnector(), tools(db))))
        assert away.failed.acquire(timeout=10)
        began = time.monotonic()

    assert time.monotonic() - began < 5
    with db.reading() as session:
        assert session.scalars(sa.select(Attempt)).all() == []
