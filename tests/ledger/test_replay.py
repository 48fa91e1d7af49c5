"""Replays of a span: what they cover and would change, and that they change nothing twice."""

from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.directory import choices
from ringnote.ledger.closings import close_callback
from ringnote.ledger.corrections import correct_call
from ringnote.ledger.replay import Span, carry_out, make_plan
from ringnote.ledger.replay_trial import try_out
from ringnote.ledger.rules import DEFAULT_RULES
from ringnote.ledger.settle import lock_subjects
from ringnote.models import Base, Callback, Clinic, EntryKind, Event, EventStatus, Policy
from ringnote.runtime import Runtime
from stories import CALLER, Phone, callbacks, calls, entries, marks, replay, settle, write

STRANGER = "+12125550177"
ALL = Span()


@pytest.fixture
def clinic(db: Database) -> Clinic:
    clinic = make_clinic(db)
    make_connection(db, clinic)
    make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    make_client(db, clinic, "C2", "John Doe")
    return clinic


@pytest.fixture
def phone(runtime: Runtime, clinic: Clinic) -> Phone:
    return Phone(runtime, clinic)


def plan_of(runtime, span=ALL):
    with runtime.db.reading() as session:
        return make_plan(session, span)


def tried(runtime, *, by_newest=False):
    return try_out(runtime, plan_of(runtime), by_newest=by_newest, progress=lambda _: None)


def tables(runtime):
    """Every row there is."""
    with runtime.db.reading() as session:
        return {
            table.name: sorted(map(repr, session.execute(sa.select(table))))
            for table in Base.metadata.sorted_tables
        }


def set_rules(db, clinic, version, **rules):
    with db.transaction() as session:
        made = {"created_at": utc_now(), "created_by": "kim"}
        session.add(
            Policy(clinic_id=clinic.id, version=version, rules=DEFAULT_RULES | rules, **made)
        )


def misread(db, status=EventStatus.QUARANTINED):
    """As if a worse reader had read every webhook."""
    with db.transaction() as session:
        session.execute(
            sa.update(Event).values(status=status, subject_kind=None, subject_key=None, fields={})
        )


def test_a_plan_counts_webhooks_and_what_they_are_of_once_each(runtime, phone):
    phone.missed("u-1")
    phone.text("Is Rex ready?")
    phone.post(b"eventType=HangupCall")

    plan = plan_of(runtime)

    assert plan.events == {EventStatus.ACCEPTED: 4, EventStatus.QUARANTINED: 1}
    assert plan.differing == {}
    assert [key for _, _, key in plan.subjects] == ["u-1", "c-1"]


def test_a_plan_finds_what_reads_otherwise_and_leaves_it(runtime, db, phone):
    phone.missed("u-1")
    misread(db)
    before = tables(runtime)

    plan = plan_of(runtime)

    assert (len(plan.differing), [key for _, _, key in plan.subjects]) == (3, ["u-1"])
    assert tables(runtime) == before


def test_subjects_are_settled_so_many_a_minute_and_none_later_than_it_was_to_be(
    runtime, db, clinic, phone
):
    for call in ("u-1", "u-2", "u-3"):
        phone.missed(call)
    settle(runtime)
    phone.event("HangupCall", "u-3")
    [live] = marks(runtime)

    list(carry_out(db, plan_of(runtime), 60, by_newest=False))

    first, second, third = sorted(marks(runtime), key=lambda mark: mark.subject_key)
    assert second.due_at - first.due_at == timedelta(seconds=1)
    assert (third.due_at, third.generation) == (live.due_at, live.generation + 1)


def test_a_replay_that_is_stopped_has_done_a_part_of_it_whole(runtime, db, phone, monkeypatch):
    monkeypatch.setattr("ringnote.ledger.replay.BATCH", 3)
    phone.missed("u-1")
    phone.missed("u-2")
    misread(db)
    settle(runtime)

    stopped = carry_out(db, plan_of(runtime), None, by_newest=False)
    assert next(stopped) == 1
    stopped.close()
    settle(runtime)

    assert [call.call_uuid for call in calls(runtime)] == ["u-1"]
    assert len(plan_of(runtime).differing) == 3
    replay(runtime, ALL)
    settle(runtime)
    assert [call.call_uuid for call in calls(runtime)] == ["u-1", "u-2"]


def test_what_a_trial_tells_is_what_then_becomes_of_it(runtime, db, clinic, phone):
    phone.answered("u-3")
    phone.missed("u-1")
    phone.missed("u-2")
    settle(runtime)
    pms = MemoryConnector()
    write(runtime, pms)
    phone.missed("u-4", STRANGER)
    phone.text("Is Rex ready?")
    with db.transaction() as session:
        late = sa.update(Event).where(Event.subject_key.in_(["u-4", "c-1"]))
        session.execute(late.values(status=EventStatus.QUARANTINED, subject_key=None))
        choices.map_number(session, db, clinic.id, STRANGER, "C2", "Kim", "", utc_now())
    settle(runtime)
    own = {"call": {"body": "{{ title }}!"}}
    set_rules(db, clinic, 2, callbacks={"outcomes": []}, words=own)
    before = tables(runtime)

    told = tried(runtime, by_newest=True)

    assert tables(runtime) == before
    # One caller's two calls ask no more, so that their one task goes.
    assert told == Counter(
        {
            ("withdrawn", EntryKind.TASK): 1,
            ("amended", EntryKind.NOTE): 3,
            ("added", EntryKind.NOTE): 1,
            ("added", EntryKind.TRANSCRIPT): 1,
        }
    )
    replay(runtime, ALL, by_newest=True)
    settle(runtime)
    write(runtime, pms)
    assert (len(pms.notes), len(pms.tasks)) == (5, 0)


def test_a_second_replay_changes_nothing_and_what_people_decided_stays(runtime, db, clinic, phone):
    for call, caller in (("u-1", CALLER), ("u-2", STRANGER), ("u-3", CALLER)):
        phone.missed(call, caller)
    phone.text("Is Rex ready?")
    settle(runtime)
    with db.transaction() as session:
        said = {"by": "Kim", "why": "", "now": utc_now()}
        correct_call(session, db, clinic.id, "u-1", "answered", **said)
        choices.map_number(session, db, clinic.id, STRANGER, "C2", **said)
    settle(runtime)
    with db.transaction() as session:
        [of_stranger] = session.scalars(sa.select(Callback).where(Callback.number == STRANGER))
        close_callback(session, db, of_stranger, "Kim", "called from home", utc_now())
    settle(runtime)
    pms = MemoryConnector()
    write(runtime, pms)
    before = tables(runtime)

    assert tried(runtime) == {}
    for _ in range(2):
        replay(runtime, ALL)
        settle(runtime)

    assert tables(runtime) == before
    assert "Kim: called from home" in {each.closed_by for each in callbacks(runtime)}
    assert {each.client for each in entries(runtime)} == {"C1", "C2"}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_trial_waits_for_a_worker_that_is_at_a_subject(runtime, db, clinic, phone, monkeypatch):
    phone.missed("u-1")
    phone.missed("u-2", STRANGER)
    settle(runtime)
    pauses = []
    subject, _ = plan_of(runtime).subjects
    set_rules(db, clinic, 2, callbacks={"outcomes": []})

    with db.transaction() as session:
        assert lock_subjects(session, db, [subject]) == {subject}

        def pause(seconds):
            pauses.append(seconds)
            session.commit()

        monkeypatch.setattr("ringnote.ledger.replay_trial.time.sleep", pause)
        assert tried(runtime, by_newest=True) == {("withdrawn", EntryKind.TASK): 2}

    assert len(pauses) == 1
