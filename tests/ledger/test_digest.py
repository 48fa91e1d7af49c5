"""What waited for a client, told by one note where the clinic's policy says so."""

import random
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.connectors.base import Phone as PmsPhone
from ringnote.connectors.base import PmsClient
from ringnote.db import Database
from ringnote.directory import choices
from ringnote.directory.clients import store_clients
from ringnote.directory.lookup import answer_lookup, claim_lookup
from ringnote.directory.merges import repoint_merged
from ringnote.ledger.compose import voice_of
from ringnote.ledger.corrections import correct_call
from ringnote.ledger.entries import list_entries, show_entry_story
from ringnote.ledger.listings import list_calls
from ringnote.ledger.past import read_past
from ringnote.ledger.preview import preview
from ringnote.ledger.rehearsal import rehearse
from ringnote.ledger.rules import DEFAULT_RULES, Rules
from ringnote.ledger.settle import settle_subject
from ringnote.ledger.trace import tell_call
from ringnote.ledger.words_checks import find_word_faults
from ringnote.models import Clinic, Connection, Digest, Lookup, Policy
from ringnote.runtime import Runtime
from stories import Phone, calls, entries, marks, purge, settle, write

STRANGER = "+12125550177"
MONDAY = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
WAITED = """\
Before it was known whose number (212) 555-0177 is: 3 calls and 2 texts.

- Mon 2 Mar 2026, 9:00 am: Missed call, rang 101, waited about 6 s
- Mon 2 Mar 2026, 9:00 am: they texted: Is Rex ready?
- Mon 2 Mar 2026, 9:00 am: the clinic texted: At five.
- Mon 2 Mar 2026, 9:00 am: Incoming call answered by Amy (101), waited about 6 s, talked about 3 s
- Mon 2 Mar 2026, 9:00 am: Call placed by Amy (101)

Times are those of receipt, so durations are approximate."""


@pytest.fixture
def clinic(db: Database) -> Clinic:
    clinic = make_clinic(db)
    make_connection(db, clinic)
    for client, name in (("C1", "Jane Doe"), ("C2", "John Doe")):
        make_client(db, clinic, client, name)
    set_policy(db, clinic, 2, backlog="digest", backlog_days=3650)
    return clinic


@pytest.fixture
def phone(runtime: Runtime, clinic: Clinic) -> Phone:
    return Phone(runtime, clinic, at=MONDAY)


@pytest.fixture
def pms() -> MemoryConnector:
    return MemoryConnector()


def set_policy(db: Database, clinic: Clinic, version: int, **matching: object) -> None:
    with db.transaction() as session:
        rules = DEFAULT_RULES | {"matching": matching}
        made = {"created_at": utc_now(), "created_by": "kim"}
        session.add(Policy(clinic_id=clinic.id, version=version, rules=rules, **made))


def work_off(runtime: Runtime, pms: MemoryConnector) -> None:
    """Settle, ask the PMS and write, until nothing is due."""
    settle(runtime)
    while lookup := claim_lookup(runtime.db):
        answer_lookup(runtime.db, lookup, pms, utc_now)
        settle(runtime)
    write(runtime, pms)


def call_and_text(phone: Phone) -> None:
    phone.missed("u-1", STRANGER)
    phone.text("Is Rex ready?", client=STRANGER)
    phone.text("At five.", inbound=False, client=STRANGER)
    phone.answered("u-2", STRANGER)
    phone.dials("u-3", STRANGER)


def do(act, runtime: Runtime, clinic: Clinic, *client: str, **more):
    with runtime.db.transaction() as session:
        return act(session, runtime.db, clinic.id, STRANGER, *client, "kim", "", utc_now(), **more)


def notes(pms: MemoryConnector) -> list[tuple[str, str]]:
    return sorted((note.client_id, note.title) for note in pms.notes.values())


def told(pms: MemoryConnector, client: str = "C1") -> str:
    """What the digest at a client says, without the lines that lead back to it."""
    [body] = [
        note.body
        for note in pms.notes.values()
        if (note.client_id, note.title) == (client, "Earlier calls and texts")
    ]
    return body.rpartition("\n")[0].rstrip()


@pytest.mark.parametrize("order", range(2))
def test_one_note_tells_of_all_that_waited_in_whatever_order_it_is_settled(
    runtime, phone, clinic, pms, order
):
    call_and_text(phone)
    work_off(runtime, pms)
    assert notes(pms) == []

    do(choices.map_number, runtime, clinic, "C1")
    shuffled = random.Random(order)
    while due := marks(runtime):
        mark = shuffled.choice(due)
        settle_subject(runtime, (mark.clinic_id, mark.subject_kind, mark.subject_key))
    write(runtime, pms)

    assert notes(pms) == [("C1", "Earlier calls and texts")]
    assert told(pms) == WAITED
    assert [task.client_id for task in pms.tasks.values()] == ["C1"]


