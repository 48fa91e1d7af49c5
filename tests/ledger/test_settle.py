"""From webhooks to entries, told as stories."""

import itertools
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection
from ringnote.clock import utc_now
from ringnote.directory.choices import ignore_number, map_number
from ringnote.ledger.settle import settle_due
from ringnote.models import (
    Call,
    CallbackState,
    Decision,
    DueMark,
    EntryKind,
    EntryState,
    Event,
    OutboxRow,
    SubjectKind,
)
from ringnote.telephony.marks import mark_due
from stories import CALLER, Phone, callbacks, calls, entries, marks, settle, transcripts


@pytest.fixture
def clinic(db):
    return make_clinic(db, timezone="America/New_York")


@pytest.fixture
def phone(runtime, clinic):
    return Phone(runtime, clinic)


@pytest.fixture
def client(db, clinic):
    return make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])


def facts_of(entry):
    return entry.kind, entry.client, entry.state, entry.content["title"]


def map_caller(runtime, clinic, client="C1", number=CALLER):
    with runtime.db.transaction() as session:
        map_number(session, runtime.db, clinic.id, number, client, by="Kim", why="", now=utc_now())


def test_an_answered_call_becomes_one_note(runtime, phone, client):
    phone.answered("u-1")

    settle(runtime)

    [note] = entries(runtime)
    assert note.client == "C1"
    assert note.content["title"] == "Incoming call answered by Amy (101)"
    assert "Main" in note.content["body"]
    assert callbacks(runtime) == []


def test_a_missed_call_becomes_a_note_and_a_callback_task(runtime, phone, client):
    phone.missed("u-1")

    settle(runtime)

    assert {(each.kind, each.client, each.content["title"]) for each in entries(runtime)} == {
        (EntryKind.NOTE, "C1", "Missed call"),
        (EntryKind.TASK, "C1", "Call back: missed call"),
    }
    assert [each.state for each in callbacks(runtime)] == [CallbackState.OPEN]


def test_a_second_missed_call_joins_the_open_callback(runtime, phone, client):
    phone.missed("u-1")
    settle(runtime)
    phone.missed("u-2")

    settle(runtime)

    [task] = [each for each in entries(runtime) if each.kind is EntryKind.TASK]
    assert "2 missed calls" in task.content["body"]
    assert task.version == 2
    assert len(callbacks(runtime)) == 1


def test_a_voicemail_asks_for_a_callback(runtime, phone, client):
    phone.rings("u-1")
    phone.event("voicemailHangup", "u-1", callerIdNum=CALLER)
    phone.event("HangupCall", "u-1", extNumber="", callerIdNum=CALLER)

    settle(runtime)

    titles = {each.kind: each.content["title"] for each in entries(runtime)}
    assert titles[EntryKind.NOTE] == "Incoming call reached voicemail"
    assert titles[EntryKind.TASK].startswith("Call back")


def test_a_late_answer_withdraws_the_callback_task_and_amends_the_note(runtime, phone, client):
    phone.missed("u-1")
    settle(runtime)
    phone.answer("u-1")

    settle(runtime)

    by_kind = {each.kind: each for each in entries(runtime)}
    assert by_kind[EntryKind.TASK].state is EntryState.WITHDRAWN
    assert by_kind[EntryKind.NOTE].content["title"] == "Incoming call answered by Amy (101)"
    assert callbacks(runtime)[0].state is CallbackState.WITHDRAWN


def test_a_late_answer_leaves_the_callback_that_another_call_asks_for(runtime, phone, client):
    phone.missed("u-1")
    phone.missed("u-2")
    settle(runtime)
    phone.answer("u-1")

    settle(runtime)

    [task] = [each for each in entries(runtime) if each.kind is EntryKind.TASK]
    assert task.is_wanted
    assert "1 missed call," in task.content["body"]


