"""Retries of many entries: exactly those that were counted, each in its turn, or put back."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from factories import make_clinic, make_connection, make_entry
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.delivery import retries
from ringnote.delivery.connections import pause_connection, resume_connection
from ringnote.delivery.failed import Filter, choose
from ringnote.delivery.outbox import claim
from ringnote.delivery.retries import BATCH, begin_retry, cancel_retry, carry_out
from ringnote.delivery.retries_told import tell_retries, tell_retry
from ringnote.errors import InputError, RecordRejected, Temporary
from ringnote.ledger.reconcile import place
from ringnote.models import (
    Attempt,
    Doubt,
    Entry,
    EntryKind,
    EntryState,
    OutboxRow,
    Retried,
    Retry,
)
from stories import write

MANY = 4_000
LATER = timedelta(hours=3)
TENTH = timedelta(seconds=0.1)


@pytest.fixture
def clinic(db):
    return make_clinic(db)


@pytest.fixture
def connection(db, clinic):
    return make_connection(db, clinic)


def quiet(_done: int) -> None:
    pass


def set_aside(db, clinic, connection, **over) -> int:
    """An entry that its PMS refused."""
    entry_id = make_entry(db, clinic, connection, **over)
    with db.transaction() as session:
        entry = session.get_one(Entry, entry_id)
        entry.state, entry.reason = EntryState.SET_ASIDE, "the PMS refused the title"
        session.execute(sa.delete(OutboxRow).where(OutboxRow.entry_id == entry_id))
    return entry_id


def retrying(db, clinic, connection, **over) -> int:
    """An entry that failed twice, and is tried again in some hours."""
    entry_id = make_entry(db, clinic, connection, **over)
    with db.transaction() as session:
        entry, row = session.get_one(Entry, entry_id), session.get_one(OutboxRow, entry_id)
        entry.state, entry.reason = EntryState.RETRYING, "the PMS is busy"
        row.due_at, row.queued_at, row.attempts = utc_now() + LATER, utc_now() - LATER, 2
    return entry_id


def make_many(db, clinic, connection) -> None:
    """Every other one set aside, the others retrying."""
    numbers = sa.select(sa.literal(0).label("n")).cte("numbers", recursive=True)
    following = sa.select(numbers.c.n + 1).where(numbers.c.n < MANY - 1)
    n = numbers.union_all(following).c.n
    now = sa.literal(utc_now(), Entry.created_at.type)
    entries = {
        "subject_id": n,
        "reference": "rn-" + sa.cast(n, sa.Text),
        "state": sa.case((n % 2 == 0, "set_aside"), else_="retrying"),
        "clinic_id": sa.literal(clinic.id),
        "subject_kind": sa.literal("call"),
        "kind": sa.literal("note"),
        "client": sa.literal("C1"),
        "content": sa.literal({}, Entry.content.type),
        "version": sa.literal(1),
        "incarnation": sa.literal(1),
        "is_wanted": sa.true(),
        "created_at": now,
        "updated_at": now,
    }
    rows = {
        "entry_id": Entry.id,
        "connection_id": sa.literal(connection.id),
        "attempts": sa.literal(1),
        "is_in_doubt": sa.false(),
        "due_at": sa.literal(utc_now() + LATER, Entry.created_at.type),
        "queued_at": Entry.created_at,
    }
    is_retrying = Entry.state == EntryState.RETRYING
    with db.transaction() as session:
        for table, values in ((Entry, entries), (OutboxRow, rows)):
            query = sa.select(*values.values())
            query = query if table is Entry else query.where(is_retrying)
            session.execute(sa.insert(table).from_select(list(values), query))


def retry(db, wanted=None, rate=None) -> int:
    """The id of a retry of all these, carried out; exactly those that were counted."""
    with db.reading() as session:
        chosen = choose(session, wanted or Filter())
    retry_id = begin_retry(db, chosen, {}, rate, "amy")
    assert carry_out(db, retry_id, chosen.ids, quiet) == len(chosen.ids)
    assert chosen.counts.total() == len(chosen.ids)
    return retry_id


def change(db, table, key, **values) -> None:
    with db.transaction() as session:
        for name, value in values.items():
            setattr(session.get_one(table, key), name, value)


def read(db, table, *order) -> list:
    with db.reading() as session:
        return list(session.scalars(sa.select(table).order_by(*order)))


def standing(db) -> list[tuple]:
    """All that is known of where entries stand."""
    query = (
        sa.select(
            *(Entry.id, Entry.state, Entry.reason, OutboxRow.due_at, OutboxRow.queued_at),
            OutboxRow.attempts,
        )
        .outerjoin(OutboxRow, OutboxRow.entry_id == Entry.id)
        .order_by(Entry.id)
    )
    with db.reading() as session:
        return [tuple(row) for row in session.execute(query)]


def test_many_are_retried_in_their_turn_and_put_back_as_they_stood(db, clinic, connection):
    make_many(db, clinic, connection)
    before = standing(db)
    steps = []

    with db.reading() as session:
        chosen = choose(session, Filter())
    retry_id = begin_retry(db, chosen, {}, 600, "amy")
    done = carry_out(db, retry_id, chosen.ids, steps.append)

    [asked] = read(db, Retry)
    with db.reading() as session:
        turns = sa.select(OutboxRow.entry_id, OutboxRow.due_at).order_by(OutboxRow.due_at)
        ids, times = zip(*session.execute(turns), strict=True)
    assert (done, asked.count, len(steps)) == (MANY, MANY, MANY / BATCH)
    assert ids == tuple(chosen.ids)
    off = (abs((at - asked.asked_at) / TENTH - place) for place, at in enumerate(times))
    assert max(off) <= 0.01
    assert {state for _, state, *_ in standing(db)} == {EntryState.DUE}

    assert cancel_retry(db, retry_id, "amy", quiet) == MANY
    assert standing(db) == before


def test_without_a_rate_all_are_due_at_once(runtime, db, clinic, connection):
    set_aside(db, clinic, connection)
    retrying(db, clinic, connection)
    pms = MemoryConnector()

    retry(db)
    write(runtime, pms)

    assert {entry.state for entry in read(db, Entry)} == {EntryState.SYNCED}
    assert len(pms.notes) == 2


def test_filters_narrow_together(db, clinic, connection):
    there = make_clinic(db)
    elsewhere = set_aside(db, there, make_connection(db, there))
    note = set_aside(db, clinic, connection)
    task = set_aside(db, clinic, connection, kind=EntryKind.TASK, client="C2")
    waiting = retrying(db, clinic, connection)
    make_entry(db, clinic, connection)

    def chosen(**wanted):
        with db.reading() as session:
            return list(choose(session, Filter(**wanted)).ids)

    assert chosen() == [elsewhere, note, task, waiting]
    assert chosen(clinic_id=clinic.id) == [note, task, waiting]
    assert chosen(clinic_id=clinic.id, state=EntryState.SET_ASIDE) == [note, task]
    assert chosen(kind=EntryKind.NOTE, state=EntryState.SET_ASIDE) == [elsewhere, note]
    assert chosen(client="C2") == [task]
    assert chosen(client="C2", kind=EntryKind.NOTE) == []


def test_since_when_they_failed_is_by_the_tries_and_the_clinics_own_clock(runtime, db):
    clinic = make_clinic(db, timezone="Asia/Tokyo")
    connection = make_connection(db, clinic)
    failing, resting = make_entry(db, clinic, connection), make_entry(db, clinic, connection)
    pms = MemoryConnector()
    pms.failures = [Temporary("the PMS is busy", status=503)] * 2
    write(runtime, pms)
    with db.transaction() as session:
        last = session.scalars(sa.select(Attempt).where(Attempt.entry_id == resting)).one()
        last.outcome = "snoozed"

    def chosen(since):
        with db.reading() as session:
            return list(choose(session, Filter(failed_since=since)).ids)

    here = utc_now().astimezone(ZoneInfo("Asia/Tokyo")).replace(tzinfo=None)
    assert chosen(here - timedelta(minutes=5)) == [failing]
    assert chosen(here + timedelta(minutes=5)) == []


def test_what_a_person_or_a_pms_is_missing_for_is_left_apart(db, clinic, connection):
    failed = retrying(db, clinic, connection)
    asking = set_aside(db, clinic, connection)
    change(db, Entry, asking, doubt=Doubt.ASKED)
    set_aside(db, make_clinic(db), None)
    watched = make_clinic(db, is_watch_only=True)
    set_aside(db, watched, make_connection(db, watched))
    former = make_connection(db, clinic, ended_at=utc_now())
    change(db, Entry, set_aside(db, clinic, connection), pms_id="N1", connection_id=former.id)
    tried = retrying(db, clinic, connection)
    change(db, OutboxRow, tried, lease_token="held")

    with db.reading() as session:
        chosen = choose(session, Filter())
    retry(db)

    assert list(chosen.ids) == [failed]
    assert chosen.counts == {(clinic.id, EntryKind.NOTE): 1}
    assert (chosen.asking, chosen.without_pms, chosen.under_way) == (1, 3, 1)
    assert [each.id for each in read(db, Entry) if each.state is EntryState.DUE] == [failed]


def test_what_has_moved_on_since_it_was_counted_stays_as_it_is(db, clinic, connection):
    moved, leased, left = (retrying(db, clinic, connection) for _ in range(3))
    with db.reading() as session:
        chosen = choose(session, Filter())
    change(db, Entry, moved, state=EntryState.SYNCED, reason=None)
    change(db, OutboxRow, leased, lease_token="held")
    before = standing(db)

    done = carry_out(db, begin_retry(db, chosen, {}, None, "amy"), chosen.ids, quiet)

    assert (len(chosen.ids), done) == (3, 1)
    assert standing(db)[:2] == before[:2]
    assert [each.entry_id for each in read(db, Retried)] == [left]


def test_what_somebody_has_locked_is_not_waited_for(db, clinic, connection):
    if db.is_sqlite:
        return
    locked, kept, left = (set_aside(db, clinic, connection) for _ in range(3))
    with db.reading() as session:
        chosen = choose(session, Filter())
    retry_id = begin_retry(db, chosen, {}, 1, "amy")
    with db.transaction() as session:
        session.get(Entry, locked, with_for_update=True)
        assert carry_out(db, retry_id, chosen.ids, quiet) == 2
    with db.transaction() as session:
        session.get(OutboxRow, kept, with_for_update=True)
        assert cancel_retry(db, retry_id, "amy", quiet) == 1

    states = {each.id: each.state for each in read(db, Entry)}
    assert states == dict.fromkeys((locked, left), EntryState.SET_ASIDE) | {kept: EntryState.DUE}


def test_what_was_perhaps_written_stays_in_doubt(db, clinic, connection):
    entry_id = retrying(db, clinic, connection)
    never = datetime.max.replace(tzinfo=UTC)
    change(db, OutboxRow, entry_id, is_in_doubt=True, due_at=never)
    change(db, Entry, entry_id, state=EntryState.SET_ASIDE)
    before = standing(db)

    retry_id = retry(db)
    [row] = read(db, OutboxRow)
    assert row.is_in_doubt
    assert row.due_at < utc_now()

    cancel_retry(db, retry_id, "amy", quiet)
    assert standing(db) == before


def test_cancelling_leaves_alone_what_was_tried(runtime, db, clinic, connection):
    refused, written, left = (set_aside(db, clinic, connection) for _ in range(3))
    retry_id = retry(db, rate=1)
    change(db, OutboxRow, written, due_at=utc_now())
    pms = MemoryConnector()
    pms.failures = [RecordRejected("the PMS refused the body", status=422)]
    write(runtime, pms)

    assert cancel_retry(db, retry_id, "amy", quiet) == 1

    told = {each.id: (each.state, each.reason) for each in read(db, Entry)}
    assert told == {
        refused: (EntryState.SET_ASIDE, "the PMS refused the body"),
        written: (EntryState.SYNCED, None),
        left: (EntryState.SET_ASIDE, "the PMS refused the title"),
    }
    assert read(db, OutboxRow) == []
    assert cancel_retry(db, retry_id, "bob", quiet) == 0
    [asked] = read(db, Retry)
    assert asked.cancelled_by == "amy"


def test_cancelled_while_it_is_carried_out_it_ends(db, clinic, connection, monkeypatch):
    monkeypatch.setattr(retries, "BATCH", 1)
    for _ in range(3):
        set_aside(db, clinic, connection)
    before = standing(db)
    with db.reading() as session:
        chosen = choose(session, Filter())
    retry_id = begin_retry(db, chosen, {}, None, "amy")

    done = carry_out(
        db, retry_id, chosen.ids, lambda _done: cancel_retry(db, retry_id, "bob", quiet)
    )

    assert done == 1
    assert standing(db) == before


def test_a_retry_that_is_not_there_is_not_cancelled(db):
    with pytest.raises(InputError, match="no retry 7"):
        cancel_retry(db, 7, "amy", quiet)


def test_a_new_version_is_written_at_once_and_not_put_back(db, clinic, connection):
    entry_id = set_aside(db, clinic, connection)
    retry_id = retry(db, rate=1)
    with db.transaction() as session:
        place(session, db, session.get_one(Entry, entry_id), connection, utc_now())

    assert cancel_retry(db, retry_id, "amy", quiet) == 0
    assert [each.reason for each in read(db, Entry)] == [None]
    assert [each.entry_id for each in claim(db, 10)] == [entry_id]


def test_a_resumed_connection_keeps_to_the_rate(db, clinic, connection):
    for _ in range(3):
        set_aside(db, clinic, connection)
    retry(db, rate=1)
    with db.transaction() as session:
        pause_connection(session, connection.id, "the vet is away")
        resume_connection(session, db, connection.id)

    assert len(claim(db, 10)) == 1


def test_how_far_a_retry_has_come_is_told(runtime, db, clinic, connection):
    for _ in range(4):
        set_aside(db, clinic, connection)
    retry_id = retry(db, rate=1)
    with db.transaction() as session:
        first = sa.select(OutboxRow).order_by(OutboxRow.due_at).limit(2).offset(1)
        session.scalars(first).first().due_at = utc_now()
    pms = MemoryConnector()
    pms.failures = [RecordRejected("the PMS refused the body", status=422)]
    write(runtime, pms)

    with db.reading() as session:
        told, [listed] = tell_retry(session, retry_id), tell_retries(session, 10)
    failed_for = [{"reason": "the PMS refused the body", "count": 1}]
    assert told == listed | {"failed_for": failed_for, "paused": []}
    counts = {name: told[name] for name in ("count", "queued", "done", "left", "failed")}
    assert counts == {"count": 4, "queued": 4, "done": 1, "left": 2, "failed": 1}
    lasts = told["last_due_at"] - told["asked_at"]
    assert abs(lasts - timedelta(minutes=3)) <= timedelta(milliseconds=1)

    cancel_retry(db, retry_id, "bob", quiet)
    with db.reading() as session:
        told = tell_retry(session, retry_id)
    assert (told["done"], told["left"], told["failed"], told["put_back"]) == (1, 0, 1, 2)
    assert (told["cancelled_by"], told["last_due_at"]) == ("bob", None)