def test_a_rehearsal_and_a_preview_foresee_the_one_note(runtime, phone, clinic, pms):
    call_and_text(phone)
    work_off(runtime, pms)
    do(choices.map_number, runtime, clinic, "C1")
    phone.missed("u-4", STRANGER)
    work_off(runtime, pms)

    with runtime.db.reading() as session:
        past = read_past(session, clinic, MONDAY)
    edited = Rules.model_validate({"matching": {"backlog": "digest"}})
    told = rehearse(past, Rules(), edited)
    shown = preview(past, edited, voice_of(edited, clinic.timezone, clinic.region), 9)

    counts = {kind: told[kind] for kind in ("notes", "transcripts", "digests")}
    assert counts == {
        "notes": {"before": 4, "after": 1},
        "transcripts": {"before": 1, "after": 0},
        "digests": {"before": 0, "after": 1},
    }
    assert (told["notes_lost"], len(notes(pms))) == ([], 2)
    assert [each["body"] for each in shown if each["kind"] == "digest"] == [WAITED]
    assert "transcript" not in {each["kind"] for each in shown}


def test_a_clinic_may_word_it_by_a_template_of_its_own(runtime, phone, clinic, pms):
    body = "{{ tally }}{% for each in told %}, {{ each.what }}{% endfor %}"
    with runtime.db.transaction() as session:
        [policy] = session.scalars(sa.select(Policy).where(Policy.version == 2))
        own = {"digest": {"title": "What waited", "body": body}}
        assert list(find_word_faults(Rules.model_validate({"words": own}))) == []
        policy.rules = policy.rules | {"words": own}
    phone.missed("u-1", STRANGER)
    phone.text("Is Rex ready?", client=STRANGER)
    work_off(runtime, pms)
    do(choices.map_number, runtime, clinic, "C1")
    work_off(runtime, pms)

    [note] = pms.notes.values()
    assert note.title == "What waited"
    assert note.body.startswith("1 call and 1 text, Missed call, they texted: Is Rex ready?\n")


def test_a_call_after_that_gets_its_own_note_and_the_digest_stays_as_it_is(
    runtime, phone, clinic, pms
):
    call_and_text(phone)
    work_off(runtime, pms)
    do(choices.map_number, runtime, clinic, "C1")
    work_off(runtime, pms)

    phone.answered("u-4", STRANGER)
    work_off(runtime, pms)

    assert notes(pms) == [
        ("C1", "Earlier calls and texts"),
        ("C1", "Incoming call answered by Amy (101)"),
    ]
    assert told(pms) == WAITED
    assert "update_note" not in pms.calls


def test_an_undone_mapping_withdraws_the_digest_and_the_next_one_writes_it_there(
    runtime, phone, clinic, pms
):
    call_and_text(phone)
    work_off(runtime, pms)
    do(choices.map_number, runtime, clinic, "C1")
    work_off(runtime, pms)

    do(choices.forget_number, runtime, clinic)
    work_off(runtime, pms)
    assert notes(pms) == []
    assert {each["disposition"] for each in listed(runtime)} == {"waiting"}

    do(choices.map_number, runtime, clinic, "C2")
    work_off(runtime, pms)

    assert notes(pms) == [("C2", "Earlier calls and texts")]
    assert told(pms, "C2") == WAITED


def test_a_move_takes_the_digest_along(runtime, phone, clinic, pms):
    call_and_text(phone)
    work_off(runtime, pms)
    do(choices.map_number, runtime, clinic, "C1")
    work_off(runtime, pms)

    do(choices.map_number, runtime, clinic, "C2", move=True)
    work_off(runtime, pms)

    assert notes(pms) == [("C2", "Earlier calls and texts")]
    assert told(pms, "C2") == WAITED


def test_a_correction_of_one_of_its_calls_amends_it(runtime, phone, clinic, pms):
    call_and_text(phone)
    work_off(runtime, pms)
    do(choices.map_number, runtime, clinic, "C1")
    work_off(runtime, pms)

    with runtime.db.transaction() as session:
        correct_call(session, runtime.db, clinic.id, "u-1", "answered", "kim", "", utc_now())
    work_off(runtime, pms)

    assert notes(pms) == [("C1", "Earlier calls and texts")]
    assert told(pms).splitlines()[2] == "- Mon 2 Mar 2026, 9:00 am: Incoming call answered"
    assert pms.calls.count("update_note") == 1