def test_an_outbound_call_becomes_a_note_at_the_number_dialled(runtime, phone, client):
    phone.dials("u-1")

    settle(runtime)

    [note] = entries(runtime)
    assert facts_of(note)[1::2] == ("C1", "Call placed by Amy (101)")


def test_texts_of_a_day_become_one_transcript_amended_as_they_come(runtime, phone, client):
    phone.at = phone.at.replace(hour=17, minute=0) - timedelta(days=1)
    phone.text("Is Rex ready?")
    settle(runtime)
    phone.text("Yes, from 3 pm.", inbound=False)

    settle(runtime)

    [entry] = entries(runtime)
    assert (entry.kind, entry.client, entry.version) == (EntryKind.TRANSCRIPT, "C1", 2)
    assert "Client: Is Rex ready?\n" in entry.content["body"]
    assert "Clinic: Yes, from 3 pm." in entry.content["body"]


def test_texts_of_two_days_become_two_transcripts(runtime, phone, client):
    phone.at = phone.at.replace(hour=17) - timedelta(days=2)
    phone.text("Is Rex ready?")
    phone.at += timedelta(days=1)
    phone.text("Is Rex ready now?")

    settle(runtime)

    assert len(transcripts(runtime)) == len(entries(runtime)) == 2


def test_a_number_that_nobody_has_waits_and_is_written_once_mapped(runtime, phone, clinic, db):
    phone.missed("u-1")
    settle(runtime)
    waiting = entries(runtime)
    make_client(db, clinic, "C1", "Jane Doe", numbers=[])
    map_caller(runtime, clinic)

    settle(runtime)

    assert {each.state for each in waiting} == {EntryState.WAITING}
    assert [each.id for each in entries(runtime)] == [each.id for each in waiting]
    assert {each.client for each in entries(runtime)} == {"C1"}


def test_a_shared_number_waits_for_a_person(runtime, phone, clinic, db, client):
    make_client(db, clinic, "C2", "John Doe", numbers=[CALLER])
    phone.answered("u-1")
    settle(runtime)
    [waiting] = entries(runtime)
    map_caller(runtime, clinic, "C2")

    settle(runtime)

    [entry] = entries(runtime)
    assert (waiting.state, waiting.client) == (EntryState.WAITING, "")
    assert (entry.id, entry.client) == (waiting.id, "C2")


def test_a_decided_match_does_not_drift_when_the_directory_changes(
    runtime, phone, clinic, db, client
):
    phone.answered("u-1")
    settle(runtime)
    make_client(db, clinic, "C2", "John Doe", numbers=[CALLER])
    phone.event("inboundCallCompleted", "u-1", extNumber="101", callerIdNum=CALLER)

    settle(runtime)

    assert {each.client for each in entries(runtime)} == {"C1"}


def test_the_callback_stays_with_its_client_when_the_number_comes_to_be_shared(
    runtime, phone, clinic, db, client
):
    phone.missed("u-1")
    settle(runtime)
    make_client(db, clinic, "C2", "John Doe", numbers=[CALLER])
    phone.missed("u-2")

    settle(runtime)

    [task] = [each for each in entries(runtime) if each.kind is EntryKind.TASK]
    assert (task.client, "2 missed calls" in task.content["body"]) == ("C1", True)


def test_an_ignored_number_writes_nothing_and_says_why(runtime, phone, clinic):
    with runtime.db.transaction() as session:
        ignore_number(
            session, runtime.db, clinic.id, CALLER, by="Kim", why="supplier", now=utc_now()
        )
    phone.missed("u-1")

    settle(runtime)

    [call] = calls(runtime)
    assert entries(runtime) == []
    assert call.filtered_by


def test_a_withheld_caller_writes_nothing_and_stays_visible(runtime, phone):
    phone.missed("u-1", caller="anonymous")

    settle(runtime)

    [call] = calls(runtime)
    assert (call.outcome, entries(runtime), callbacks(runtime)) == ("missed", [], [])
    assert "withheld" in call.filtered_by


