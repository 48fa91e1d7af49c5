"""One callback for one caller, from webhooks to its task in the PMS: told as stories."""

import itertools
import random
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.directory.choices import map_number
from ringnote.errors import InputError
from ringnote.ledger.closings import close_callback, reopen_callback
from ringnote.ledger.corrections import correct_call
from ringnote.ledger.policies import set_policy
from ringnote.ledger.replay import Span
from ringnote.ledger.rules import Rules
from ringnote.ledger.settle import settle_due
from ringnote.models import (
    Call,
    Callback,
    CallbackState,
    Clinic,
    DueMark,
    Entry,
    EntryKind,
    Match,
    SubjectKind,
)
from ringnote.telephony.marks import mark_due
from stories import CALLER, Phone, callbacks, entries, replay, settle, write

LANDLINE = "+12125550143"
OPEN, DONE, WITHDRAWN = CallbackState.OPEN, CallbackState.DONE, CallbackState.WITHDRAWN


@pytest.fixture
def clinic(db):
    return make_clinic(db)


@pytest.fixture
def phone(runtime, clinic):
    return Phone(runtime, clinic)


@pytest.fixture
def client(db, clinic):
    return make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])


@pytest.fixture
def connection(db, clinic):
    return make_connection(db, clinic)


@pytest.fixture
def pms():
    return MemoryConnector()


def tasks(runtime, wanted=True):
    found = [each for each in entries(runtime) if each.kind is EntryKind.TASK]
    return [each for each in found if each.is_wanted is wanted]


def in_order(runtime):
    """The callbacks in the order in which they were opened, whichever was settled first."""
    return sorted(callbacks(runtime), key=lambda each: each.opened_at)


def states(runtime):
    return [each.state for each in in_order(runtime)]


def decide(runtime, act, why=""):
    """Close or reopen the first callback as Kim."""
    with runtime.db.transaction() as session:
        row = session.get_one(Callback, in_order(runtime)[0].id)
        act(session, runtime.db, row, "Kim", why, runtime.db.present(session))


def bring_up(runtime, pms):
    settle(runtime)
    write(runtime, pms)


STORY = (
    lambda phone: phone.missed("u-1"),
    lambda phone: phone.missed("u-2"),
    lambda phone: phone.dials("u-3"),
    lambda phone: phone.text("We tried to call you", inbound=False),
    lambda phone: phone.text("Please call again, it is about Rex"),
    lambda phone: phone.answered("u-4"),
)
STAGES = ("open", "open", "attempted", "texted", "replied", "done")


def test_missed_twice_called_back_texted_and_reached_is_one_task_and_done_at_the_end(
    runtime, phone, client, connection, pms
):
    told = []
    for happens in STORY:
        happens(phone)
        bring_up(runtime, pms)
        told.append([each.state.value for each in callbacks(runtime)])

    assert told == [[stage] for stage in STAGES]
    [(pms_id, task)] = pms.tasks.items()
    assert pms.done == {pms_id}
    assert "2 missed calls" in task.body
    assert "they texted: Please call again, it is about Rex" in task.body
    assert "a call with them was answered by Amy" in task.body


def test_the_task_of_who_tries_again_and_again_is_more_urgent_in_the_pms(
    runtime, phone, client, connection, pms
):
    told = []
    for number in range(3):
        phone.missed(f"u-{number}")
        bring_up(runtime, pms)
        [task] = pms.tasks.values()
        told.append((task.priority, "High priority." in task.body))

    assert told == [("normal", False), ("normal", False), ("high", True)]


def test_the_story_ends_the_same_however_late_each_part_becomes_known(
    runtime, phone, client, connection, pms
):
    for happens in STORY:
        happens(phone)
    with runtime.db.reading() as session:
        marks = [
            (mark.clinic_id, mark.subject_kind, mark.subject_key)
            for mark in session.scalars(sa.select(DueMark))
        ]
    for mark in random.sample(marks, len(marks)):
        _postpone_all_but(runtime, mark)
        bring_up(runtime, pms)

    assert states(runtime) == [DONE]
    assert pms.done == pms.tasks.keys()
    assert len(pms.tasks) == 1


def _postpone_all_but(runtime, mark):
    """Have only this subject due: the others' events have not come through yet."""
    with runtime.db.transaction() as session:
        for each in session.scalars(sa.select(DueMark)):
            is_it = (each.clinic_id, each.subject_kind, each.subject_key) == mark
            each.due_at = utc_now() + (timedelta() if is_it else timedelta(hours=1))


def test_an_attempt_moves_the_due_time_on(runtime, phone, client):
    phone.missed("u-1")
    settle(runtime)
    [before] = tasks(runtime)
    phone.dials("u-2")
    settle(runtime)

    [after] = tasks(runtime)

    assert after.content["due_at"] > before.content["due_at"]
    assert not after.content["is_done"]


