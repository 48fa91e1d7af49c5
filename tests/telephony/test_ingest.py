"""Keeping webhooks: what is stored of them, whatever comes with them and whatever clocks say."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from factories import make_clinic
from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.errors import WebhookError
from ringnote.models import Clinic, DueMark, Event, new_event_id
from ringnote.runtime import Runtime
from ringnote.settings import load_settings
from ringnote.spool_lines import Spooled
from ringnote.telephony import store
from ringnote.telephony.ingest import keep_spooled, take
from ringnote.telephony.tokens import hash_token
from stories import Phone

AT_ONCE = 40
EVERY = timedelta(seconds=3)
"""So far the phone's webhooks are apart."""
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def phone(runtime):
    return Phone(runtime, make_clinic(runtime.db))


def received(runtime):
    with runtime.db.reading() as session:
        return session.scalars(sa.select(Event.received_at)).all()


def test_a_receiver_whose_clock_is_ahead_does_not_have_its_calls_wait_as_long(runtime):
    phone = Phone(runtime, make_clinic(runtime.db), at=utc_now() + timedelta(minutes=5))

    phone.missed("u-1")

    assert max(received(runtime)) <= utc_now()


@pytest.mark.parametrize("minutes", [5, -5])
def test_a_receiver_whose_clock_is_off_tells_of_a_call_at_the_database_s_time(
    postgres_copy, tmp_path, minutes
):
    settings = load_settings({"database_url": postgres_copy, "data_dir": tmp_path}, environ={})
    off = timedelta(minutes=minutes)
    receiver = Runtime(settings, Database(settings.url), lambda: utc_now() + off)
    clinic = make_clinic(receiver.db)
    begun = utc_now() - timedelta(seconds=60)
    phone = Phone(receiver, clinic, at=begun + off)

    phone.missed("u-1")

    with receiver.db.transaction() as session:
        stamps = session.scalars(sa.select(Event.received_at).order_by(Event.id)).all()
        session.execute(sa.delete(Clinic).where(Clinic.id == clinic.id))
    receiver.close()
    # The time that it takes to ask the database for its own is not known to be the clock's fault.
    assert [round((at - begun) / EVERY) for at in stamps] == [1, 2, 3]


@pytest.mark.parametrize(
    ("present", "ahead"),
    [(10, 0), (11, 0), (14, 0), (9, 1), (-290, 300), (15, -1), (314, -300)],
)
def test_a_clock_is_off_only_by_what_the_time_to_ask_does_not_explain(present, ahead):
    asked_at, told_at = NOON + timedelta(seconds=10), NOON + timedelta(seconds=14)

    found = store.certainly_ahead(asked_at, NOON + timedelta(seconds=present), told_at)

    assert found == timedelta(seconds=ahead)


def test_a_time_of_receipt_that_has_been_is_kept_as_it_is(runtime):
    at = utc_now() - timedelta(minutes=5)
    phone = Phone(runtime, make_clinic(runtime.db), at=at)

    phone.dials("u-1")

    assert received(runtime) == [at + timedelta(seconds=3)]


def kept(runtime) -> list[Event]:
    with runtime.db.reading() as session:
        return list(session.scalars(sa.select(Event).order_by(Event.id)))


def generations(runtime) -> dict[str, int]:
    with runtime.db.reading() as session:
        rows = session.execute(sa.select(DueMark.subject_key, DueMark.generation))
        return dict(rows.all())


def take_all(runtime, webhooks):
    """The receipts of tokens with their bodies that come at once; of each its error, if any."""

    def one(webhook):
        try:
            return take(runtime, *webhook, "text/plain", utc_now())
        except (WebhookError, IntegrityError) as error:
            return error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, webhooks))


def test_of_many_at_once_each_is_told_what_became_of_it(runtime, phone):
    other = Phone(runtime, make_clinic(runtime.db))
    mine = [(phone.token, phone.body("HangupCall", f"u-{number}")) for number in range(30)]
    theirs = [(other.token, phone.body("HangupCall", "u-0"))]
    unread = [(phone.token, b"what?")]
    unknown = [("no-such-token", phone.body("HangupCall", "u-0"))]

    receipts = take_all(runtime, [*mine, *theirs, *unread, *unknown])

    assert [receipt.status.value for receipt in receipts[:30]] == ["accepted"] * 30
    assert [receipt.status.value for receipt in receipts[30:32]] == ["quarantined"] * 2
    assert "another clinic" in receipts[30].reason
    assert receipts[32].status == 404
    events = {event.id: event for event in kept(runtime)}
    assert events.keys() == {receipt.event_id for receipt in receipts[:32]}
    assert [events[each.event_id].subject_key for each in receipts[:30]] == [
        f"u-{number}" for number in range(30)
    ]
    assert [events[each.event_id].body for each in receipts[:30]] == [body for _, body in mine]
    assert events[receipts[30].event_id].clinic_id == other.clinic.id
    assert generations(runtime) == {f"u-{number}": 1 for number in range(30)}