def test_an_internal_call_writes_nothing(runtime, phone):
    phone.event("ringAttempt", "u-1", eventTarget="extension", extNumber="102", callerIdNum="101")
    phone.event("HangupCall", "u-1", extNumber="102", callerIdNum="101")

    settle(runtime)

    assert entries(runtime) == []
    assert "internal" in calls(runtime)[0].filtered_by


def test_an_unanswered_hangup_waits_for_the_grace_before_it_counts_as_missed(runtime, phone):
    phone.at = utc_now() - timedelta(seconds=8)
    phone.missed("u-1")

    settle(runtime)

    [mark] = marks(runtime)
    assert entries(runtime) == []
    assert timedelta(seconds=10) < mark.due_at - utc_now() <= timedelta(seconds=21)


def test_a_receiver_whose_clock_is_ahead_delays_nothing(runtime, phone, client):
    phone.at = utc_now() + timedelta(minutes=5)
    phone.answered("u-1")

    settle(runtime)

    assert [each.kind for each in entries(runtime)] == [EntryKind.NOTE]


def test_a_call_under_way_is_shown_and_writes_nothing_yet(runtime, phone):
    phone.at = utc_now()
    phone.rings("u-1")

    settle(runtime)

    [call] = calls(runtime)
    assert (call.settled_at, call.direction, entries(runtime)) == (None, "inbound", [])
    assert len(marks(runtime)) == 1


def test_a_call_whose_end_is_never_reported_is_told_so_after_four_hours(runtime, phone, client):
    phone.at = utc_now() - timedelta(hours=4, minutes=1)
    phone.rings("u-1")

    settle(runtime)

    [note] = entries(runtime)
    assert note.content["title"] == "Incoming call, end not reported"
    assert callbacks(runtime) == []


def test_settling_again_changes_nothing(runtime, phone, clinic, db, client):
    make_connection(db, clinic)
    phone.missed("u-1")
    settle(runtime)
    before = [(each.id, each.version, each.updated_at) for each in entries(runtime)]
    for _ in range(3):
        with db.transaction() as session:
            mark_due(session, db, clinic.id, SubjectKind.CALL, "u-1")

        settle(runtime)

    assert [(each.id, each.version, each.updated_at) for each in entries(runtime)] == before


def test_any_order_of_arrival_gives_the_same_notes(runtime, clinic, db, client):
    phone = Phone(runtime, clinic)
    bodies = [
        ("InboundCall", {"didNumber": "+12125550100", "callerIdNum": CALLER}),
        ("ringAttempt", {"eventTarget": "extension", "extNumber": "101", "callerIdNum": CALLER}),
        ("ExtensionAnswered", {"extensionNumber": "101", "callerIdNum": CALLER}),
        ("HangupCall", {"extNumber": "101", "callerIdNum": CALLER}),
    ]
    for number, order in enumerate(itertools.permutations(bodies)):
        for event_type, fields in order * 2:
            phone.event(event_type, f"u-{number}", **fields)
        settle(runtime)

    notes = entries(runtime)
    assert len(notes) == 24
    assert {facts_of(each) for each in notes} == {facts_of(notes[0])}


def test_a_correction_by_a_person_wins_and_closes_the_callback(runtime, phone, clinic, db, client):
    phone.missed("u-1")
    settle(runtime)
    with db.transaction() as session:
        session.add(
            Decision(
                clinic_id=clinic.id,
                subject_kind="call",
                subject_key="u-1",
                kind="correct",
                value={"outcome": "answered"},
                made_at=utc_now(),
                made_by="Kim",
                why="answered on a mobile",
            )
        )
        mark_due(session, db, clinic.id, SubjectKind.CALL, "u-1")

    settle(runtime)

    assert calls(runtime)[0].outcome == "answered"
    assert callbacks(runtime)[0].state is CallbackState.WITHDRAWN