def test_a_miss_after_it_was_reached_opens_a_new_one(runtime, phone, client):
    phone.missed("u-1")
    phone.answered("u-2")
    phone.missed("u-3")

    settle(runtime)

    assert states(runtime) == [DONE, OPEN]
    assert sorted(each.content["is_done"] for each in tasks(runtime)) == [False, True]


def test_a_late_call_between_two_misses_that_was_answered_parts_them(runtime, phone, client):
    phone.missed("u-1")
    phone.rings("u-2")
    phone.missed("u-3")
    settle(runtime)
    assert states(runtime) == [OPEN]
    phone.answer("u-2")
    phone.event("HangupCall", "u-2", extNumber="101", extName="Amy", callerIdNum=CALLER)

    settle(runtime)

    assert states(runtime) == [DONE, OPEN]


def test_a_dialled_call_that_a_person_says_was_answered_reached_them(
    runtime, phone, client, clinic
):
    phone.missed("u-1")
    phone.dials("u-2")
    settle(runtime)
    with runtime.db.transaction() as session:
        correct_call(
            session, runtime.db, clinic.id, "u-2", "answered", by="Kim", why="", now=utc_now()
        )

    settle(runtime)

    assert states(runtime) == [DONE]


def test_two_family_members_with_one_number_are_one_callback(runtime, phone):
    phone.missed("u-1")
    phone.rings("u-2", name="DOE JOHN")
    phone.event("HangupCall", "u-2", extNumber="", callerIdNum=CALLER)

    settle(runtime)

    [task] = tasks(runtime)
    assert states(runtime) == [OPEN]
    assert "2 missed calls" in task.content["body"]


def test_two_numbers_of_one_client_are_merged_into_the_older_once_it_is_known(
    runtime, phone, clinic, client, connection, pms
):
    phone.missed("u-1")
    phone.missed("u-2", LANDLINE)
    bring_up(runtime, pms)
    assert states(runtime) == [OPEN, OPEN]
    _map(runtime, clinic, LANDLINE, "C1")

    bring_up(runtime, pms)

    assert states(runtime) == [OPEN, WITHDRAWN]
    [task] = pms.tasks.values()
    assert "2 missed calls" in task.body
    phone.answered("u-3", LANDLINE)
    bring_up(runtime, pms)
    assert states(runtime) == [DONE, WITHDRAWN]
    assert pms.done == pms.tasks.keys()


def _map(runtime, clinic, number, client):
    with runtime.db.transaction() as session:
        map_number(session, runtime.db, clinic.id, number, client, by="Kim", why="", now=utc_now())


def test_merged_ones_part_again_when_the_match_is_mended(runtime, phone, clinic, db, client):
    make_client(db, clinic, "C2", "John Roe")
    phone.missed("u-1")
    phone.missed("u-2", LANDLINE)
    _map(runtime, clinic, LANDLINE, "C1")
    settle(runtime)
    assert len(tasks(runtime)) == 1
    with runtime.db.transaction() as session:
        mended = sa.update(Match).where(Match.number == LANDLINE, Match.subject_kind == "call")
        session.execute(mended.values(client="C2"))
        mark_due(session, runtime.db, clinic.id, SubjectKind.CALL, "u-2")

    settle(runtime)

    assert sorted(each.client for each in tasks(runtime)) == ["C1", "C2"]
    assert [each.number for each in in_order(runtime) if each.state is OPEN] == [CALLER, LANDLINE]


def test_a_person_closes_it_and_the_task_is_done_in_the_pms(
    runtime, phone, client, connection, pms
):
    phone.missed("u-1")
    bring_up(runtime, pms)

    decide(runtime, close_callback, "came in")

    bring_up(runtime, pms)
    [callback] = callbacks(runtime)
    assert (callback.state, callback.closed_by) == (DONE, "Kim: came in")
    [task] = pms.tasks.values()
    assert pms.done == pms.tasks.keys()
    assert "Kim: came in" in task.body


def test_what_was_closed_wrongly_is_reopened_here_and_in_the_pms(
    runtime, phone, client, connection, pms
):
    phone.missed("u-1")
    bring_up(runtime, pms)
    decide(runtime, close_callback)
    bring_up(runtime, pms)

    decide(runtime, reopen_callback, "she did not come")

    bring_up(runtime, pms)
    assert states(runtime) == [OPEN]
    assert pms.done == set()
    [task] = pms.tasks.values()
    assert "reopened by Kim: she did not come" in task.body


