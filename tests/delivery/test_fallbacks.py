"""What is written to a PMS that can do less: a real one, through a connector that declares less."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from lesser import lesser_pms

from factories import make_clinic, make_connection, make_entry
from fakes import tools
from ringnote.clock import utc_now
from ringnote.delivery import outbox
from ringnote.delivery.answers import confirm_entry
from ringnote.delivery.deliver import deliver
from ringnote.delivery.finish import finish_all
from ringnote.models import (
    Attempt,
    Connection,
    Doubt,
    Entry,
    EntryKind,
    EntryState,
    OutboxRow,
    Pace,
    WhenInDoubt,
)
from ringnote.sandbox.faults import Fault, FaultKind

# What a database keeps of it is tried on both in test_delivery.py and test_doubt.py.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def pms():
    with lesser_pms() as made:
        yield made


@pytest.fixture
def connection(db):
    return make_connection(db, make_clinic(db))


@pytest.fixture
def note(db, connection, pms):
    return make_entry(db, connection.clinic_id, connection, client=pms.client)


@pytest.fixture
def task(db, connection, pms):
    return make_entry(db, connection.clinic_id, connection, EntryKind.TASK, client=pms.client)


def write(db, connector):
    """Write what is due, whatever its back-off."""
    with db.transaction() as session:
        soon = OutboxRow.due_at < datetime(9000, 1, 1, tzinfo=UTC)
        session.execute(sa.update(OutboxRow).where(soon).values(due_at=utc_now()))
        session.execute(sa.update(Pace).values(blocked_until=None))
    for each in outbox.claim(db, 10):
        finish_all(db, [(each, deliver(each, connector, tools(db)))])


def change(db, entry_id, is_wanted=True, **content):
    with db.transaction() as session:
        entry = session.get_one(Entry, entry_id)
        entry.content, entry.is_wanted = {**entry.content, **content}, is_wanted
        entry.version += 1
        outbox.place(session, db, entry, session.scalars(sa.select(Connection)).one(), utc_now())


def withdraw(db, entry_id):
    change(db, entry_id, is_wanted=False)


def look(db, entry_id):
    with db.reading() as session:
        return session.get_one(Entry, entry_id)


def test_where_notes_cannot_be_amended_what_changed_is_said_once_in_a_note_of_its_own(
    db, note, pms
):
    connector = pms.without("update_note", "read_notes")
    write(db, connector)
    tail = "The whole story: https://ringnote.example/calls/7"
    change(db, note, body="Answered by Amy", tail=tail)
    write(db, connector)
    change(db, note)

    write(db, connector)

    first, added = pms.records()
    assert (first["title"], added["title"]) == ("A title", "Addition: A title")
    reference = look(db, note).reference
    assert added["body"].startswith("Addition to the note of 2026-11-20 10:00 UTC")
    assert added["body"].endswith(f"Answered by Amy\n{tail}\nRingnote {reference}-v2")
    assert look(db, note).state is EntryState.SYNCED


@pytest.mark.parametrize("lack", ["find_by_reference", "idempotency_key"])
def test_a_note_that_was_perhaps_written_gets_no_addition_that_says_the_same(db, note, pms, lack):
    connector = pms.without("update_note", "read_notes", lack)
    pms.lose_answer()
    write(db, connector)

    write(db, connector)

    assert pms.titles() == ["A title"]
    assert look(db, note).state is EntryState.SYNCED


@pytest.mark.parametrize("lack", ["find_by_reference", "idempotency_key"])
def test_a_note_that_was_perhaps_written_gets_what_changed_since_as_an_addition(
    db, note, pms, lack
):
    connector = pms.without("update_note", "read_notes", lack)
    pms.lose_answer()
    write(db, connector)
    change(db, note, body="Answered by Amy")

    write(db, connector)

    assert pms.titles() == ["A title", "Addition: A title"]


@pytest.mark.parametrize("lack", ["find_by_reference", "idempotency_key"])
def test_an_addition_that_was_perhaps_written_is_not_written_again(db, note, pms, lack):
    connector = pms.without("update_note", "read_notes", lack)
    write(db, connector)
    change(db, note, body="Answered by Amy")
    pms.lose_answer()
    write(db, connector)

    write(db, connector)

    assert pms.titles() == ["A title", "Addition: A title"]
    assert look(db, note).state is EntryState.SYNCED


@pytest.fixture
def blind(db, note, pms):
    """A PMS that can't tell, to which an addition was perhaps written."""
    connector = pms.without("update_note", "read_notes", "find_by_reference", "idempotency_key")
    write(db, connector)
    change(db, note, body="Answered by Amy")
    pms.lose_answer()
    write(db, connector)
    return connector