def test_a_reused_uuid_is_a_new_call(runtime, phone, client):
    phone.at -= timedelta(days=3)
    phone.answered("u-1")
    phone.at += timedelta(days=2)
    phone.missed("u-1")

    settle(runtime)

    assert [(each.ordinal, each.outcome) for each in calls(runtime)] == [
        (1, "answered"),
        (2, "missed"),
    ]


def test_an_event_that_comes_while_its_call_is_settled_is_not_lost(
    runtime, phone, client, monkeypatch
):
    phone.missed("u-1")
    from ringnote.ledger import settle as module

    settle_call = module.settle_call
    late = threading.Event()

    def settle_then_wait(session, *args):
        result = settle_call(session, *args)
        if not late.is_set() and not runtime.db.is_sqlite:
            thread = threading.Thread(target=phone.answer, args=("u-1",))
            thread.start()
            thread.join()
        late.set()
        return result

    monkeypatch.setattr(module, "settle_call", settle_then_wait)
    settle_due(runtime)
    if runtime.db.is_sqlite:
        phone.answer("u-1")

    settle(runtime)

    assert calls(runtime)[0].outcome == "answered"
    assert marks(runtime) == []


def test_two_settlers_at_once_write_one_note(runtime, phone, client):
    for number in range(10):
        phone.missed(f"u-{number}")

    threads = [threading.Thread(target=settle, args=(runtime,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settle(runtime)

    kinds = [each.kind for each in entries(runtime)]
    assert (kinds.count(EntryKind.NOTE), kinds.count(EntryKind.TASK)) == (10, 1)
    assert marks(runtime) == []


def test_a_subject_that_cannot_be_settled_stops_no_other(
    runtime, phone, clinic, db, client, monkeypatch
):
    from ringnote.ledger import settle as module

    settle_call = module.settle_call

    def broken_for_one(session, runtime, clinic_id, key):
        if key == "u-bad":
            raise ZeroDivisionError
        return settle_call(session, runtime, clinic_id, key)

    monkeypatch.setattr(module, "settle_call", broken_for_one)
    phone.answered("u-bad")
    phone.answered("u-good")
    began = utc_now()

    settle_due(runtime)

    [mark] = marks(runtime)
    assert [each.call_uuid for each in calls(runtime)] == ["u-good"]
    assert (mark.subject_key, mark.failures) == ("u-bad", 1)
    assert mark.due_at >= began + timedelta(seconds=1)


def test_a_subject_that_could_not_be_settled_for_weeks_is_still_tried_now_and_then(
    runtime, phone, db, client, monkeypatch
):
    from ringnote.ledger import settle as module

    monkeypatch.setattr(module, "settle_call", lambda *_: 1 / 0)
    phone.answered("u-bad")
    with db.transaction() as session:
        session.execute(sa.update(DueMark).values(failures=5000))
    began = utc_now()

    settle_due(runtime)

    [mark] = marks(runtime)
    assert mark.failures == 5001
    assert mark.due_at >= began + timedelta(seconds=module.LONGEST_PAUSE_SECONDS)


def test_entries_of_a_connected_clinic_go_to_the_outbox(runtime, phone, clinic, db, client):
    make_connection(db, clinic)
    phone.missed("u-1")

    settle(runtime)

    with db.reading() as session:
        assert session.scalars(sa.select(sa.func.count()).select_from(OutboxRow)).one() == 2


def test_a_webhook_of_another_clinic_is_quarantined_and_kept(runtime, phone, db):
    body = phone.body("HangupCall", "u-1").replace(phone.clinic.container_id.encode(), b"999999", 1)

    receipt = phone.post(body)

    with db.reading() as session:
        event = session.get_one(Event, receipt.event_id)
        assert session.scalars(sa.select(DueMark)).all() == []
        assert session.scalars(sa.select(Call)).all() == []
    assert (receipt.status, bytes(event.body)) == ("quarantined", body)
    assert "another clinic" in receipt.reason
