"""What a person says a call was: what is kept of it, and where it is refused."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic
from ringnote.errors import InputError
from ringnote.ledger.corrections import correct_call, read_corrections
from ringnote.models import CallbackState, Decision, Event
from stories import CALLER, Phone, callbacks, calls, entries, marks, settle


@pytest.fixture
def clinic(db):
    clinic = make_clinic(db)
    make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    return clinic


@pytest.fixture
def phone(runtime, clinic):
    return Phone(runtime, clinic)


@pytest.fixture
def correct(runtime, clinic):
    def say(outcome, call="u-1", by="Kim", why="", clinic=clinic):
        now = runtime.clock()
        with runtime.db.transaction() as session:
            correct_call(session, runtime.db, clinic.id, call, outcome, by, why, now)

    return say


def read(runtime, clinic, call="u-1"):
    with runtime.db.reading() as session:
        return read_corrections(session, clinic.id, call)


def test_a_correction_is_appended_and_the_call_is_due_at_once(runtime, phone, correct, clinic):
    phone.missed("u-1")
    settle(runtime)

    correct("answered", why="on the mobile")
    correct("missed", by="Lou")

    said = [(each.outcome, each.by, each.why) for each in read(runtime, clinic)]
    assert said == [("answered", "Kim", "on the mobile"), ("missed", "Lou", "")]
    assert [mark.subject_key for mark in marks(runtime)] == ["u-1"]


def test_a_correction_changes_no_event(runtime, phone, correct):
    phone.missed("u-1")
    settle(runtime)
    before = _events(runtime)

    correct("answered")
    settle(runtime)

    assert calls(runtime)[0].outcome == "answered"
    assert _events(runtime) == before


def _events(runtime):
    with runtime.db.reading() as session:
        query = sa.select(Event.id, Event.received_at, Event.body, Event.fields, Event.status)
        return session.execute(query.order_by(Event.id)).all()


def test_a_correction_is_of_this_clinic_s_call_alone(runtime, phone, correct):
    other = Phone(runtime, make_clinic(runtime.db))
    for each in (phone, other):
        each.missed("u-1")
    settle(runtime)

    correct("answered")
    settle(runtime)

    outcomes = {each.clinic_id: each.outcome for each in calls(runtime)}
    assert outcomes == {phone.clinic.id: "answered", other.clinic.id: "missed"}
    assert read(runtime, other.clinic) == []


@pytest.mark.parametrize("ahead", [timedelta(minutes=-1), timedelta(minutes=5)])
def test_a_call_under_way_is_corrected_whatever_the_receiver_s_clock(
    runtime, phone, correct, ahead
):
    phone.at = runtime.clock() + ahead
    phone.rings("u-1")
    settle(runtime)

    correct("missed")
    settle(runtime)

    assert calls(runtime)[0].settled_at
    assert {each.kind.value for each in entries(runtime)} == {"note", "task"}


def test_a_call_that_missed_again_after_it_was_corrected_asks_once_more(runtime, phone, correct):
    phone.missed("u-1")
    settle(runtime)
    for outcome in ("answered", "missed"):
        correct(outcome)
        settle(runtime)

    [task] = [each for each in entries(runtime) if each.kind.value == "task"]

    assert [each.state for each in callbacks(runtime)] == [CallbackState.OPEN]
    assert task.is_wanted


def test_a_call_comes_back_to_the_callback_that_another_kept_open(runtime, phone, correct):
    phone.missed("u-1")
    phone.missed("u-2")
    settle(runtime)
    for outcome in ("answered", "missed"):
        correct(outcome)
        settle(runtime)

    [task] = [each for each in entries(runtime) if each.kind.value == "task"]

    assert [each.state for each in callbacks(runtime)] == [CallbackState.OPEN]
    assert "2 missed calls" in task.content["body"]


@pytest.mark.parametrize("column", ["leg_of", "frozen_at"])
def test_where_a_correction_could_change_nothing_nothing_is_kept(runtime, phone, correct, column):
    phone.missed("u-0")
    phone.missed("u-1")
    settle(runtime)
    whole, part = sorted(calls(runtime), key=lambda call: call.call_uuid)
    with runtime.db.transaction() as session:
        values = {"leg_of": whole.id, "frozen_at": runtime.clock()}
        session.execute(
            sa.update(type(part)).where(type(part).id == part.id).values({column: values[column]})
        )

    with pytest.raises(InputError, match="u-1"):
        correct("answered")

    with runtime.db.reading() as session:
        assert session.scalars(sa.select(Decision)).all() == []


def test_of_a_call_uuid_that_was_used_again_the_latest_call_is_corrected(runtime, phone, correct):
    phone.at -= timedelta(days=3)
    phone.missed("u-1")
    phone.at += timedelta(days=2)
    phone.missed("u-1")
    settle(runtime)
    first = calls(runtime)[0]
    with runtime.db.transaction() as session:
        purged = sa.update(type(first)).where(type(first).id == first.id)
        session.execute(purged.values(frozen_at=runtime.clock()))

    correct("answered")
    settle(runtime)

    assert [each.outcome for each in calls(runtime)] == ["missed", "answered"]
