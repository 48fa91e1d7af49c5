"""What settling asks of the database: how often, and how much of it that reads through."""

import re
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection
from plans import NUMBER, multiply, planning
from ringnote.ledger.settle import settle_due
from ringnote.models import Call, Callback, CallbackMember, ClientNumber, Entry, Match
from stories import CALLER, Phone, entries, settle

HISTORY = 20_000
OTHER = "+13125550199"
READ_THROUGH = {
    "sqlite": re.compile(
        r"SCAN ringnote_(?!connection)|ringnote_(?:call|callback|match|entry)\w* USING.*"
        r"\(clinic_id=\?(?: AND started_at\S*)*\)"
    ),
    "postgresql": re.compile(
        r"Seq Scan on ringnote_(?:call|callback|match|entry|client_number)|"
        r"on \w*ringnote_(?:call|match|entry|client_number)\w*[^\n]*\n"
        r"\s+Index Cond: \(+clinic_id = \S+\)(?: AND \(started_at [^)]*\)+)*\)?$",
        re.MULTILINE,
    ),
}


@pytest.fixture
def phone(runtime, monkeypatch):
    return known_to(runtime, make_clinic(runtime.db), monkeypatch)


def known_to(runtime, clinic, monkeypatch):
    """The phone of a clinic that knows its caller, and has a PMS that other calls came to."""
    # It tells the workers from a thread of its own, which would be counted.
    monkeypatch.setattr(runtime.waker, "notify", lambda: None)
    make_connection(runtime.db, clinic)
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    make_client(runtime.db, clinic, "C2", "Ann Poe", numbers=[OTHER])
    phone = Phone(runtime, clinic)
    phone.missed("u-other", caller=OTHER)
    settle(runtime)
    return phone


@contextmanager
def listening(db):
    """The statements that are sent within the block."""
    sent = []

    def note(_connection, _cursor, statement, *_more):
        sent.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    yield sent
    sa.event.remove(db.engine, "before_cursor_execute", note)


# On SQLite the first of each number finds what is due, on both the next takes it: on SQLite by a
# BEGIN IMMEDIATE, on PostgreSQL by a lock. There the caller is locked, too, and looked at again.
@pytest.mark.parametrize(
    ("story", "statements"),
    [("answered", {True: 20, False: 21}), ("missed", {True: 27, False: 28})],
)
def test_a_call_is_settled_in_few_statements(db, runtime, phone, story, statements):
    getattr(phone, story)("u-1")

    with listening(db) as sent:
        settle_due(runtime)

    assert len(entries(runtime)) == (3 if story == "answered" else 4)
    assert len(sent) == statements[db.is_sqlite], "\n".join(sent)


def test_a_call_that_is_told_anew_is_settled_in_few_statements(db, runtime, phone):
    phone.answered("u-1")
    settle(runtime)
    phone.answer("u-1")

    with listening(db) as sent:
        settle_due(runtime)

    assert len(sent) == (18 if db.is_sqlite else 19), "\n".join(sent)


def test_nothing_is_asked_twice_in_a_settling(db, runtime, phone):
    phone.missed("u-1")

    with listening(db) as sent:
        settle_due(runtime)

    # But for the callbacks of the caller, once it is locked.
    asked = [
        each for each in sent if each.startswith("SELECT") and "ringnote_callback." not in each
    ]
    assert sorted(asked) == sorted(set(asked))


def test_on_postgresql_an_answered_call_takes_twenty_three_round_trips(phoned, monkeypatch):
    bare, wire = phoned
    phone = known_to(bare.runtime, bare.clinic, monkeypatch)
    for number in range(10):  # After a few times the driver has its statements prepared.
        phone.answered(f"u-{number}")
        settle(phone.runtime)
    phone.answered("u-more")
    before = wire.turns

    settle_due(phone.runtime)

    # Around its 20 statements are BEGIN and COMMIT, and first the pool sees that the connection
    # lives. What is due was asked for before that, in the same way.
    assert wire.turns - before == 4 + 23


def test_no_step_of_a_settling_reads_through_what_a_clinic_went_through(db, runtime, phone):
    key, word = NUMBER + 10**6, sa.cast(NUMBER + 10**6, sa.Text())
    with db.transaction() as session:
        multiply(session, Call, HISTORY, id=key, call_uuid=word, number=word)
        multiply(session, Match, HISTORY, id=key, subject_id=key, number=word, client=word)
        multiply(session, Callback, HISTORY, id=key, number=word, client=word)
        multiply(session, CallbackMember, HISTORY, callback_id=key, subject_id=key)
        multiply(session, Entry, HISTORY, id=key, subject_id=key, client=word, reference=word)
        multiply(session, ClientNumber, HISTORY, id=key, number=word, national=word)
        if not db.is_sqlite:  # which keeps no statistics in use
            session.execute(sa.text("ANALYZE"))
    phone.missed("u-1")

    with planning(db) as plans:
        settle_due(runtime)

    mark = READ_THROUGH[db.url.get_backend_name()]
    assert any("ringnote_callback" in plan for _, plan in plans)
    assert [(statement, plan) for statement, plan in plans if mark.search(plan)] == []
