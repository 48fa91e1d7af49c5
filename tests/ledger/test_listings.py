"""Listings of calls and texts: what they hold, in which order, with how many queries."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic
from ringnote.ledger.corrections import correct_call
from ringnote.ledger.entries import list_entries
from ringnote.ledger.listings import count_backlog, list_calls, list_conversations, list_recent
from ringnote.models import Entry, EntryKind, EntryState
from stories import CALLER, Phone, entries, settle

STRANGER = "+12125550177"


@pytest.fixture
def clinic(db):
    clinic = make_clinic(db)
    make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    return clinic


@pytest.fixture
def phone(runtime, clinic):
    return Phone(runtime, clinic)


def keys(told):
    return [each["key"] for each in told]


@contextmanager
def counting_queries(runtime):
    found = []

    def count(_connection, _cursor, statement, *_):
        found.append(statement)

    sa.event.listen(runtime.db.engine, "before_cursor_execute", count)
    yield found
    sa.event.remove(runtime.db.engine, "before_cursor_execute", count)


def test_calls_and_texts_come_together_newest_first(runtime, phone):
    phone.missed("u-1")
    phone.text("Is Rex ready?")
    phone.missed("u-2")
    settle(runtime)

    with runtime.db.reading() as session:
        assert keys(list_recent(session)) == ["u-2", "c-1", "u-1"]
        assert keys(list_recent(session, limit=2)) == ["u-2", "c-1"]


def test_each_is_shown_where_it_needs_somebody(runtime, phone):
    phone.missed("u-waits", caller=STRANGER)
    phone.answered("u-refused")
    phone.at = runtime.clock() - timedelta(seconds=60)
    phone.rings("u-open")
    phone.text("Is Rex ready?", client="+12125550178")
    settle(runtime)
    with runtime.db.transaction() as session:
        refused = sa.update(Entry).where(Entry.state == EntryState.DUE)
        session.execute(refused.values(state=EntryState.SET_ASIDE))

    with runtime.db.reading() as session:
        shown = {
            each: keys(list_recent(session, show=each)) for each in ("waiting", "set_aside", "open")
        }

    assert shown == {
        "waiting": ["c-1", "u-waits"],
        "set_aside": ["u-refused"],
        "open": ["u-open"],
    }


def test_a_call_whose_callback_s_task_was_set_aside_is_shown_as_such(runtime, phone, clinic):
    for call in ("u-1", "u-2"):
        phone.missed(call)
    settle(runtime)
    with runtime.db.transaction() as session:
        correct_call(session, runtime.db, clinic.id, "u-1", "answered", "Kim", "", runtime.clock())
    settle(runtime)
    with runtime.db.transaction() as session:
        task = sa.update(Entry).where(Entry.kind == EntryKind.TASK)
        session.execute(task.values(state=EntryState.SET_ASIDE))

    with runtime.db.reading() as session:
        shown = list_calls(session, show="set_aside")

    assert [(each["key"], each["disposition"]) for each in shown] == [("u-2", "set_aside")]


def test_a_call_without_a_match_yet_tells_what_came(runtime, phone):
    phone.missed("u-1", caller="anonymous")
    settle(runtime)

    with runtime.db.reading() as session:
        [told] = list_calls(session, outcome="missed")

    assert (told["number"], told["disposition"], told["match"]["kind"]) == (
        "anonymous",
        "filtered",
        "withheld",
    )
    assert told["standing"].startswith("nothing is written: the number was withheld")


@pytest.mark.parametrize("timezone", ["America/New_York", "Pacific/Auckland"])
def test_days_are_the_clinic_s_own_also_when_its_clock_changes(runtime, db, timezone):
    clinic = make_clinic(db, timezone=timezone)
    days = [datetime(2026, month, 1, 12, tzinfo=UTC) for month in (1, 7)]
    for number, at in enumerate(days):
        Phone(runtime, clinic, at=at).missed(f"u-{number}")
    settle(runtime)

    with runtime.db.reading() as session:
        [january, july] = [
            told["at"].astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
            for told in reversed(list_calls(session))
        ]
        for key, local in (("u-0", january), ("u-1", july)):
            just, after = timedelta(0), timedelta(seconds=1)
            assert keys(list_calls(session, since=local, before=local + after)) == [key]
            assert keys(list_calls(session, since=local - after, before=local - just)) == []


def test_listings_take_as_many_queries_however_long_they_are(runtime, phone):
    def count():
        phone.missed(f"u-{phone.at:%H%M%S}")
        phone.missed(f"v-{phone.at:%H%M%S}", caller=STRANGER)
        phone.at += timedelta(days=1)
        phone.text("Is Rex ready?")
        settle(runtime)
        with runtime.db.reading() as session, counting_queries(runtime) as found:
            list_calls(session)
            list_conversations(session)
            list_entries(session)
        return len(found)

    phone.at -= timedelta(days=9)
    first = count()

    assert [count(), count()] == [first, first]


def test_the_backlog_counts_calls_and_texts_as_their_lists_do(runtime, phone):
    phone.missed("u-1", caller=STRANGER)
    phone.text("Is Rex ready?", client=STRANGER)
    phone.post(b"eventType=HangupCall&containerId=654321&callUuid=u-9")
    settle(runtime)

    with runtime.db.reading() as session:
        counts = count_backlog(session)
        listed = list_recent(session, show="waiting")

    assert counts == {
        "clinics": 1,
        "due": 0,
        "outbox": 0,
        "waiting": len(listed),
        "set_aside": 0,
        "quarantined": 1,
        "paused": 0,
    }
    assert len(listed) == 2
    assert len(entries(runtime)) == 3
