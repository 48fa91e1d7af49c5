"""What the database says of the whole installation."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from factories import make_clinic, make_connection, make_entry
from fakes import HeldClock
from ringnote.db import Database
from ringnote.directory.sync_state import tell_sync
from ringnote.metrics.census import take_census
from ringnote.models import (
    Callback,
    Clinic,
    Connection,
    ConnectionState,
    DueMark,
    Entry,
    EntryState,
    Event,
    EventStatus,
    Lookup,
    OutboxRow,
    Pace,
    SubjectKind,
    SyncState,
    new_event_id,
)

NOW = datetime(2026, 11, 26, 15, 0, tzinfo=UTC)
AGO, SOON = NOW - timedelta(seconds=90), NOW + timedelta(seconds=90)


@pytest.fixture
def db(database_url):
    held = Database(database_url, clock=HeldClock(NOW))
    yield held
    held.dispose()


@pytest.fixture
def clinic(db):
    return make_clinic(db)


def change(db, model, **values):
    with db.transaction() as session:
        session.execute(sa.update(model).values(**values))


def add(db, *rows):
    with db.transaction() as session:
        session.add_all(rows)


def mark(clinic, key, due_at, failures=0):
    kind = SubjectKind.CALL
    return DueMark(
        clinic_id=clinic.id, subject_kind=kind, subject_key=key, due_at=due_at, failures=failures
    )


def test_where_nothing_is_everything_is_zero(db):
    census = take_census(db)

    assert set(census.entries.values()) == {0}
    assert (census.due_entry_age, census.due_subjects, census.due_subject_age) == (0, 0, 0)
    assert (census.due_lookups, census.quarantined_webhooks, census.open_callbacks) == (0, 0, 0)
    assert (census.connections, census.stopped_syncs) == ({}, {})


def test_entries_are_counted_by_state_over_all_clinics_but_for_those_that_are_finished(db, clinic):
    other = make_clinic(db)
    ids = [make_entry(db, each, None) for each in [clinic, other] * len(EntryState)]
    with db.transaction() as session:
        for entry_id, state in zip(ids, [*EntryState, *EntryState], strict=True):
            session.get(Entry, entry_id).state = state

    unfinished = {EntryState.DUE, EntryState.RETRYING, EntryState.WAITING, EntryState.SET_ASIDE}
    assert take_census(db).entries == dict.fromkeys(unfinished, 2)


def test_the_entry_counts_that_has_been_due_for_longest(db, clinic):
    connection = make_connection(db, clinic)
    first, second, third = (make_entry(db, clinic, connection) for _ in range(3))
    with db.transaction() as session:
        session.get(OutboxRow, first).due_at = NOW - timedelta(seconds=5)
        session.get(OutboxRow, second).due_at = AGO
        session.get(OutboxRow, third).due_at = SOON

    assert take_census(db).due_entry_age == 90


@pytest.mark.parametrize(
    ("model", "values", "age"),
    [
        (OutboxRow, {"due_at": SOON, "lease_token": "held"}, 0),
        (Connection, {"state": ConnectionState.PAUSED, "paused_by": "person"}, 0),
        (Connection, {"is_watch_only": True}, 0),
        (Connection, {"ended_at": AGO}, 0),
        (Clinic, {"is_watch_only": True}, 0),
        (Pace, {"blocked_until": SOON}, 90),
    ],
    ids=["leased", "paused", "watch-only", "ended", "policy that only watches", "resting"],
)
def test_what_a_person_holds_back_is_not_overdue_and_what_a_pms_does_is(
    db, clinic, model, values, age
):
    make_entry(db, clinic, make_connection(db, clinic))
    change(db, OutboxRow, due_at=AGO)

    change(db, model, **values)

    assert take_census(db).due_entry_age == age


def test_subjects_are_counted_once_they_are_due(db, clinic):
    add(db, mark(clinic, "u-1", AGO), mark(clinic, "u-2", NOW), mark(clinic, "u-3", SOON))

    census = take_census(db)

    assert (census.due_subjects, census.due_subject_age) == (2, 90)
    assert census.failing_subjects == 0


def test_a_subject_that_cannot_be_settled_is_counted_between_its_tries_too(db, clinic):
    add(
        db,
        mark(clinic, "u-1", SOON, failures=3),
        mark(clinic, "u-2", NOW + timedelta(hours=1), failures=20),
        mark(clinic, "u-3", SOON),
    )

    census = take_census(db)

    assert (census.due_subjects, census.failing_subjects) == (0, 2)


def test_lookups_are_counted_once_they_are_due_and_until_they_are_answered(db, clinic):
    due = {"+12125550142": AGO, "+12125550143": SOON, "+12125550144": None}
    add(db, *(Lookup(clinic_id=clinic.id, number=each, due_at=at) for each, at in due.items()))

    census = take_census(db)

    assert (census.due_lookups, census.due_lookup_age) == (1, 90)


def test_connections_in_use_are_counted_by_connector_and_state(db):
    paused = {"state": ConnectionState.PAUSED}
    for name, over in (
        ("sandbox", {}),
        ("sandbox", {}),
        ("sandbox", {"ended_at": AGO}),
        ("hubspot", {"is_watch_only": True}),
        ("hubspot", paused | {"paused_by": "person"}),
        ("hubspot", paused | {"paused_by": "refused"}),
    ):
        make_connection(db, make_clinic(db), name, **over)
    make_connection(db, make_clinic(db, is_watch_only=True), "sandbox")
    tired = make_connection(db, make_clinic(db), "sandbox")
    rested = make_connection(db, make_clinic(db), "sandbox")
    with db.transaction() as session:
        session.get(Pace, tired.id).blocked_until = SOON
        session.get(Pace, rested.id).blocked_until = AGO

    assert take_census(db).connections == {
        ("sandbox", "active"): 3,
        ("sandbox", "watch_only"): 1,
        ("sandbox", "resting"): 1,
        ("hubspot", "watch_only"): 1,
        ("hubspot", "paused"): 1,
        ("hubspot", "refused"): 1,
    }


@pytest.mark.parametrize(
    ("state", "stopped"),
    [
        ({"started_at": None, "reason": None}, 0),
        ({"started_at": AGO, "finished_at": AGO}, 0),
        ({"started_at": AGO, "leased_until": SOON}, 0),
        ({"started_at": AGO, "finished_at": AGO, "leased_until": SOON}, 0),
        ({"started_at": AGO, "reason": "the PMS did not answer"}, 1),
        ({"started_at": AGO, "finished_at": AGO, "reason": "the PMS did not answer"}, 1),
        ({"started_at": AGO, "finished_at": AGO, "leased_until": AGO}, 1),
    ],
)
def test_a_sync_counts_as_stopped_where_people_are_told_so(db, clinic, state, stopped):
    connection = make_connection(db, clinic)
    add(db, SyncState(connection_id=connection.id, **state))

    counted = take_census(db).stopped_syncs

    with db.reading() as session:
        told = tell_sync(session, db, connection.id)["state"]
    assert counted == {"sandbox": stopped}
    assert (told == "stopped") == bool(stopped)


def test_the_stopped_sync_of_a_paused_connection_is_not_told_of_twice(db, clinic):
    connection = make_connection(db, clinic, state=ConnectionState.PAUSED, paused_by="refused")
    add(db, SyncState(connection_id=connection.id, started_at=AGO, reason="refused"))

    assert take_census(db).stopped_syncs == {}


def test_what_is_quarantined_and_whom_to_call_back_is_counted(db, clinic):
    for number, status in enumerate([EventStatus.ACCEPTED, *[EventStatus.QUARANTINED] * 2]):
        at = NOW + timedelta(seconds=number)
        event = {"content_type": "", "body": b"", "fields": {}, "status": status}
        add(db, Event(id=new_event_id(at), clinic_id=clinic.id, received_at=at, **event))
    for number, closed_at in (("+12125550142", None), ("+12125550143", NOW)):
        opened = {"clinic_id": clinic.id, "number": number, "opened_at": AGO}
        add(db, Callback(**opened, closed_at=closed_at))

    census = take_census(db)

    assert (census.quarantined_webhooks, census.open_callbacks) == (2, 1)
