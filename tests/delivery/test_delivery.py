"""Claim, deliver and finish, together on a real database."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_clinic, make_connection, make_entry
from fakes import MemoryConnector, tools
from ringnote.clock import utc_now
from ringnote.delivery import outbox
from ringnote.delivery.connections import pause_refused, resume_connection
from ringnote.delivery.deliver import deliver
from ringnote.delivery.doubt import CLOSED_IN_PMS
from ringnote.delivery.finish import finish_all
from ringnote.delivery.retry import Next, Verdict
from ringnote.errors import (
    CredentialsRejected,
    OutcomeUnknown,
    RateLimited,
    RecordGone,
    RecordRejected,
    Temporary,
)
from ringnote.exchanges import Answered, Sent, note_exchange
from ringnote.models import (
    Attempt,
    Connection,
    ConnectionState,
    Entry,
    EntryKind,
    EntryState,
    OutboxRow,
    Pace,
)
from ringnote.signals import connection_paused


@pytest.fixture
def clinic(db):
    return make_clinic(db)


@pytest.fixture
def connection(db, clinic):
    return make_connection(db, clinic)


@pytest.fixture
def pms():
    return MemoryConnector()


def write(db, pms, limit=10):
    """One round of what a worker does; how many were tried."""
    work = outbox.claim(db, limit)
    for each in work:
        finish_all(db, [(each, deliver(each, pms, tools(db)))])
    return len(work)


def amend(db, entry_id, body):
    with db.transaction() as session:
        entry = session.get_one(Entry, entry_id)
        entry.content = {**entry.content, "body": body}
        entry.version += 1
        outbox.enqueue(session, db, entry, entry.connection_id or connection_id(session))


def complete(db, entry_id, is_done=True, **content):
    with db.transaction() as session:
        entry = session.get_one(Entry, entry_id)
        entry.content = {**entry.content, "is_done": is_done, **content}
        entry.version += 1
        outbox.enqueue(session, db, entry, entry.connection_id or connection_id(session))


def withdraw(db, entry_id):
    with db.transaction() as session:
        entry = session.get_one(Entry, entry_id)
        entry.is_wanted = False
        entry.version += 1
        outbox.place(session, db, entry, session.scalars(sa.select(Connection)).one(), utc_now())


def revive(db, entry_id):
    with db.transaction() as session:
        entry = session.get_one(Entry, entry_id)
        entry.is_wanted = True
        entry.version += 1
        outbox.place(session, db, entry, session.scalars(sa.select(Connection)).one(), utc_now())


def connection_id(session):
    return session.scalars(sa.select(Connection.id)).one()


def have_it_due(db, entry_id):
    with db.transaction() as session:
        session.execute(sa.update(OutboxRow).values(due_at=utc_now() - timedelta(seconds=1)))
        session.execute(sa.update(Pace).values(blocked_until=None))


def look(db, entry_id):
    with db.reading() as session:
        return session.get_one(Entry, entry_id), session.get(OutboxRow, entry_id)


def test_a_due_entry_is_written_and_leaves_the_outbox(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (entry.state, entry.written_version, row) == (EntryState.SYNCED, 1, None)
    assert pms.notes[entry.pms_id].body.endswith(entry.reference)


def test_nothing_is_claimed_twice(db, connection, clinic):
    make_entry(db, clinic, connection)

    first, second = outbox.claim(db, 10), outbox.claim(db, 10)

    assert (len(first), len(second)) == (1, 0)


def test_claims_by_many_threads_at_once_share_the_rows(db, clinic):
    connections = [make_connection(db, make_clinic(db)) for _ in range(8)]
    for connection in connections:
        for _ in range(3):
            make_entry(db, connection.clinic_id, connection)
    claimed = []

    def take():
        while work := outbox.claim(db, 2):
            claimed.extend(each.entry_id for each in work)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claimed) == len(set(claimed))
    assert len(claimed) + _left(db) == 24


def _left(db):
    with db.reading() as session:
        query = sa.select(sa.func.count()).where(OutboxRow.lease_token.is_(None))
        return session.scalars(query).one()


def test_a_worker_that_lost_its_lease_changes_nothing(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    [slow] = outbox.claim(db, 1)
    have_it_due(db, entry_id)
    [quick] = outbox.claim(db, 1)
    finish_all(db, [(quick, deliver(quick, pms, tools(db)))])

    finish_all(db, [(slow, deliver(slow, pms, tools(db)))])

    entry, row = look(db, entry_id)
    with db.reading() as session:
        said = session.scalars(sa.select(Attempt.error).order_by(Attempt.id)).all()
    assert said == [None, "the lease was lost meanwhile"]
    assert (entry.state, row, len(pms.notes)) == (EntryState.SYNCED, None, 1)


def test_a_worker_that_died_after_its_create_leaves_no_second_note(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    [work] = outbox.claim(db, 1)
    deliver(work, pms, tools(db))
    have_it_due(db, entry_id)

    write(db, pms)

    entry, _ = look(db, entry_id)
    assert (len(pms.notes), entry.state) == (1, EntryState.SYNCED)
    assert "find_by_reference" in pms.calls


def test_nothing_is_sent_once_the_lease_cannot_be_relied_on(db, connection, clinic, pms):
    make_entry(db, clinic, connection)
    [work] = outbox.claim(db, 1)

    result = deliver(work, pms, tools(db, lambda _: False))

    assert pms.calls == []
    assert result.verdict.next == "again"


def test_a_lease_that_runs_out_during_a_look_up_keeps_the_text_from_being_sent(
    db, connection, clinic, pms
):
    entry_id = make_entry(db, clinic, connection, EntryKind.TASK)
    write(db, pms)
    amend(db, entry_id, "An old text")
    [slow] = outbox.claim(db, 1)
    answers = iter([True, False])

    result = deliver(slow, pms, tools(db, lambda _: next(answers)))

    assert pms.calls[-1] == "get_task"
    assert result.verdict.reason == "the lease ran out before it was sent"


@pytest.mark.parametrize("is_done", [True, False])
def test_what_was_sent_without_a_lease_is_written_over(db, connection, clinic, pms, is_done):
    entry_id = make_entry(db, clinic, connection)
    write(db, pms)
    amend(db, entry_id, "An old text")
    [slow] = outbox.claim(db, 1)
    amend(db, entry_id, "The newest text")
    have_it_due(db, entry_id)
    [quick] = outbox.claim(db, 1)
    written = deliver(quick, pms, tools(db))
    late = deliver(slow, pms, tools(db))

    for work, result in [(quick, written), (slow, late)][:: 1 if is_done else -1]:
        finish_all(db, [(work, result)])
    write(db, pms)

    entry, row = look(db, entry_id)
    assert (entry.state, row) == (EntryState.SYNCED, None)
    assert pms.notes[entry.pms_id].body.startswith("The newest text")


def test_a_note_created_without_a_lease_is_deleted_if_it_is_not_wanted_any_more(
    db, connection, clinic, pms
):
    pms.capabilities = replace(pms.capabilities, idempotency_key=False)
    entry_id = make_entry(db, clinic, connection)
    [slow] = outbox.claim(db, 1)
    withdraw(db, entry_id)
    have_it_due(db, entry_id)
    write(db, pms)
    finish_all(db, [(slow, deliver(slow, pms, tools(db)))])
    written = len(pms.notes)

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (written, len(pms.notes)) == (1, 0)
    assert (entry.state, row) == (EntryState.WITHDRAWN, None)


@pytest.mark.parametrize("kind", [EntryKind.NOTE, EntryKind.TASK])
@pytest.mark.parametrize("is_wanted_again", [True, False])
def test_a_create_that_the_pms_carries_out_after_it_was_withdrawn_leaves_nothing(
    db, connection, clinic, pms, kind, is_wanted_again
):
    entry_id = make_entry(db, clinic, connection, kind)
    [of_the_dead] = outbox.claim(db, 1)
    withdraw(db, entry_id)
    have_it_due(db, entry_id)
    write(db, pms)
    if is_wanted_again:
        revive(db, entry_id)
        have_it_due(db, entry_id)
        write(db, pms)

    deliver(of_the_dead, pms, tools(db))

    entry, row = look(db, entry_id)
    assert list(pms.notes | pms.tasks) == ([entry.pms_id] if is_wanted_again else [])
    assert (entry.is_wanted, row) == (is_wanted_again, None)


@pytest.mark.parametrize("kind", [EntryKind.NOTE, EntryKind.TASK])
@pytest.mark.parametrize("lack", [{}, {"find_by_reference": False}, {"idempotency_key": False}])
def test_what_a_worker_deleted_before_it_died_is_written_again_once_wanted(
    db, connection, clinic, pms, kind, lack
):
    pms.capabilities = replace(pms.capabilities, **lack)
    entry_id = make_entry(db, clinic, connection, kind)
    pms.failures = [(OutcomeUnknown("no answer"), True)]
    write(db, pms)
    withdraw(db, entry_id)
    have_it_due(db, entry_id)
    [of_the_dead] = outbox.claim(db, 1)
    deliver(of_the_dead, pms, tools(db))
    gone = len(pms.notes | pms.tasks)
    revive(db, entry_id)
    have_it_due(db, entry_id)

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (gone, entry.state, row) == (0, EntryState.SYNCED, None)
    assert list(pms.notes | pms.tasks) == [entry.pms_id]


@pytest.mark.parametrize("kind", [EntryKind.NOTE, EntryKind.TASK])
@pytest.mark.parametrize("is_wanted", [True, False])
def test_what_a_worker_wrote_anew_before_it_died_is_known(
    db, connection, clinic, pms, kind, is_wanted
):
    entry_id = make_entry(db, clinic, connection, kind)
    write(db, pms)
    withdraw(db, entry_id)
    pms.failures = [(Temporary("a broken answer"), True)]
    write(db, pms)
    revive(db, entry_id)
    have_it_due(db, entry_id)
    [of_the_dead] = outbox.claim(db, 1)
    deliver(of_the_dead, pms, tools(db))
    if not is_wanted:
        withdraw(db, entry_id)
    have_it_due(db, entry_id)

    write(db, pms)

    entry, row = look(db, entry_id)
    assert list(pms.notes | pms.tasks) == ([entry.pms_id] if is_wanted else [])
    assert (entry.is_wanted, row) == (is_wanted, None)


def test_a_note_deleted_there_while_its_create_was_in_doubt_is_left_alone(
    db, connection, clinic, pms
):
    entry_id = make_entry(db, clinic, connection)
    pms.failures = [(OutcomeUnknown("no answer"), True)]
    write(db, pms)
    pms.notes.clear()
    have_it_due(db, entry_id)

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (pms.notes, entry.state, row) == ({}, EntryState.SYNCED, None)
    assert entry.reason == "it was deleted in the PMS, so it is left alone"


def test_what_the_pms_refuses_needs_no_removal(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    outbox.claim(db, 1)
    withdraw(db, entry_id)
    have_it_due(db, entry_id)
    pms.failures = [RecordRejected("the PMS answered 422", status=422)]

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (pms.notes, entry.state, row) == ({}, EntryState.WITHDRAWN, None)


def test_nothing_is_written_to_be_called_withdrawn(db, connection, clinic, pms):
    pms.capabilities = replace(pms.capabilities, delete_note=False)
    entry_id = make_entry(db, clinic, connection)
    outbox.claim(db, 1)
    withdraw(db, entry_id)
    have_it_due(db, entry_id)

    write(db, pms)

    assert (pms.notes, look(db, entry_id)[0].state) == ({}, EntryState.WITHDRAWN)


def test_a_version_that_came_while_the_former_was_written_is_due_at_once(
    db, connection, clinic, pms
):
    entry_id = make_entry(db, clinic, connection)
    [work] = outbox.claim(db, 1)
    amend(db, entry_id, "the newer text")
    finish_all(db, [(work, deliver(work, pms, tools(db)))])

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (entry.state, row) == (EntryState.SYNCED, None)
    assert [note.body.startswith("the newer text") for note in pms.notes.values()] == [True]


def test_an_amendment_does_not_move_a_leased_row(db, connection, clinic):
    entry_id = make_entry(db, clinic, connection)
    [work] = outbox.claim(db, 1)
    _, before = look(db, entry_id)

    amend(db, entry_id, "the newer text")

    _, after = look(db, entry_id)
    assert (after.due_at, after.lease_token) == (before.due_at, work.lease_token)


def test_an_answer_lost_after_the_note_was_written_is_looked_up(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    pms.failures = [(OutcomeUnknown("no answer"), True)]
    write(db, pms)
    pending, row = look(db, entry_id)
    have_it_due(db, entry_id)

    write(db, pms)

    entry, _ = look(db, entry_id)
    assert (pending.state, row.is_in_doubt) == (EntryState.RETRYING, True)
    assert (len(pms.notes), entry.state) == (1, EntryState.SYNCED)
    assert pms.calls.count("create_note") == 1


def test_a_create_that_is_never_answered_is_tried_ever_more_rarely(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    waits = []
    for _ in range(7):
        pms.failures = [OutcomeUnknown("no answer")]
        write(db, pms)
        due_at = look(db, entry_id)[1].due_at
        with db.reading() as session:
            waits.append((due_at - db.present(session)).total_seconds())
        have_it_due(db, entry_id)

    assert waits[0] < 5
    assert waits[-1] > 400
    assert pms.calls.count("create_note") == 7

    # An answer, whatever it says, ends the row.
    pms.failures = [Temporary("503", status=503)]
    write(db, pms)
    assert look(db, entry_id)[1].unanswered == 0


def test_a_note_found_by_its_reference_gets_the_newest_text(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    pms.failures = [(OutcomeUnknown("no answer"), True)]
    write(db, pms)
    amend(db, entry_id, "the newer text")

    write(db, pms)

    [note] = pms.notes.values()
    assert note.body.startswith("the newer text")


def test_a_temporary_failure_is_retried_and_counted(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    pms.failures = [Temporary("the PMS answered 503", status=503)]
    began = utc_now()

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (entry.state, entry.reason) == (EntryState.RETRYING, "the PMS answered 503")
    assert row.attempts == 1
    assert began < row.due_at <= utc_now() + timedelta(seconds=5)


def test_a_rate_limit_blocks_the_connection_and_counts_no_attempt(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    pms.failures = [RateLimited("the PMS answered 429", status=429, retry_after=60.0)]

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (entry.state, row.attempts) == (EntryState.DUE, 0)
    assert write(db, pms) == 0


@pytest.mark.parametrize(
    "late",
    [RateLimited("the PMS answered 429", status=429, retry_after=1.0), Temporary("it broke off")],
)
def test_what_was_in_flight_makes_the_rest_that_the_pms_asked_for_no_shorter(
    db, connection, clinic, pms, late
):
    for _ in range(2):
        make_entry(db, clinic, connection)
    asked, in_flight = outbox.claim(db, 2)
    with db.transaction() as session:
        # One more failure opens the breaker.
        session.execute(sa.update(Pace).values(failures=4))
    pms.failures = [RateLimited("the PMS answered 429", status=429, retry_after=3600.0), late]

    for each in (asked, in_flight):
        finish_all(db, [(each, deliver(each, pms, tools(db)))])

    with db.reading() as session:
        pace = session.get_one(Pace, connection.id)
    assert pace.blocked_until > utc_now() + timedelta(minutes=59)
    assert pace.blocked_by == "rate limit"


def test_one_clinics_rate_limit_does_not_hold_up_another(db, connection, clinic, pms):
    other = make_connection(db, make_clinic(db))
    make_entry(db, clinic, connection)
    pms.failures = [RateLimited("the PMS answered 429", status=429, retry_after=60.0)]
    write(db, pms)
    entry_id = make_entry(db, other.clinic_id, other)

    write(db, pms)

    assert look(db, entry_id)[0].state is EntryState.SYNCED


def test_five_outages_in_a_row_open_the_breaker(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    pms.failures = [Temporary("the PMS cannot be reached")] * 5
    for _ in range(5):
        write(db, pms)
        have_it_due(db, entry_id)

    with db.reading() as session:
        pace = session.get_one(Pace, connection.id)
    assert (pace.failures, pace.blocked_by) == (5, "breaker")


def test_refused_credentials_pause_the_connection_and_burn_nothing(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    pms.failures = [CredentialsRejected("the PMS answered 401", status=401)]

    write(db, pms)

    entry, row = look(db, entry_id)
    with db.reading() as session:
        paused = session.get_one(Connection, connection.id)
    assert paused.state is ConnectionState.PAUSED
    assert (entry.state, row.attempts) == (EntryState.DUE, 0)
    assert write(db, pms) == 0


def test_a_refusal_of_what_was_begun_before_the_connection_was_resumed_counts_for_nothing(
    db, connection, clinic, pms
):
    late, next_one = (make_entry(db, clinic, connection) for _ in range(2))
    [work] = outbox.claim(db, 1)
    pms.failures = [CredentialsRejected("the PMS answered 401", status=401)] * 2
    refused = deliver(work, pms, tools(db))
    with db.transaction() as session:
        pause_refused(session, connection.id, "the PMS answered 401", db.present(session))
        resume_connection(session, db, connection.id)

    finish_all(db, [(work, refused)])

    with db.reading() as session:
        assert session.get_one(Connection, connection.id).state is ConnectionState.ACTIVE
    assert [look(db, each)[0].state for each in (late, next_one)] == [EntryState.DUE] * 2
    # One that was begun afterwards does.
    write(db, pms, 1)
    with db.reading() as session:
        assert session.get_one(Connection, connection.id).state is ConnectionState.PAUSED


def test_a_refused_record_is_set_aside_and_a_new_version_revives_it(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    pms.failures = [RecordRejected("the PMS answered 422", status=422)]
    write(db, pms)
    aside, _ = look(db, entry_id)
    amend(db, entry_id, "a better text")

    write(db, pms)

    entry, _ = look(db, entry_id)
    assert (aside.state, aside.reason) == (EntryState.SET_ASIDE, "the PMS answered 422")
    assert entry.state is EntryState.SYNCED


def test_an_entry_no_longer_wanted_is_deleted_there(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    write(db, pms)
    withdraw(db, entry_id)

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (pms.notes, entry.state, entry.pms_id, row) == ({}, EntryState.WITHDRAWN, None, None)
    assert entry.incarnation == 2


def test_an_entry_never_written_is_withdrawn_without_a_word_to_the_pms(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    withdraw(db, entry_id)

    assert write(db, pms) == 0
    assert look(db, entry_id)[0].state is EntryState.WITHDRAWN


def test_a_withdrawn_entry_whose_create_was_in_doubt_is_looked_up_and_deleted(
    db, connection, clinic, pms
):
    entry_id = make_entry(db, clinic, connection)
    pms.failures = [(OutcomeUnknown("no answer"), True)]
    write(db, pms)
    withdraw(db, entry_id)
    have_it_due(db, entry_id)

    write(db, pms)

    assert pms.notes == {}
    assert look(db, entry_id)[0].state is EntryState.WITHDRAWN


@pytest.mark.parametrize("kind", [EntryKind.NOTE, EntryKind.TASK])
@pytest.mark.parametrize("dies", [True, False])
def test_what_is_wanted_again_after_a_delete_without_an_answer_is_written_again(
    db, connection, clinic, pms, kind, dies
):
    entry_id = make_entry(db, clinic, connection, kind)
    write(db, pms)
    withdraw(db, entry_id)
    pms.failures = [(Temporary("a broken answer"), True)]
    [work] = outbox.claim(db, 1)
    result = deliver(work, pms, tools(db))
    if not dies:
        finish_all(db, [(work, result)])
    revive(db, entry_id)
    have_it_due(db, entry_id)
    gone = len(pms.notes) + len(pms.tasks)

    write(db, pms)

    entry, row = look(db, entry_id)
    records = pms.notes | pms.tasks
    assert (gone, entry.state, row) == (0, EntryState.SYNCED, None)
    assert list(records) == [entry.pms_id]
    assert records[entry.pms_id].reference == f"{entry.reference}-{entry.incarnation}"


def test_a_note_deleted_in_the_pms_is_not_written_again(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    write(db, pms)
    pms.notes.clear()
    amend(db, entry_id, "the newer text")

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (pms.notes, entry.state, row) == ({}, EntryState.SYNCED, None)
    assert "deleted" in entry.reason


def test_a_task_done_in_the_pms_is_left_as_its_users_have_it(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection, kind=EntryKind.TASK)
    write(db, pms)
    pms.done.update(pms.tasks)
    amend(db, entry_id, "the newer text")

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (entry.state, row) == (EntryState.SYNCED, None)
    assert "update_task" not in pms.calls


class LostPms(MemoryConnector):
    """While it `is_lost`, it finds nothing, as what stands before a PMS that is being moved."""

    is_lost = False

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        is_asked = callable(found) and not name.startswith("_")
        return self._find_nothing if is_asked and self.is_lost else found

    def _find_nothing(self, *_asked):
        raise RecordGone("the PMS answered 404", status=404)


@pytest.mark.parametrize("kind", [EntryKind.NOTE, EntryKind.TASK])
@pytest.mark.parametrize("is_in_doubt", [True, False])
@pytest.mark.parametrize("change", ["create", "amend", "withdraw"])
def test_while_a_pms_finds_nothing_at_all_nothing_counts_as_deleted_there(
    db, connection, clinic, kind, is_in_doubt, change
):
    pms = LostPms()
    entry_id = make_entry(db, clinic, connection, kind)
    if change != "create":
        write(db, pms)
        amend(db, entry_id, "The newest text")
    if change == "withdraw":
        withdraw(db, entry_id)
    with db.transaction() as session:
        session.execute(sa.update(OutboxRow).values(is_in_doubt=is_in_doubt))
    pms.is_lost = True
    write(db, pms)
    lost, _ = look(db, entry_id)
    pms.is_lost = False
    have_it_due(db, entry_id)
    write(db, pms)

    entry, row = look(db, entry_id)
    assert (lost.state, lost.doubt) == (EntryState.RETRYING, None)
    assert row is None
    if change == "withdraw":
        assert (entry.state, pms.notes, pms.tasks) == (EntryState.WITHDRAWN, {}, {})
    else:
        assert entry.state is EntryState.SYNCED
        [record] = [*pms.notes.values(), *pms.tasks.values()]
        assert record.body.startswith("The newest text" if change == "amend" else "A text")


def test_a_record_gone_at_a_create_is_set_aside(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    pms.failures = [RecordGone("the PMS answered 404", status=404)]

    write(db, pms)

    assert look(db, entry_id)[0].state is EntryState.SET_ASIDE


def test_every_try_is_kept_as_an_attempt(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection)
    pms.failures = [Temporary("the PMS answered 503", status=503)]
    write(db, pms)
    have_it_due(db, entry_id)

    write(db, pms)

    with db.reading() as session:
        attempts = session.scalars(
            sa.select(Attempt).where(Attempt.entry_id == entry_id).order_by(Attempt.id)
        ).all()
    assert [(each.outcome, each.http_status) for each in attempts] == [
        ("again", 503),
        ("written", None),
    ]


def test_renewing_keeps_a_row_and_a_lost_lease_is_not_renewed(db, connection, clinic):
    entry_id = make_entry(db, clinic, connection)
    [work] = outbox.claim(db, 1)
    held = outbox.renew(db, [work, replace(work, lease_token="another's")])
    have_it_due(db, entry_id)

    lost = outbox.renew(db, [work])

    assert (held, lost) == ({work.lease_token}, set())


def test_connecting_writes_what_was_due_before_and_leaves_a_former_pms_alone(db, clinic, pms):
    former = make_connection(db, clinic)
    written = make_entry(db, clinic, former)
    write(db, pms)
    with db.transaction() as session:
        session.get_one(Connection, former.id).ended_at = utc_now()
    waiting_for_a_pms = make_entry(db, clinic, None)
    new = make_connection(db, clinic)

    with db.transaction() as session:
        count = outbox.enqueue_all_due(session, db, session.get_one(Connection, new.id))

    assert count == 1
    assert look(db, waiting_for_a_pms)[1].connection_id == new.id
    assert look(db, written)[1] is None


def test_many_refused_at_once_pause_their_connection_with_one_alert(db, connection, clinic, pms):
    for _ in range(4):
        make_entry(db, clinic, connection)
    pms.failures = [CredentialsRejected("the PMS answered 401", status=401)] * 4
    ended = [(each, deliver(each, pms, tools(db))) for each in outbox.claim(db, 4)]
    told = []

    def on_paused(clinic_id, **facts):
        told.append((clinic_id, facts))

    with connection_paused.connected_to(on_paused):
        threads = [threading.Thread(target=finish_all, args=(db, [each])) for each in ended]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert told == [
        (
            clinic.id,
            {
                "connection_id": connection.id,
                "connector": "sandbox",
                "reason": "the PMS answered 401",
            },
        )
    ]


def test_tries_that_ended_together_are_finished_together_each_by_its_own_lease(
    db, connection, clinic, pms
):
    ids = [make_entry(db, clinic, connection) for _ in range(3)]
    work = outbox.claim(db, 3)
    ended = [(each, deliver(each, pms, tools(db))) for each in work]
    lost = replace(ended[0][0], lease_token="another's")
    amend(db, ids[1], "the newer text")

    left = finish_all(db, [(lost, ended[0][1]), *ended[1:]])

    states = [look(db, each)[0].state for each in ids]
    assert left == []
    assert states == [EntryState.DUE, EntryState.DUE, EntryState.SYNCED]
    assert look(db, ids[0])[1].lease_token == ended[0][0].lease_token


def test_what_somebody_has_locked_is_left_over_and_the_others_are_finished(db, clinic, pms):
    if db.is_sqlite:
        return
    connection = make_connection(db, clinic)
    ids = [make_entry(db, clinic, connection) for _ in range(2)]
    ended = [(each, deliver(each, pms, tools(db))) for each in outbox.claim(db, 2)]
    with db.transaction() as session:
        session.get(Entry, ids[0], with_for_update=True)

        left = finish_all(db, ended)

    assert [work.entry_id for work, _ in left] == [ids[0]]
    assert look(db, ids[1])[0].state is EntryState.SYNCED


@pytest.mark.parametrize("dies", [True, False])
def test_a_task_that_was_completed_from_here_is_deleted_once_it_is_withdrawn(
    db, connection, clinic, pms, dies
):
    entry_id = make_entry(db, clinic, connection, EntryKind.TASK)
    write(db, pms)
    complete(db, entry_id)
    if dies:
        [work] = outbox.claim(db, 1)
        deliver(work, pms, tools(db))
    else:
        write(db, pms)
    withdraw(db, entry_id)
    have_it_due(db, entry_id)

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (pms.tasks, entry.state, row) == ({}, EntryState.WITHDRAWN, None)


def test_a_task_that_a_person_did_in_the_pms_is_left_there_once_it_is_withdrawn(
    db, connection, clinic, pms
):
    entry_id = make_entry(db, clinic, connection, EntryKind.TASK)
    write(db, pms)
    pms.done.update(pms.tasks)
    complete(db, entry_id, is_closed_there=True)
    write(db, pms)
    withdraw(db, entry_id)

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (len(pms.tasks), entry.state, row) == (1, EntryState.WITHDRAWN, None)


@pytest.mark.parametrize("loses", ["the answer", "the lease", "its life"])
def test_a_task_completed_without_an_answer_is_not_taken_for_a_persons_once_it_is_open_again(
    db, connection, clinic, pms, loses
):
    entry_id = make_entry(db, clinic, connection, EntryKind.TASK)
    write(db, pms)
    complete(db, entry_id)
    [work] = outbox.claim(db, 1)
    if loses == "the lease":
        complete(db, entry_id, is_done=False)
        have_it_due(db, entry_id)
        write(db, pms)
    result = deliver(work, pms, tools(db))
    if loses == "the answer":
        result = replace(result, verdict=Verdict(Next.AGAIN, 1.0, "a broken answer"))
    if loses != "its life":
        finish_all(db, [(work, result)])
    if loses != "the lease":
        complete(db, entry_id, is_done=False)
    have_it_due(db, entry_id)

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (entry.state, row, entry.reason) == (EntryState.SYNCED, None, None)
    assert (len(pms.tasks), pms.done) == (1, set())


def test_a_task_completed_without_an_answer_is_deleted_once_it_is_withdrawn(
    db, connection, clinic, pms
):
    entry_id = make_entry(db, clinic, connection, EntryKind.TASK)
    write(db, pms)
    complete(db, entry_id)
    [of_the_dead] = outbox.claim(db, 1)
    deliver(of_the_dead, pms, tools(db))
    complete(db, entry_id, is_done=False)
    withdraw(db, entry_id)
    have_it_due(db, entry_id)

    write(db, pms)

    assert (pms.tasks, look(db, entry_id)[0].state) == ({}, EntryState.WITHDRAWN)


def test_a_worker_without_a_lease_does_not_bring_back_the_id_of_what_was_deleted(
    db, connection, clinic, pms
):
    entry_id = make_entry(db, clinic, connection)
    write(db, pms)
    amend(db, entry_id, "An old text")
    [slow] = outbox.claim(db, 1)
    withdraw(db, entry_id)
    have_it_due(db, entry_id)
    write(db, pms)
    revive(db, entry_id)
    finish_all(db, [(slow, deliver(slow, pms, tools(db, lambda _: False)))])
    have_it_due(db, entry_id)

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (entry.state, row, list(pms.notes)) == (EntryState.SYNCED, None, [entry.pms_id])


def test_a_note_nobody_changed_is_known_again_after_many_failed_amendments(
    db, connection, clinic, pms
):
    entry_id = make_entry(db, clinic, connection)
    pms.failures = [(OutcomeUnknown("no answer"), True)]
    write(db, pms)
    for number in range(6):
        amend(db, entry_id, f"Text {number}")
        pms.failures = [Temporary("the PMS answered 503", status=503)]
        have_it_due(db, entry_id)
        write(db, pms)
    have_it_due(db, entry_id)

    write(db, pms)

    entry, _ = look(db, entry_id)
    [note] = pms.notes.values()
    assert note.body == f"Text 5\nRingnote {entry.reference}"
    assert entry.reason is None


def test_a_late_delete_is_known_to_whoever_wrote_meanwhile_and_ends_later(
    db, connection, clinic, pms
):
    entry_id = make_entry(db, clinic, connection)
    write(db, pms)
    withdraw(db, entry_id)
    [slow] = outbox.claim(db, 1)
    revive(db, entry_id)
    have_it_due(db, entry_id)
    [quick] = outbox.claim(db, 1)
    amended = deliver(quick, pms, tools(db))
    finish_all(db, [(slow, deliver(slow, pms, tools(db)))])
    finish_all(db, [(quick, amended)])
    have_it_due(db, entry_id)

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (entry.state, row, list(pms.notes)) == (EntryState.SYNCED, None, [entry.pms_id])


def test_a_late_create_is_known_to_whoever_found_nothing_and_ends_later(
    db, connection, clinic, pms
):
    pms.capabilities = replace(pms.capabilities, idempotency_key=False)
    entry_id = make_entry(db, clinic, connection)
    [slow] = outbox.claim(db, 1)
    withdraw(db, entry_id)
    have_it_due(db, entry_id)
    [quick] = outbox.claim(db, 1)
    found_none = deliver(quick, pms, tools(db))
    finish_all(db, [(slow, deliver(slow, pms, tools(db)))])
    finish_all(db, [(quick, found_none)])
    have_it_due(db, entry_id)

    write(db, pms)

    entry, row = look(db, entry_id)
    assert (pms.notes, entry.state, row) == ({}, EntryState.WITHDRAWN, None)


def test_a_task_done_by_a_person_after_it_was_open_again_is_left_done(db, connection, clinic, pms):
    entry_id = make_entry(db, clinic, connection, EntryKind.TASK)
    write(db, pms)
    complete(db, entry_id)
    write(db, pms)
    complete(db, entry_id, is_done=False)
    [work] = outbox.claim(db, 1)
    reopened = deliver(work, pms, tools(db))
    amend(db, entry_id, "2 missed calls")
    finish_all(db, [(work, reopened)])
    pms.done.update(pms.tasks)
    have_it_due(db, entry_id)

    write(db, pms)

    assert (look(db, entry_id)[0].reason, pms.done) == (CLOSED_IN_PMS, set(pms.tasks))


class Echoing(MemoryConnector):
    """A PMS whose answer to the check names somebody."""

    def check(self):
        sent = Sent("GET", "http://127.0.0.1:9/who", {}, None)
        note_exchange(sent, Answered(200, {}, b"Ann"), {}, 1)
        return super().check()


def test_what_the_check_of_a_pms_answers_is_not_kept_with_a_try(db, connection, clinic):
    pms = Echoing()
    make_entry(db, clinic, connection)
    pms.failures = [RecordGone("the PMS answered 404", status=404)]

    write(db, pms)

    with db.reading() as session:
        tried = session.execute(sa.select(Attempt.outcome, Attempt.exchanges)).one()
    assert tuple(tried) == ("set_aside", [])


@pytest.mark.parametrize(
    "error",
    [RecordGone("gone", status=404), RecordRejected("no", status=404)],
)
def test_a_pms_that_has_nothing_at_all_has_no_entry_set_aside(db, connection, clinic, pms, error):
    def lost():
        raise CredentialsRejected("no such address", status=404)

    pms.check = lost
    entry_id = make_entry(db, clinic, connection)
    pms.failures = [error]

    write(db, pms)

    assert look(db, entry_id)[0].state is EntryState.RETRYING