def test_a_client_that_appears_gets_it_without_the_call_by_which_the_pms_was_asked(
    runtime, phone, clinic, pms
):
    phone.answered("u-1", STRANGER)
    work_off(runtime, pms)
    pms.clients.append(PmsClient("C1", "Jane Doe", (PmsPhone(STRANGER),)))
    with runtime.db.transaction() as session:
        session.execute(sa.delete(Lookup))

    phone.dials("u-2", STRANGER)
    work_off(runtime, pms)

    assert notes(pms) == [("C1", "Call placed by Amy (101)"), ("C1", "Earlier calls and texts")]
    assert "is: 1 call.\n" in told(pms)


def test_what_is_too_old_or_not_to_be_noted_is_left_out(runtime, phone, clinic, pms):
    age = (utc_now() - MONDAY).days
    with runtime.db.transaction() as session:
        newest = session.scalars(sa.select(Policy).where(Policy.version == 2)).one()
        matching = {"backlog": "digest", "backlog_days": age + 7}
        newest.rules = newest.rules | {"matching": matching, "notes": {"outbound": False}}
    phone.dials("u-1", STRANGER)
    phone.answered("u-2", STRANGER)
    phone.at = datetime(2026, 2, 2, 14, 0, tzinfo=UTC)
    phone.answered("u-3", STRANGER)
    work_off(runtime, pms)

    do(choices.map_number, runtime, clinic, "C1")
    work_off(runtime, pms)

    assert "is: 1 call.\n" in told(pms)
    assert "Amy (101)" in told(pms)


def test_what_was_before_the_connection_s_start_is_left_alone(runtime, phone, clinic, pms):
    call_and_text(phone)
    phone.at = MONDAY + timedelta(minutes=5)
    phone.answered("u-4", STRANGER)
    with runtime.db.transaction() as session:
        session.execute(sa.update(Connection).values(since=MONDAY + timedelta(minutes=5)))
    work_off(runtime, pms)

    do(choices.map_number, runtime, clinic, "C1")
    work_off(runtime, pms)

    assert "is: 1 call.\n" in told(pms)


def test_back_at_single_entries_the_next_mapping_writes_them(runtime, phone, clinic, pms):
    call_and_text(phone)
    work_off(runtime, pms)
    do(choices.map_number, runtime, clinic, "C1")
    work_off(runtime, pms)
    set_policy(runtime.db, clinic, 3, backlog_days=3650)
    do(choices.forget_number, runtime, clinic)

    do(choices.map_number, runtime, clinic, "C2")
    work_off(runtime, pms)

    assert [client for client, _ in notes(pms)] == ["C2"] * 4
    assert "Earlier calls and texts" not in {title for _, title in notes(pms)}


def test_each_call_leads_to_it_and_it_leads_to_each_call(runtime, phone, clinic, pms):
    call_and_text(phone)
    work_off(runtime, pms)
    do(choices.map_number, runtime, clinic, "C1")
    work_off(runtime, pms)

    [digest] = [each for each in entries(runtime) if each.subject_kind == "digest"]
    assert digest.content["story"]["path"] == "call?uuid=u-3"
    assert {each["disposition"] for each in listed(runtime)} == {"synced"}
    with runtime.db.reading() as session:
        [story] = tell_call(session, "u-2")
        assert digest.id in {each["id"] for each in story["entries"]}
        origins = show_entry_story(session, digest.id)["origins"]
        assert len(list_entries(session, state="synced")) == 2
    keys = [(each["kind"], each["key"]) for each in origins]
    assert sorted(keys) == [
        ("call", "u-1"),
        ("call", "u-2"),
        ("call", "u-3"),
        ("transcript", "c-1"),
    ]


def listed(runtime: Runtime) -> list[dict]:
    with runtime.db.reading() as session:
        return list_calls(session)


def test_one_that_is_not_written_yet_follows_a_merge(runtime, phone, clinic, pms):
    call_and_text(phone)
    work_off(runtime, pms)
    do(choices.map_number, runtime, clinic, "C1")
    settle(runtime)

    with runtime.db.transaction() as session:
        gone = PmsClient("C1", "", is_deleted=True, merged_into="C2")
        store_clients(session, runtime.db, clinic.id, [gone], "sync", utc_now(), "US")
        repoint_merged(session, runtime.db, clinic.id, ["C1"])
    work_off(runtime, pms)

    assert notes(pms) == [("C2", "Earlier calls and texts")]


def test_it_is_purged_with_the_last_that_it_tells_of(runtime, phone, clinic, pms):
    phone.at = datetime(2020, 3, 2, 14, 0, tzinfo=UTC)
    call_and_text(phone)
    work_off(runtime, pms)
    do(choices.map_number, runtime, clinic, "C1")
    work_off(runtime, pms)

    purge(runtime)

    assert (calls(runtime), entries(runtime)) == ([], [])
    with runtime.db.reading() as session:
        assert session.scalars(sa.select(Digest)).all() == []
