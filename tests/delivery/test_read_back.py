"""Tasks that people do or delete in the PMS, found there by reading: told as stories."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.delivery import read_back as reading
from ringnote.delivery.read_back import claim_turn, read_back
from ringnote.errors import CredentialsRejected, RateLimited, RecordGone, RecordRejected, Temporary
from ringnote.ledger.closings import reopen_callback
from ringnote.models import (
    Attempt,
    Callback,
    CallbackState,
    Connection,
    ConnectionState,
    Entry,
    EntryKind,
    EntryState,
    Pace,
)
from stories import CALLER, Phone, callbacks, entries, settle, write

OPEN, DONE = CallbackState.OPEN, CallbackState.DONE
OTHERS = ("+12125550143", "+12125550144")


class ReadPms(MemoryConnector):
    """A PMS whose answers to `get_task` may fail, by the task's id."""

    def __init__(self):
        super().__init__()
        self.refusals = {}

    def get_task(self, pms_id):
        status = super().get_task(pms_id)
        if pms_id in self.refusals:
            raise self.refusals[pms_id]
        return status


@pytest.fixture
def clinic(db):
    clinic = make_clinic(db)
    for number, caller in enumerate((CALLER, *OTHERS)):
        make_client(db, clinic, f"C{number}", "Jane Doe", numbers=[caller])
    return clinic


@pytest.fixture
def connection(db, clinic):
    return make_connection(db, clinic)


@pytest.fixture
def phone(runtime, clinic, connection):
    return Phone(runtime, clinic)


@pytest.fixture
def pms():
    return ReadPms()


def bring_up(runtime, pms):
    settle(runtime)
    write(runtime, pms)


def wait_until_due(db):
    """As if the usual while had passed since all was written and read."""
    with db.transaction() as session:
        session.execute(sa.update(Entry).values(read_back_at=utc_now() - timedelta(seconds=1)))


def look(db, pms, is_stopping=lambda: False):
    """Take a turn, if one is due, and read; which tasks were asked for."""
    before = len(pms.calls)
    if turn := claim_turn(db):
        read_back(db, turn, pms, utc_now, is_stopping)
    return pms.calls[before:].count("get_task")


def states(runtime):
    return [each.state for each in callbacks(runtime)]


def task(runtime):
    [found] = [each for each in entries(runtime) if each.kind is EntryKind.TASK]
    return found


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda pms: pms.done.update(pms.tasks), "it was closed in the PMS, so it is left alone"),
        (lambda pms: pms.tasks.clear(), "it was deleted in the PMS, so it is left alone"),
    ],
)
def test_a_task_done_or_deleted_there_closes_its_callback_and_a_later_miss_opens_another(
    runtime, db, phone, pms, act, reason
):
    phone.missed("u-1")
    bring_up(runtime, pms)
    act(pms)
    wait_until_due(db)

    assert look(db, pms) == 1
    bring_up(runtime, pms)
    closed = callbacks(runtime)
    phone.missed("u-2")
    bring_up(runtime, pms)

    assert [(each.state, reason in each.closed_by) for each in closed] == [(DONE, True)]
    assert states(runtime) == [DONE, OPEN]
    with db.reading() as session:
        query = sa.select(Attempt.outcome).where(Attempt.action == "read_back")
        assert session.scalars(query).all() == ["closed_there"]


def test_a_pms_that_turns_out_to_tell_of_no_tasks_keeps_nobody_waiting(
    runtime, db, phone, pms, monkeypatch
):
    phone.missed("u-1")
    bring_up(runtime, pms)
    wait_until_due(db)
    monkeypatch.setattr(pms, "capabilities", replace(pms.capabilities, read_tasks=False))

    assert look(db, pms) == 0
    assert claim_turn(db) is None


def test_a_task_that_stands_open_is_read_once_in_a_while_and_changes_nothing(
    runtime, db, phone, pms
):
    phone.missed("u-1")
    bring_up(runtime, pms)
    just_written = look(db, pms)
    wait_until_due(db)
    began_at = utc_now()

    read = [look(db, pms), look(db, pms)]

    assert (just_written, read) == (0, [1, 0])
    assert states(runtime) == [OPEN]
    next_at = task(runtime).read_back_at
    assert began_at + timedelta(minutes=10) < next_at < utc_now() + timedelta(minutes=14)


def test_what_was_written_long_ago_is_due_though_it_was_never_read(runtime, db, phone, pms):
    phone.missed("u-1")
    bring_up(runtime, pms)
    with db.transaction() as session:
        long_ago = utc_now() - timedelta(minutes=13)
        session.execute(sa.update(Entry).values(written_at=long_ago))

    assert look(db, pms) == 1


def test_a_closed_callback_s_task_is_not_read_and_a_reopened_one_s_is(runtime, db, phone, pms):
    phone.missed("u-1")
    bring_up(runtime, pms)
    pms.done |= pms.tasks.keys()
    wait_until_due(db)
    look(db, pms)
    bring_up(runtime, pms)
    wait_until_due(db)
    while_closed = look(db, pms)
    with db.transaction() as session:
        row = session.scalars(sa.select(Callback)).one()
        reopen_callback(session, db, row, "Kim", "", db.present(session))
    bring_up(runtime, pms)
    wait_until_due(db)

    assert (while_closed, look(db, pms)) == (0, 1)
    assert states(runtime) == [OPEN]