def test_one_that_the_database_will_not_take_takes_none_of_the_others_with_it(
    runtime, phone, monkeypatch
):
    read = store.read_columns

    def spoil(reading, owner):
        spoilt = {"status": None} if reading.fields["call_uuid"] == "u-7" else {}
        return read(reading, owner) | spoilt

    monkeypatch.setattr(store, "read_columns", spoil)

    receipts = take_all(
        runtime, [(phone.token, phone.body("HangupCall", f"u-{n}")) for n in range(AT_ONCE)]
    )

    assert isinstance(receipts.pop(7), IntegrityError)
    assert {receipt.status.value for receipt in receipts} == {"accepted"}
    assert {event.id for event in kept(runtime)} == {receipt.event_id for receipt in receipts}


def test_what_is_stored_again_neither_stands_twice_nor_has_its_call_settled_again(runtime, phone):
    phone.answered("u-1")
    [event, *_] = kept(runtime)
    before = generations(runtime)
    again = Spooled(
        event.id, event.received_at, hash_token(phone.token), event.content_type, event.body
    )

    refused = keep_spooled(runtime, [again, again])

    assert refused == []
    assert len([each for each in kept(runtime) if each.id == event.id]) == 1
    assert generations(runtime) == before


def test_two_events_of_a_call_in_one_batch_are_one_mark(runtime, phone):
    first, second = (
        Spooled(new_id, phone.at, hash_token(phone.token), "", phone.body("HangupCall", "u-1"))
        for new_id in ("E1", "E2")
    )

    assert keep_spooled(runtime, [second, first]) == []

    assert [event.id for event in kept(runtime)] == ["E1", "E2"]
    assert generations(runtime) == {"u-1": 1}


def spooled(phone, *uuids):
    return [
        Spooled(new_event_id(utc_now()), utc_now(), hash_token(phone.token), "", body)
        for body in (phone.body("HangupCall", uuid) for uuid in uuids)
    ]


@pytest.mark.parametrize("count", [1, 20])
def test_on_postgresql_however_many_take_three_round_trips(phoned, count, monkeypatch):
    phone, wire = phoned
    # It tells the workers from a thread of its own.
    monkeypatch.setattr(phone.runtime.waker, "notify", lambda: None)
    for _ in range(10):  # After a few times the driver has its statements prepared.
        keep_spooled(phone.runtime, spooled(phone, "u-1"))
    before = wire.turns

    keep_spooled(phone.runtime, spooled(phone, *(f"u-{number}" for number in range(count))))

    # The pool sees that the connection lives, the token is looked up, and all is written.
    assert wire.turns - before == 3


def test_on_postgresql_what_one_of_many_holds_that_it_cannot_take_is_that_one_s_alone(
    phoned, monkeypatch
):
    phone, _ = phoned
    read = store.read_columns

    def spoil(reading, owner):
        spoilt = {"event_type": "nul\0"} if reading.fields.get("call_uuid") == "u-1" else {}
        return read(reading, owner) | spoilt

    monkeypatch.setattr(store, "read_columns", spoil)
    webhooks = spooled(phone, *(f"u-{number}" for number in range(100)))
    webhooks[50] = replace(webhooks[50], body=bytes(range(256)))

    assert keep_spooled(phone.runtime, webhooks) == [webhooks.pop(1)]

    events = kept(phone.runtime)
    assert [(event.id, event.body) for event in events] == sorted(
        (webhook.event_id, webhook.body) for webhook in webhooks
    )
    unread = {webhooks[49].event_id}
    assert {event.id for event in events if event.subject_kind is None} == unread
    assert {event.id for event in events if event.reason} == unread
    assert {event.fields.get("call_uuid") for event in events} == {None} | {
        event.subject_key for event in events if event.subject_key
    }
    assert len(generations(phone.runtime)) == 98


def test_whoever_removes_the_clinic_meanwhile_and_ingest_do_not_lock_each_other_out(phoned):
    phone, _ = phoned
    db = phone.runtime.db
    keep_spooled(phone.runtime, spooled(phone, "u-1"))
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )

    with ThreadPoolExecutor(1) as pool, db.transaction() as session:
        session.execute(sa.select(Clinic.id).with_for_update()).all()
        storing = pool.submit(keep_spooled, phone.runtime, spooled(phone, "u-1"))
        with db.engine.connect() as onlooker:
            while not onlooker.scalar(waiting):
                onlooker.rollback()
        session.execute(sa.delete(Clinic).where(Clinic.id == phone.clinic.id))
        session.commit()
        assert storing.result(10) == []

    assert kept(phone.runtime) == []