@pytest.mark.parametrize(("stands", "count"), [(True, 2), (False, 3)])
def test_a_person_is_asked_about_an_addition_that_nothing_can_find(
    db, note, pms, blind, stands, count
):
    write(db, blind)
    asked = look(db, note)
    with db.transaction() as session:
        entry = session.get_one(Entry, note)
        if stands:
            confirm_entry(session, db, entry, None, "amy", utc_now())
        else:
            outbox.retry_entries(session, db, [entry], "amy")

    write(db, blind)

    assert (asked.state, asked.doubt) == (EntryState.SET_ASIDE, Doubt.ASKED)
    assert f"{asked.reference}-v2" in asked.reason
    assert (look(db, note).state, len(pms.titles())) == (EntryState.SYNCED, count)


def test_an_addition_that_is_sent_again_without_asking_says_so(db, note, pms, blind):
    with db.transaction() as session:
        session.execute(sa.update(Connection).values(when_in_doubt=WhenInDoubt.RETRY))

    write(db, blind)

    assert len(pms.titles()) == 3
    assert "perhaps twice" in look(db, note).reason
    assert f"{look(db, note).reference}-v2" in look(db, note).reason


def test_an_addition_that_was_refused_is_not_asked_about(db, note, pms):
    connector = pms.without("update_note", "read_notes", "find_by_reference", "idempotency_key")
    write(db, connector)
    change(db, note, body="Answered by Amy")
    pms.faults.switch_on(Fault(FaultKind.RATE_LIMIT, left=1, seconds=0, only_writes=True))
    write(db, connector)

    write(db, connector)

    assert pms.titles() == ["A title", "Addition: A title"]


def test_a_note_that_cannot_be_amended_is_deleted_unless_an_addition_would_be_left_behind(
    db, connection, note, pms
):
    connector = pms.without("update_note", "read_notes")
    plain = make_entry(db, connection.clinic_id, connection, client=pms.client)
    write(db, connector)
    change(db, note, body="Answered by Amy")
    write(db, connector)
    withdraw(db, plain)
    withdraw(db, note)

    write(db, connector)

    assert pms.titles() == ["A title", "Addition: A title", "Addition: Withdrawn: A title"]
    assert {look(db, each).state for each in (plain, note)} == {EntryState.WITHDRAWN}


def test_where_notes_are_not_read_they_are_written_over(db, note, pms):
    connector = pms.without("read_notes")
    write(db, connector)
    change(db, note, body="Answered by Amy")

    write(db, connector)

    [record] = pms.records()
    assert record["body"].startswith("Answered by Amy\n")


def test_a_note_that_cannot_be_deleted_says_that_it_is_withdrawn_and_a_new_one_follows_it(
    db, note, pms
):
    connector = pms.without("delete_note")
    write(db, connector)
    withdraw(db, note)
    write(db, connector)
    withdrawn = pms.titles()
    change(db, note)

    write(db, connector)

    assert withdrawn == ["Withdrawn: A title"]
    assert pms.titles() == ["Withdrawn: A title", "A title"]


def test_without_tasks_a_callback_is_a_note_marked_as_one_and_then_as_done(db, task, pms):
    connector = pms.without("tasks", "read_tasks", "delete_task", "reopen_task")
    write(db, connector)
    [first] = pms.records()
    change(db, task, is_done=True)
    write(db, connector)
    done = pms.titles()
    change(db, task, is_done=False)
    write(db, connector)
    reopened = pms.titles()
    withdraw(db, task)

    write(db, connector)

    assert first["title"] == "Call back: A title"
    assert first["body"].startswith("Due 2026-11-20 11:00 UTC.\nA text\n")
    assert (done, reopened) == (["Done: Call back: A title"], ["Call back: A title"])
    assert (pms.records(), pms.records("task")) == ([], [])