def test_what_was_written_while_it_was_read_is_not_closed_by_what_was_read(runtime, db, phone, pms):
    class Meanwhile(ReadPms):
        def get_task(self, pms_id):
            status = super().get_task(pms_id)
            pms.done.clear()
            phone.dials("u-2")
            bring_up(runtime, pms)
            return status

    phone.missed("u-1")
    bring_up(runtime, pms)
    pms.done |= pms.tasks.keys()
    wait_until_due(db)
    reader = Meanwhile()
    reader.tasks, reader.done = pms.tasks, set(pms.done)

    look(db, reader)

    settle(runtime)
    assert states(runtime) == [CallbackState.ATTEMPTED]
    assert task(runtime).is_done_there is False


def three_tasks(runtime, phone, pms):
    for number, caller in enumerate((CALLER, *OTHERS)):
        phone.missed(f"u-{number}", caller=caller)
        bring_up(runtime, pms)
    wait_until_due(runtime.db)


def test_one_turn_reads_a_limited_number_the_longest_unread_first(
    runtime, db, phone, pms, monkeypatch
):
    monkeypatch.setattr(reading, "READS_A_TURN", 2)
    three_tasks(runtime, phone, pms)
    ids = [each.id for each in entries(runtime) if each.kind is EntryKind.TASK]
    with db.transaction() as session:
        for age, entry_id in enumerate(ids):
            at = utc_now() - timedelta(minutes=1 + age)
            session.execute(sa.update(Entry).where(Entry.id == entry_id).values(read_back_at=at))

    turns = [[each.entry_id for each in claim_turn(db).tasks] for _ in range(2)]

    assert turns == [[ids[2], ids[1]], [ids[0]]]
    assert claim_turn(db) is None


def test_what_one_worker_took_on_another_does_not_read_and_a_busy_clinic_is_passed_over(
    runtime, db, phone, pms
):
    three_tasks(runtime, phone, pms)

    besides = claim_turn(db, besides=[phone.clinic.id])
    turns = [claim_turn(db), claim_turn(db)]

    assert besides is None
    assert [each and len(each.tasks) for each in turns] == [3, None]


@pytest.mark.parametrize("over", [{"state": ConnectionState.PAUSED}, {"ended_at": utc_now()}])
def test_a_connection_that_is_paused_or_ended_is_not_read(runtime, db, phone, pms, over):
    three_tasks(runtime, phone, pms)
    with db.transaction() as session:
        session.execute(sa.update(Connection).values(**over))

    assert claim_turn(db) is None


def test_a_pms_that_asks_to_slow_down_is_left_alone_and_the_rest_is_due_later(
    runtime, db, phone, pms
):
    three_tasks(runtime, phone, pms)
    pms.refusals = dict.fromkeys(pms.tasks, RateLimited("slow down", retry_after=60))

    read = [look(db, pms), look(db, pms)]

    assert read == [1, 0]
    with db.transaction() as session:
        pace = session.scalars(sa.select(Pace)).one()
        assert (pace.blocked_by, pace.failures) == ("rate limit", 0)
        pace.blocked_until = None
    pms.refusals = {}
    assert look(db, pms) == 2


def test_failures_open_the_breaker_as_they_do_for_what_is_written(runtime, db, phone, pms):
    three_tasks(runtime, phone, pms)
    pms.refusals = dict.fromkeys(pms.tasks, Temporary("busy", status=503))

    for _ in range(5):
        look(db, pms)
        wait_until_due(db)

    assert look(db, pms) == 0
    with db.reading() as session:
        assert session.scalars(sa.select(Pace.blocked_by)).one() == "breaker"


def test_refused_credentials_pause_the_connection(runtime, db, phone, pms):
    three_tasks(runtime, phone, pms)
    pms.refusals = dict.fromkeys(pms.tasks, CredentialsRejected("the token was refused"))

    assert look(db, pms) == 1

    with db.reading() as session:
        row = session.scalars(sa.select(Connection)).one()
    assert (row.state, row.paused_reason) == (ConnectionState.PAUSED, "the token was refused")
    assert {each.state for each in entries(runtime)} == {EntryState.SYNCED}


def test_one_task_that_the_pms_will_not_tell_of_does_not_hold_up_the_others(
    runtime, db, phone, pms
):
    three_tasks(runtime, phone, pms)
    pms.refusals = {min(pms.tasks): RecordRejected("not yours", status=403)}

    assert look(db, pms) == 3

    assert states(runtime) == [OPEN] * 3


def test_a_worker_that_is_told_to_stop_leaves_the_rest_due(runtime, db, phone, pms):
    three_tasks(runtime, phone, pms)

    stopped = look(db, pms, is_stopping=lambda: True)

    assert (stopped, look(db, pms)) == (0, 3)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (RecordGone("the PMS answered 404", status=404), ConnectionState.ACTIVE),
        (CredentialsRejected("base_url leads nowhere", status=404), ConnectionState.ACTIVE),
        (Temporary("the PMS answered 502", status=502), ConnectionState.ACTIVE),
        (CredentialsRejected("the PMS answered 401", status=401), ConnectionState.PAUSED),
    ],
)
def test_a_pms_that_finds_nothing_at_all_closes_no_callback(
    runtime, db, phone, pms, monkeypatch, answer, state
):
    three_tasks(runtime, phone, pms)
    pms.refusals = dict.fromkeys(pms.tasks, RecordGone("the PMS answered 404", status=404))

    def fail():
        raise answer

    with monkeypatch.context() as patch:
        patch.setattr(pms, "check", fail)
        assert look(db, pms) == 1
    bring_up(runtime, pms)

    assert set(states(runtime)) == {OPEN}
    with db.reading() as session:
        assert session.scalars(sa.select(Connection.state)).one() is state
    # Once it is itself again, and says so still, they were deleted.
    if state is ConnectionState.ACTIVE:
        wait_until_due(db)
        assert look(db, pms) == 3
        bring_up(runtime, pms)
        assert set(states(runtime)) == {DONE}
