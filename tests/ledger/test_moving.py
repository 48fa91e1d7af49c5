"""What people pick, map, deny and take back, and where what was written goes by it."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.directory import choices
from ringnote.directory.rulings import list_rules
from ringnote.directory.waiting import list_unmatched
from ringnote.errors import InputError, OutcomeUnknown
from ringnote.ledger.entries import show_entry_story
from ringnote.ledger.trace import tell_call, tell_conversation
from ringnote.models import Call, Clinic, Match, OutboxRow
from ringnote.runtime import Runtime
from stories import CALLER, Phone, entries, settle, write

STRANGER = "+12125550177"


@pytest.fixture
def clinic(db: Database) -> Clinic:
    clinic = make_clinic(db)
    for client, name in (("C1", "Jane Doe"), ("C2", "John Doe")):
        make_client(db, clinic, client, name, numbers=[CALLER])
    make_client(db, clinic, "C3", "Ann Poe")
    make_connection(db, clinic)
    return clinic


@pytest.fixture
def phone(runtime: Runtime, clinic: Clinic) -> Phone:
    return Phone(runtime, clinic)


@pytest.fixture
def pms() -> MemoryConnector:
    return MemoryConnector()


def do(act, runtime: Runtime, clinic: Clinic, number: str, *client: str, days: int = 0, **more):
    with runtime.db.transaction() as session:
        now = utc_now() + timedelta(days=days)
        return act(session, runtime.db, clinic.id, number, *client, "kim", "", now, **more)


def noted_on(pms: MemoryConnector) -> list[str]:
    return sorted(note.client_id for note in pms.notes.values())


def bring_up_to_date(runtime: Runtime, pms: MemoryConnector) -> None:
    settle(runtime)
    write(runtime, pms)


def test_a_pick_decides_what_waits_and_is_remembered_for_the_next_call(runtime, phone, clinic, pms):
    phone.answered("u-1")
    bring_up_to_date(runtime, pms)
    assert noted_on(pms) == []

    chosen = do(choices.pick_client, runtime, clinic, CALLER, "C2")
    phone.answered("u-2")
    bring_up_to_date(runtime, pms)

    assert (chosen.now_due, chosen.moved) == (1, 0)
    assert noted_on(pms) == ["C2", "C2"]
    with runtime.db.reading() as session:
        rules = [match.rule for match in session.scalars(sa.select(Match).order_by(Match.id))]
        [rule] = list_rules(session, clinic.id, utc_now())
    assert rules == ["picked by kim", "remembered, as picked by kim"]
    assert (rule["kind"], rule["name"]) == ("pick", "John Doe")
    assert timedelta(days=179) < rule["expires_at"] - utc_now() < timedelta(days=181)


def test_once_it_has_expired_a_person_is_asked_again(runtime, phone, clinic, pms):
    phone.answered("u-1")
    settle(runtime)
    do(choices.pick_client, runtime, clinic, CALLER, "C2", days=-181)
    phone.answered("u-2")
    settle(runtime)

    with runtime.db.reading() as session:
        assert [each["calls"] for each in list_unmatched(session, clinic.id)] == [1]


def test_picks_that_differ_ask_again_and_move_only_the_call_they_are_of(
    runtime, phone, clinic, pms
):
    phone.answered("u-1")
    settle(runtime)
    do(choices.pick_client, runtime, clinic, CALLER, "C1")
    phone.answered("u-2")
    bring_up_to_date(runtime, pms)

    chosen = do(choices.pick_client, runtime, clinic, CALLER, "C2", call_uuid="u-2")
    phone.answered("u-3")
    bring_up_to_date(runtime, pms)

    assert (chosen.now_due, chosen.moved) == (0, 1)
    assert noted_on(pms) == ["C1", "C2"]
    with runtime.db.reading() as session:
        [waits] = list_unmatched(session, clinic.id)
        [told] = tell_call(session, "u-2")
    assert (waits["calls"], "now the one, now another" in waits["rule"]) == (1, True)
    assert told["decisions"][0]["value"] == {"from": "C1", "to": "C2"}


def test_there_must_be_something_to_pick_for(runtime, phone, clinic):
    phone.answered("u-1")
    settle(runtime)

    with pytest.raises(InputError, match="Nothing waits on that number"):
        do(choices.pick_client, runtime, clinic, STRANGER, "C1")
    with pytest.raises(InputError, match="No call 'u-9' is of that number"):
        do(choices.pick_client, runtime, clinic, CALLER, "C1", call_uuid="u-9")


def test_mapping_with_move_takes_what_was_written_from_the_wrong_client_to_the_right_one(
    runtime, phone, clinic, pms
):
    do(choices.map_number, runtime, clinic, CALLER, "C1")
    phone.missed("u-1")
    phone.text("Is Rex ready?")
    bring_up_to_date(runtime, pms)
    assert noted_on(pms) == ["C1", "C1"]

    chosen = do(choices.map_number, runtime, clinic, CALLER, "C3", move=True)
    bring_up_to_date(runtime, pms)

    assert chosen.moved == 2
    assert noted_on(pms) == ["C3", "C3"]
    assert [task.client_id for task in pms.tasks.values()] == ["C3"]
    assert {(each.client, each.state.value) for each in entries(runtime)} == {
        ("C1", "withdrawn"),
        ("C3", "synced"),
    }
    with runtime.db.reading() as session:
        [told] = tell_call(session, "u-1")
        [texts] = tell_conversation(session, "c-1")
        story = show_entry_story(session, told["entries"][0]["id"])
    moved = {"kind": "move", "value": {"from": "C1", "to": "C3"}}
    for decisions in (told["decisions"], texts["decisions"], story["decisions"]):
        assert [{"kind": each["kind"], "value": each["value"]} for each in decisions] == [moved]


def test_mapping_without_move_leaves_what_was_written(runtime, phone, clinic, pms):
    do(choices.map_number, runtime, clinic, CALLER, "C1")
    phone.answered("u-1")
    bring_up_to_date(runtime, pms)

    chosen = do(choices.map_number, runtime, clinic, CALLER, "C3")
    bring_up_to_date(runtime, pms)

    assert (chosen.moved, noted_on(pms)) == (0, ["C1"])


def test_moving_there_and_back_leaves_one_copy_at_the_first(runtime, phone, clinic, pms):
    do(choices.map_number, runtime, clinic, CALLER, "C1")
    phone.answered("u-1")
    bring_up_to_date(runtime, pms)

    for client in ("C3", "C1", "C3", "C1"):
        do(choices.map_number, runtime, clinic, CALLER, client, move=True)
        settle(runtime)
    write(runtime, pms)

    assert noted_on(pms) == ["C1"]


def test_denying_a_client_moves_to_the_one_who_is_left(runtime, phone, clinic, pms):
    phone.answered("u-1")
    settle(runtime)
    do(choices.pick_client, runtime, clinic, CALLER, "C1")
    bring_up_to_date(runtime, pms)

    chosen = do(choices.deny_client, runtime, clinic, CALLER, "C1", move=True)
    bring_up_to_date(runtime, pms)

    assert (chosen.moved, noted_on(pms)) == (1, ["C2"])


def test_taking_a_mapping_back_withdraws_what_was_written_and_waits_again(
    runtime, phone, clinic, pms
):
    phone.missed("u-1", STRANGER)
    settle(runtime)
    do(choices.map_number, runtime, clinic, STRANGER, "C3")
    bring_up_to_date(runtime, pms)
    assert (noted_on(pms), len(pms.tasks)) == (["C3"], 1)

    do(choices.forget_number, runtime, clinic, "(212) 555-0177", kind="map")
    bring_up_to_date(runtime, pms)

    assert (pms.notes, pms.tasks) == ({}, {})
    assert {each.state.value for each in entries(runtime) if each.is_wanted} == {"waiting"}
    with runtime.db.reading() as session:
        assert [each["number"] for each in list_unmatched(session, clinic.id)] == [STRANGER]
        assert list_rules(session, clinic.id, utc_now()) == []


def test_taking_back_that_a_number_is_ignored_has_its_calls_wait_again(runtime, phone, clinic):
    do(choices.ignore_number, runtime, clinic, STRANGER)
    phone.answered("u-1", STRANGER)
    settle(runtime)

    chosen = do(choices.forget_number, runtime, clinic, STRANGER)
    settle(runtime)

    assert (chosen.moved, chosen.now_due) == (1, 0)
    assert [each.state.value for each in entries(runtime)] == ["waiting"]


def test_nothing_can_be_taken_back_that_was_not_said(runtime, clinic):
    with pytest.raises(InputError, match="Nothing such was said"):
        do(choices.forget_number, runtime, clinic, CALLER)


def test_what_was_purged_stays_where_it_is_and_is_counted(runtime, phone, clinic, pms):
    do(choices.map_number, runtime, clinic, CALLER, "C1")
    phone.answered("u-1")
    bring_up_to_date(runtime, pms)
    with runtime.db.transaction() as session:
        session.execute(sa.update(Call).values(frozen_at=utc_now()))

    chosen = do(choices.map_number, runtime, clinic, CALLER, "C3", move=True)
    bring_up_to_date(runtime, pms)

    assert (chosen.moved, chosen.frozen, noted_on(pms)) == (0, 1, ["C1"])


def test_a_move_whose_writing_failed_half_way_ends_with_one_copy(runtime, phone, clinic, pms):
    do(choices.map_number, runtime, clinic, CALLER, "C1")
    phone.answered("u-1")
    bring_up_to_date(runtime, pms)
    do(choices.map_number, runtime, clinic, CALLER, "C3", move=True)
    settle(runtime)

    pms.failures = [OutcomeUnknown("no answer"), (OutcomeUnknown("no answer"), True)]
    for _ in range(3):
        write(runtime, pms)
        _have_due(runtime)

    assert noted_on(pms) == ["C3"]


def test_two_spellings_of_a_number_wait_as_one(runtime, phone, clinic):
    phone.answered("u-1", "(212) 555-0177")
    phone.answered("u-2", "+1 212 555 0177")
    settle(runtime)

    with runtime.db.reading() as session:
        [waits] = list_unmatched(session, clinic.id)
    assert (waits["number"], waits["calls"]) == (STRANGER, 2)


def _have_due(runtime: Runtime) -> None:
    with runtime.db.transaction() as session:
        session.execute(sa.update(OutboxRow).values(due_at=utc_now() - timedelta(seconds=1)))