@pytest.mark.parametrize("how", ["done", "deleted"])
def test_what_was_closed_in_the_pms_can_be_reopened_here(
    runtime, phone, client, connection, pms, how
):
    phone.missed("u-1")
    bring_up(runtime, pms)
    [pms_id] = pms.tasks
    if how == "done":
        pms.done.add(pms_id)
    else:
        del pms.tasks[pms_id]
    phone.dials("u-2")
    bring_up(runtime, pms)
    bring_up(runtime, pms)
    [closed] = callbacks(runtime)
    assert (closed.state, "in the PMS" in closed.closed_by) == (DONE, True)

    decide(runtime, reopen_callback)

    bring_up(runtime, pms)
    assert states(runtime) == [OPEN]
    assert len(pms.tasks) == 1
    assert pms.done == set()


def test_a_pms_that_reopens_nothing_gets_a_new_task(runtime, phone, client, connection):
    class Rigid(MemoryConnector):
        capabilities = replace(MemoryConnector.capabilities, reopen_task=False)

    pms = Rigid()
    phone.missed("u-1")
    bring_up(runtime, pms)
    decide(runtime, close_callback)
    bring_up(runtime, pms)
    decide(runtime, reopen_callback)

    bring_up(runtime, pms)

    assert len(pms.tasks) == 2
    assert len(pms.done) == 1


def test_a_miss_that_came_after_the_task_was_done_in_the_pms_opens_a_new_one(
    runtime, phone, client, connection, pms
):
    phone.missed("u-1")
    bring_up(runtime, pms)
    pms.done |= pms.tasks.keys()
    phone.missed("u-2")

    bring_up(runtime, pms)
    bring_up(runtime, pms)

    assert states(runtime) == [DONE, OPEN]
    assert len(pms.tasks) == 2
    assert len(pms.done) == 1


def test_closing_twice_and_reopening_what_is_open_is_refused(runtime, phone, client):
    phone.missed("u-1")
    settle(runtime)
    with pytest.raises(InputError, match="is open"):
        decide(runtime, reopen_callback)
    decide(runtime, close_callback)

    with pytest.raises(InputError, match="done already"):
        decide(runtime, close_callback)


def test_an_older_one_is_not_reopened_beside_one_that_is_open(runtime, phone, client):
    phone.missed("u-1")
    phone.answered("u-2")
    phone.missed("u-3")
    settle(runtime)

    with pytest.raises(InputError, match="later one that is open"):
        decide(runtime, reopen_callback)

    assert states(runtime) == [DONE, OPEN]


def test_the_same_when_the_client_is_only_mapped_later(runtime, phone, clinic, db):
    make_client(db, clinic, "C1", "Jane Doe")
    for happens in STORY:
        happens(phone)
    settle(runtime)
    [waiting] = tasks(runtime)
    _map(runtime, clinic, CALLER, "C1")

    settle(runtime)

    [task] = tasks(runtime)
    assert (waiting.client, task.client) == ("", "C1")
    assert states(runtime) == [DONE]
    assert task.content["is_done"]


def test_settling_it_a_hundred_times_changes_nothing(runtime, phone, client):
    for happens in STORY[:4]:
        happens(phone)
    settle(runtime)
    before = [(each.id, each.version, each.content) for each in entries(runtime)]

    for _ in range(20):
        _mark_all(runtime)
        settle(runtime)

    assert [(each.id, each.version, each.content) for each in entries(runtime)] == before


def _mark_all(runtime):
    with runtime.db.transaction() as session:
        for call in session.scalars(sa.select(Call)):
            mark_due(session, runtime.db, call.clinic_id, SubjectKind.CALL, call.call_uuid)


def test_workers_that_settle_one_caller_at_once_lose_nothing(runtime, phone, client, clinic, db):
    _map(runtime, clinic, LANDLINE, "C1")
    callers = itertools.cycle([CALLER, LANDLINE])
    for number in range(10):
        phone.missed(f"u-{number}", next(callers))
    workers = [threading.Thread(target=settle, args=[runtime]) for _ in range(4)]

    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    while settle_due(runtime):
        pass

    [task] = tasks(runtime)
    assert [each.state for each in callbacks(runtime) if each.state is not WITHDRAWN] == [OPEN]
    assert "10 missed calls" in task.content["body"]


