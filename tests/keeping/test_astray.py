"""What is settled in the moment in which a clinic's connection changes is not left behind."""

import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.delivery.connections import end_connection
from ringnote.models import Connection, EntryState, OutboxRow
from stories import CALLER, Phone, entries, purge, settle, write


def settle_by(runtime, monkeypatch, connection):
    """Settle as one does who read the clinic's connection before it changed."""
    read = "ringnote.directory.accounts._read_connections"
    with monkeypatch.context() as patch:
        patch.setattr(read, lambda *_: [connection] if connection else [])
        settle(runtime)


def change(runtime, clinic, former, **settings):
    with runtime.db.transaction() as session:
        end_connection(session, former.id, utc_now())
    return make_connection(runtime.db, clinic, **settings)


def called(runtime):
    clinic = make_clinic(runtime.db)
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    Phone(runtime, clinic).answered("u-1")
    return clinic


def test_what_was_settled_by_a_connection_that_had_just_ended_is_written(runtime, monkeypatch):
    clinic, pms = called(runtime), MemoryConnector()
    former = make_connection(runtime.db, clinic)
    change(runtime, clinic, former)
    settle_by(runtime, monkeypatch, former)
    write(runtime, pms)
    before = len(pms.notes)

    told = purge(runtime)
    write(runtime, pms)

    assert (before, len(pms.notes), told["brought_back"]) == (0, 1, 1)
    assert purge(runtime).get("brought_back") is None


def test_what_was_settled_before_a_first_connection_was_there_is_written(runtime, monkeypatch):
    clinic, pms = called(runtime), MemoryConnector()
    make_connection(runtime.db, clinic)
    settle_by(runtime, monkeypatch, None)

    purge(runtime)
    write(runtime, pms)

    assert len(pms.notes) == 1


def test_what_stands_at_a_former_account_stays_there(runtime, monkeypatch):
    clinic, pms = make_clinic(runtime.db), MemoryConnector()
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    former = make_connection(runtime.db, clinic)
    phone = Phone(runtime, clinic)
    phone.missed("u-1")
    settle(runtime)
    write(runtime, pms)
    change(runtime, clinic, former, settings={"base_url": "http://127.0.0.1:7"})
    phone.answer("u-1")
    settle_by(runtime, monkeypatch, former)

    told = purge(runtime)

    with runtime.db.reading() as session:
        rows = session.scalars(sa.select(OutboxRow)).all()
    assert (told.get("brought_back"), rows) == (2, [])
    assert [each.state for each in entries(runtime)] == [EntryState.SYNCED] * 2
    assert purge(runtime).get("brought_back") is None


def test_what_names_a_client_of_another_account_is_matched_anew(runtime, monkeypatch):
    clinic, pms = called(runtime), MemoryConnector()
    former = make_connection(runtime.db, clinic)
    elsewhere = change(runtime, clinic, former, settings={"base_url": "http://127.0.0.1:7"})
    settle_by(runtime, monkeypatch, former)

    purge(runtime)
    settle(runtime)
    write(runtime, pms)

    [entry] = [each for each in entries(runtime) if each.state is not EntryState.WITHDRAWN]
    with runtime.db.reading() as session:
        in_use = session.scalars(sa.select(Connection).where(Connection.ended_at.is_(None))).one()
    assert (entry.state, pms.notes, in_use.id) == (EntryState.WAITING, {}, elsewhere.id)