def test_without_tasks_a_callback_that_was_perhaps_written_is_found_among_the_notes(db, task, pms):
    connector = pms.without("tasks", "read_tasks", "delete_task", "idempotency_key")
    pms.lose_answer()
    write(db, connector)

    write(db, connector)

    assert pms.titles() == ["Call back: A title"]


def test_a_task_that_cannot_be_deleted_says_that_it_is_withdrawn_and_is_done(db, task, pms):
    connector = pms.without("delete_task")
    write(db, connector)
    withdraw(db, task)

    write(db, connector)

    [record] = pms.records("task")
    assert (record["title"], record["status"]) == ("Withdrawn: A title", "done")
    assert look(db, task).state is EntryState.WITHDRAWN


def test_a_withdrawal_that_got_no_answer_is_not_taken_for_somebody_elses(db, task, pms):
    connector = pms.without("delete_task")
    write(db, connector)
    withdraw(db, task)
    complete = connector.complete_task

    def complete_without_an_answer(pms_id):
        del connector.complete_task
        pms.lose_answer()
        complete(pms_id)

    connector.complete_task = complete_without_an_answer
    write(db, connector)
    write(db, connector)

    with db.reading() as session:
        outcomes = session.scalars(sa.select(Attempt.outcome).order_by(Attempt.id)).all()
    assert outcomes == ["written", "again", "written"]
    assert look(db, task).state is EntryState.WITHDRAWN


def test_where_tasks_are_not_read_one_done_there_is_amended_and_left_done(db, task, pms):
    connector = pms.without("read_tasks")
    write(db, connector)
    [record] = pms.records("task")
    pms.store.records.change("task", record["id"], {"status": "done"})
    change(db, task, body="2 missed calls")

    write(db, connector)

    [record] = pms.records("task")
    assert (record["body"].splitlines()[0], record["status"]) == ("2 missed calls", "done")


def test_where_tasks_are_not_read_one_done_here_is_completed_and_reopened(db, task, pms):
    connector = pms.without("read_tasks")
    write(db, connector)
    change(db, task, is_done=True)
    write(db, connector)
    [done] = pms.records("task")
    change(db, task, is_done=False)

    write(db, connector)

    [reopened] = pms.records("task")
    assert (done["status"], reopened["status"]) == ("done", "open")


@pytest.fixture
def reopened(db, task, pms):
    """A PMS that reopens no task and honours no key, and a task done there that is open again
    here: its new record got no answer."""
    connector = pms.without("reopen_task", "idempotency_key")
    write(db, connector)
    change(db, task, is_done=True)
    write(db, connector)
    change(db, task, is_done=False)
    create = connector.create_task

    def create_without_an_answer(task, key):
        del connector.create_task
        pms.lose_answer()
        return create(task, key)

    connector.create_task = create_without_an_answer
    write(db, connector)
    return connector


def test_a_task_written_anew_without_an_answer_is_looked_up(db, task, pms, reopened):
    write(db, reopened)

    assert [each["status"] for each in pms.records("task")] == ["done", "open"]
    entry = look(db, task)
    assert (entry.state, entry.pms_id) == (EntryState.SYNCED, pms.records("task")[1]["id"])


def test_a_task_written_anew_without_an_answer_and_withdrawn_is_deleted(db, task, pms, reopened):
    withdraw(db, task)

    write(db, reopened)

    assert [each["status"] for each in pms.records("task")] == ["done"]
    assert look(db, task).state is EntryState.WITHDRAWN


def test_a_note_that_cannot_be_amended_is_written_again_after_a_delete_without_an_answer(
    db, note, pms
):
    connector = pms.without("update_note", "read_notes")
    write(db, connector)
    withdraw(db, note)
    pms.lose_answer()
    write(db, connector)
    gone = pms.titles()
    change(db, note)

    write(db, connector)

    assert (gone, pms.titles()) == ([], ["A title"])
    assert look(db, note).state is EntryState.SYNCED


def test_a_late_amendment_of_what_cannot_be_deleted_does_not_undo_its_withdrawal(db, note, pms):
    connector = pms.without("delete_note")
    write(db, connector)
    change(db, note, body="An old text")
    [slow] = outbox.claim(db, 1)
    withdraw(db, note)
    write(db, connector)
    finish_all(db, [(slow, deliver(slow, connector, tools(db)))])

    write(db, connector)

    assert pms.titles() == ["Withdrawn: A title"]
    assert look(db, note).state is EntryState.WITHDRAWN
