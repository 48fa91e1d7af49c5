"""A run of housekeeping as a whole: by one worker at a time, of all that has its age."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from factories import make_client, make_clinic, make_connection, make_entry
from fakes import MemoryConnector, tools
from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.delivery.claim import claim
from ringnote.delivery.deliver import deliver
from ringnote.delivery.finish import finish_all
from ringnote.keeping import ended
from ringnote.keeping.turn import TurnEnded, take_turn
from ringnote.ledger.policies import set_policy
from ringnote.ledger.rules import Rules
from ringnote.models import (
    ApiToken,
    Attempt,
    Base,
    BrowserSession,
    Callback,
    Clinic,
    Decision,
    Entry,
    EntryKind,
    EntryState,
    Housekeeping,
    Lookup,
    NumberRule,
    OutboxRow,
    Retried,
    Retry,
    Role,
    SignInLink,
    SignInTries,
    User,
)
from ringnote.runtime import Runtime
from ringnote.settings import load_settings
from ringnote.telephony.tokens import issue_webhook_token
from stories import CALLER, Phone, calls, entries, purge, settle, transcripts, write

AGES_AGO = timedelta(days=1200)
STRANGER = "+12125550177"


@pytest.fixture
def clinic(db):
    return make_clinic(db)


@pytest.fixture
def phone(runtime, clinic):
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    make_connection(runtime.db, clinic)
    return Phone(runtime, clinic, at=utc_now() - AGES_AGO)


def goes_on():
    return False


def with_settings(runtime, **settings):
    known = runtime.settings.model_dump() | settings
    return Runtime(load_settings(known, environ={}), runtime.db)


def count(runtime, table):
    with runtime.db.reading() as session:
        return session.scalars(sa.select(sa.func.count()).select_from(table)).one()


def test_calls_and_texts_go_whole_once_their_time_has_come(runtime, phone):
    phone.missed("u-1")
    phone.text("Is Rex ready?")
    settle(runtime)
    write(runtime, MemoryConnector())
    phone.at = utc_now() - timedelta(days=400)
    phone.answered("u-2", caller=STRANGER)
    settle(runtime)
    write(runtime, MemoryConnector())

    purged = purge(runtime)

    assert (purged["calls"], purged["transcripts"]) == (1, 1)
    assert [each.call_uuid for each in calls(runtime)] == ["u-2"]
    assert transcripts(runtime) == []
    assert [each.subject_kind for each in entries(runtime)] == ["call"]
    assert count(runtime, Callback) == 0
    assert count(runtime, Base.metadata.tables["ringnote_conversation"]) == 0
    assert count(runtime, Base.metadata.tables["ringnote_match"]) == 1


def test_what_waited_in_vain_for_as_long_goes_too(runtime, phone):
    phone.missed("u-1", caller=STRANGER)
    settle(runtime)

    purge(runtime)

    assert (calls(runtime), entries(runtime)) == ([], [])
    assert count(runtime, Base.metadata.tables["ringnote_event"]) == 0


def test_what_is_still_to_be_written_stays_however_old(runtime, phone):
    phone.missed("u-1")
    settle(runtime)

    purge(runtime)

    assert len(calls(runtime)) == 1
    assert len(entries(runtime)) == 2


def test_texts_stay_while_the_task_that_they_ask_for_is_to_be_written(runtime, db, clinic, phone):
    rules = Rules.model_validate({"callbacks": {"texts": True, "text_minutes": 0}})
    with db.transaction() as session:
        set_policy(session, db, session.get_one(Clinic, clinic.id), rules, utc_now(), "kim")
    phone.text("Please call me")
    settle(runtime)
    pms = MemoryConnector()
    for work in claim(db, 10):
        if work.kind is not EntryKind.TASK:
            finish_all(db, [(work, deliver(work, pms, tools(db)))])
    owed = sa.select(OutboxRow.entry_id)
    with db.reading() as session:
        [task] = session.scalars(owed)

    purge(runtime)

    with db.reading() as session:
        assert session.scalars(owed).all() == [task]
        assert session.get_one(Entry, task).subject_kind == "callback"
    assert len(transcripts(runtime)) == 1
    assert count(runtime, Base.metadata.tables["ringnote_event"]) == 1


def test_a_call_that_comes_after_the_earlier_one_was_forgotten_is_folded_as_before(
    runtime, clinic, phone
):
    pms = MemoryConnector()
    phone.missed("u-1")
    settle(runtime)
    write(runtime, pms)
    phone.at = utc_now() - timedelta(hours=2)
    phone.rings("u-1")
    phone.event("HangupCall", "u-1", extNumber="", extName="", callerIdNum=CALLER)
    settle(runtime)
    write(runtime, pms)
    purge(runtime)

    phone.answer("u-1")
    settle(runtime)

    [call] = calls(runtime)
    assert (call.ordinal, call.outcome) == (2, "answered")


def test_nothing_goes_where_everything_is_kept_for_ever(runtime, phone):
    phone.missed("u-1")
    settle(runtime)
    write(runtime, MemoryConnector())
    for_ever = with_settings(
        runtime,
        keep_events_days=0,
        keep_attempts_days=0,
        keep_records_days=0,
        keep_ended_days=0,
    )

    assert purge(for_ever) == {}


def test_tries_go_by_their_age(runtime, phone):
    phone.missed("u-1")
    settle(runtime)
    write(runtime, MemoryConnector())
    with runtime.db.transaction() as session:
        first = session.scalars(sa.select(Attempt).order_by(Attempt.id)).first()
        first.started_at = utc_now() - timedelta(days=91)

    purged = purge(with_settings(runtime, keep_records_days=0))

    assert purged["attempts"] == 1
    assert count(runtime, Attempt) == 1


def test_a_try_of_a_clock_that_was_years_ahead_keeps_no_other_from_going(
    runtime, db, clinic, monkeypatch
):
    monkeypatch.setattr(ended, "BATCH", 2)
    entry_id = make_entry(db, clinic, None)
    now = utc_now()
    with db.transaction() as session:
        for days in (100, -1000, 99, 98, 97, 5):
            session.add(
                Attempt(
                    entry_id=entry_id,
                    version=1,
                    action="create",
                    started_at=now - timedelta(days=days),
                    duration_ms=1,
                    outcome="again",
                )
            )
            session.flush()

    assert purge(runtime)["attempts"] == 4
    assert count(runtime, Attempt) == 2


def test_what_has_ended_goes_and_what_has_not_stays(runtime, db, clinic):
    now, past = utc_now(), utc_now() - timedelta(days=100)
    known = {"clinic_id": clinic.id, "kind": "ignore", "made_by": "Kim", "made_at": past}
    user = User(name="kim", role=Role.VIEWER, created_at=past)
    with db.transaction() as session:
        session.add(user)
        session.flush()
        for hashed, until in (("a", past), ("b", now + timedelta(days=1))):
            session.add_all(
                [
                    BrowserSession(
                        user_id=user.id,
                        token_hash=hashed,
                        created_at=past,
                        seen_at=past,
                        expires_at=until,
                    ),
                    SignInLink(
                        user_id=user.id, token_hash=hashed, expires_at=until, is_reusable=False
                    ),
                    SignInTries(key=hashed, failures=1, last_at=until),
                    ApiToken(
                        name=hashed,
                        token_hash=hashed,
                        scopes=[],
                        created_at=past,
                        created_by="kim",
                        expires_at=until,
                    ),
                    Lookup(
                        clinic_id=clinic.id,
                        number=hashed,
                        due_at=None if until == past else now,
                        answered_at=past,
                    ),
                    NumberRule(number=hashed, revoked_at=past if until == past else None, **known),
                ]
            )
        issue_webhook_token(session, clinic.id, now)

    purged = purge(runtime)

    assert purged == {"links": 1, "lookups": 1, "rules": 1, "sessions": 1, "tokens": 1, "tries": 1}
    for table in (BrowserSession, SignInLink, SignInTries, ApiToken, Lookup, NumberRule):
        assert count(runtime, table) == 1, table


def test_old_retries_go_with_what_they_noted_of_entries_which_stay(runtime, db, clinic):
    entry_id = make_entry(db, clinic, None)
    with db.transaction() as session:
        for days in (100, 80):
            asked_at = utc_now() - timedelta(days=days)
            retry = Retry(asked_by="kim", asked_at=asked_at, told={}, count=1)
            session.add(retry)
            session.flush()
            was = {"was_state": EntryState.SET_ASIDE, "due_at": asked_at}
            session.add(Retried(retry_id=retry.id, entry_id=entry_id, **was))

    assert purge(runtime) == {"retried": 1, "retries": 1}
    assert [count(runtime, table) for table in (Entry, Retry, Retried)] == [1, 1, 1]


def test_a_retry_stays_until_the_last_of_its_entries_had_its_turn(runtime, db, clinic):
    entry_id = make_entry(db, clinic, make_connection(db, clinic))
    with db.transaction() as session:
        turn = session.get_one(OutboxRow, entry_id).due_at = utc_now() + timedelta(days=1)
        asked_at = utc_now() - timedelta(days=100)
        retry = Retry(asked_by="kim", asked_at=asked_at, told={}, count=1, rate=1)
        session.add(retry)
        session.flush()
        was = {"was_state": EntryState.SET_ASIDE, "due_at": turn}
        session.add(Retried(retry_id=retry.id, entry_id=entry_id, **was))

    assert purge(runtime) == {}
    with db.transaction() as session:
        session.get_one(OutboxRow, entry_id).due_at = utc_now()

    assert purge(runtime) == {"retried": 1, "retries": 1}


def test_what_a_person_decided_goes_with_its_call(runtime, clinic, phone):
    phone.missed("u-1")
    settle(runtime)
    write(runtime, MemoryConnector())
    made = {"kind": "correct", "value": {}, "made_by": "Kim", "made_at": utc_now() - AGES_AGO}
    with runtime.db.transaction() as session:
        for key in ("u-1", "u-2"):
            session.add(Decision(clinic_id=clinic.id, subject_kind="call", subject_key=key, **made))

    purge(runtime)

    assert count(runtime, Decision) == 1


def test_one_worker_keeps_house_at_a_time_and_none_before_it_is_due(runtime):
    assert take_turn(runtime.db, goes_on) is None
    turn = take_turn(runtime.db, goes_on, at_once=True)

    assert turn is not None
    assert take_turn(runtime.db, goes_on, at_once=True) is None

    turn.end()
    assert take_turn(runtime.db, goes_on) is None
    assert take_turn(runtime.db, goes_on, at_once=True) is not None


def test_a_worker_that_comes_back_after_its_turn_was_taken_changes_nothing(db):
    now = utc_now()
    at = [now]
    held = Database(db.url.render_as_string(hide_password=False), clock=lambda: at[0])
    zombie = take_turn(held, goes_on, at_once=True)
    at[0] = now + timedelta(minutes=2)
    other = take_turn(held, goes_on, at_once=True)

    with pytest.raises(TurnEnded), zombie.step() as session:
        session.execute(sa.delete(Entry))
    zombie.end()
    with held.reading() as session:
        finished = session.scalars(sa.select(Housekeeping.finished_at)).one()

    assert other is not None
    assert finished is None
    held.dispose()


def test_a_step_that_fails_leaves_what_the_steps_before_it_did(runtime, phone, monkeypatch):
    phone.missed("u-1")
    settle(runtime)
    write(runtime, MemoryConnector())
    with runtime.db.transaction() as session:
        session.execute(sa.update(Attempt).values(started_at=utc_now() - timedelta(days=91)))

    def fail(*_):
        raise DBAPIError("DELETE", None, OSError("disk"))

    monkeypatch.setattr("ringnote.keeping.house.purge_records", fail)
    with pytest.raises(DBAPIError):
        purge(runtime)

    assert count(runtime, Attempt) == 0