@st.composite
def _histories(draw):
    """What happens with two numbers of up to one client, and the order in which it is settled."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["missed", "answered", "dials", "text", "map"]),
                st.sampled_from([CALLER, LANDLINE]),
            ),
            min_size=1,
            max_size=8,
        )
    )
    return steps, draw(st.permutations(range(len(steps))))


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(_histories())
def test_a_caller_never_has_two_open_tasks_whatever_happens_in_any_order(runtime, history):
    steps, order = history
    clinic = make_clinic(runtime.db)
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    phone = Phone(runtime, clinic)
    start = phone.at
    for place in order:
        what, number = steps[place]
        phone.at = start + timedelta(seconds=60 * place)
        if what == "map":
            _map(runtime, clinic, number, "C1")
        elif what == "text":
            phone.text("Hello", client=number)
        else:
            getattr(phone, what)(f"u-{place}", number)
        settle(runtime)
        _assert_one_open_task_a_caller(runtime, clinic)

    told = _told(runtime, clinic)
    with runtime.db.transaction() as session:
        session.execute(sa.delete(Clinic).where(Clinic.id == clinic.id))
    assert told == {number: count for number, count in _expected(steps).items() if count}


def _assert_one_open_task_a_caller(runtime, clinic):
    with runtime.db.reading() as session:
        is_open = sa.select(Callback).where(
            Callback.clinic_id == clinic.id, Callback.closed_at.is_(None)
        )
        rows = session.scalars(is_open).all()
        stands = sa.select(Entry).where(
            Entry.clinic_id == clinic.id, Entry.kind == EntryKind.TASK, Entry.is_wanted
        )
        open_tasks = [each for each in session.scalars(stands) if not each.content["is_done"]]
    assert len({row.number for row in rows}) == len(rows)
    assert sorted(each.subject_id for each in open_tasks) == sorted(row.id for row in rows)
    clients = [each.client for each in open_tasks if each.client]
    assert len(set(clients)) == len(clients)


def _told(runtime, clinic):
    """How many calls ask for each open callback, by what is known of the caller."""
    with runtime.db.reading() as session:
        rows = session.scalars(
            sa.select(Entry).where(
                Entry.clinic_id == clinic.id, Entry.kind == EntryKind.TASK, Entry.is_wanted
            )
        )
        return {
            each.client: each.content["body"].count(": missed,")
            for each in rows
            if not each.content["is_done"]
        }


def _expected(steps):
    """The same from the steps alone, in the order in which they happened."""
    is_mapped = ("map", LANDLINE) in steps
    asking = {"C1": 0, "": 0}
    for what, number in steps:
        caller = "C1" if number == CALLER or is_mapped else ""
        if what == "missed":
            asking[caller] += 1
        elif what == "answered":
            asking[caller] = 0
    return asking


def test_whoever_spoke_to_one_stranger_has_not_spoken_to_another(runtime, clinic, phone, db):
    make_client(db, clinic, "C99", "Strangers")
    rules = {
        "callbacks": {"assignee": ["last_answered"]},
        "people": {"101": "amy"},
        "strangers": {"callbacks": "record", "record": "C99"},
    }
    with db.transaction() as session:
        known = session.get_one(Clinic, clinic.id)
        set_policy(session, db, known, Rules.model_validate(rules), utc_now(), "kim")
        map_number(session, db, clinic.id, LANDLINE, "C99", "kim", "", utc_now())
    phone.answered("u-1", LANDLINE)
    phone.missed("u-2", "+12125550177")
    settle(runtime)

    [task] = [entry for entry in entries(runtime) if entry.kind is EntryKind.TASK]
    assert (task.client, task.content["assignee"]) == ("C99", "")


def test_the_task_is_for_whoever_spoke_to_this_client_last(runtime, clinic, client, phone, db):
    make_client(db, clinic, "C2", "John Doe", numbers=["+12125550177"])
    rules = {
        "callbacks": {"assignee": ["last_answered", "role:reception"]},
        "people": {"101": "amy", "102": "bob"},
        "roles": {"reception": "front-desk"},
    }
    with db.transaction() as session:
        known = session.get_one(Clinic, clinic.id)
        set_policy(session, db, known, Rules.model_validate(rules), utc_now(), "kim")
        map_number(session, db, clinic.id, LANDLINE, "C1", "kim", "", utc_now())
    phone.answered("u-1")
    phone.rings("u-2", LANDLINE)
    phone.answer("u-2", LANDLINE)
    phone.event("ExtensionAnswered", "u-2", callerIdNum=LANDLINE, extensionNumber="102")
    phone.event("HangupCall", "u-2", callerIdNum=LANDLINE, extNumber="101")

    phone.missed("u-3")
    phone.missed("u-4", "+12125550177")
    settle(runtime)

    tasks = [entry for entry in entries(runtime) if entry.kind is EntryKind.TASK]
    told = {entry.client: entry.content["assignee"] for entry in tasks}
    assert told == {"C1": "bob", "C2": "front-desk"}
    replay(runtime, Span())
    settle(runtime)
    assert {entry.client: entry.version for entry in tasks} == {
        entry.client: entry.version for entry in entries(runtime) if entry.kind is EntryKind.TASK
    }
