"""What a host hears of, and when: after a commit, once, and whatever its receivers do."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import sqlalchemy as sa

from confidential import logged
from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote.clock import utc_now
from ringnote.connectors.base import Phone as PmsPhone
from ringnote.connectors.base import PmsClient
from ringnote.directory.lookup import answer_lookup, claim_lookup
from ringnote.directory.waiting import mark_waiting
from ringnote.errors import RecordRejected
from ringnote.models import Call, Clinic, SubjectKind
from ringnote.runtime import Runtime
from ringnote.signals import (
    announce,
    call_settled,
    entry_set_aside,
    entry_written,
    number_unmatched,
)
from ringnote.telephony.marks import mark_due
from stories import CALLER, Phone, entries, settle, write

ALL = (call_settled, entry_written, entry_set_aside, number_unmatched)


@contextmanager
def heard(*signals) -> Iterator[list[tuple[str, int, dict]]]:
    """What is sent by these signals, or by any, until the block ends: name, clinic's id, facts."""
    sent: list[tuple[str, int, dict]] = []
    with ExitStack() as connected:
        for signal in signals or ALL:

            def hear(clinic_id: int, /, *, name: str = signal.name, **facts: object) -> None:
                sent.append((name, clinic_id, facts))

            connected.enter_context(signal.connected_to(hear))
        yield sent


@pytest.fixture
def clinic(db) -> Clinic:
    return make_clinic(db)


@pytest.fixture
def phone(runtime, clinic) -> Phone:
    return Phone(runtime, clinic)


@pytest.fixture
def jane(db, clinic):
    return make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])


def settle_again(runtime: Runtime, clinic: Clinic, call: str) -> None:
    with runtime.db.transaction() as session:
        mark_due(session, runtime.db, clinic.id, SubjectKind.CALL, call)
    settle(runtime)


def look_up(runtime: Runtime, *clients: PmsClient) -> None:
    pms = MemoryConnector()
    pms.clients = list(clients)
    answer_lookup(runtime.db, claim_lookup(runtime.db), pms, utc_now)


def test_a_settled_call_is_told_with_its_ids_and_outcome(runtime, clinic, phone, jane):
    phone.answered("u-1")

    with heard(call_settled) as sent:
        settle(runtime)

    ((_, clinic_id, facts),) = sent
    assert clinic_id == clinic.id
    assert isinstance(facts.pop("call_id"), int)
    assert facts == {
        "call_uuid": "u-1",
        "direction": "inbound",
        "outcome": "answered",
        "filtered_by": None,
    }


def test_a_call_under_way_is_not_told(runtime, phone, jane):
    phone.rings("u-1")

    with heard() as sent:
        settle(runtime)

    assert sent == []


def test_a_replay_that_changes_nothing_is_not_told(runtime, clinic, phone, jane):
    phone.answered("u-1")
    settle(runtime)

    with heard() as sent:
        settle_again(runtime, clinic, "u-1")

    assert sent == []


def test_a_late_event_that_changes_the_call_is_told(runtime, clinic, phone, jane):
    runtime.settings = runtime.settings.model_copy(update={"missed_grace_seconds": 0.0})
    phone.missed("u-1")
    settle(runtime)

    with heard(call_settled) as sent:
        phone.answer("u-1")
        settle(runtime)

    assert [facts["outcome"] for _, _, facts in sent] == ["answered"]


def test_a_written_entry_is_told_once_for_each_version_that_is_written(
    runtime, clinic, phone, jane
):
    make_connection(runtime.db, clinic)
    pms = MemoryConnector()
    phone.answered("u-1")
    settle(runtime)

    with heard(entry_written) as sent:
        write(runtime, pms)
        settle_again(runtime, clinic, "u-1")
        write(runtime, pms)

    (entry,) = entries(runtime)
    assert sent == [
        (
            "entry_written",
            clinic.id,
            {
                "entry_id": entry.id,
                "kind": "note",
                "subject_kind": "call",
                "subject_id": entry.subject_id,
                "state": "synced",
                "pms_id": entry.pms_id,
            },
        )
    ]
    assert entry.pms_id in pms.notes


def test_an_entry_that_is_set_aside_is_told_with_the_reason(runtime, clinic, phone, jane):
    make_connection(runtime.db, clinic)
    pms = MemoryConnector()
    pms.failures = [RecordRejected("the PMS wants a title", status=422)]
    phone.answered("u-1")
    settle(runtime)

    with heard(entry_written, entry_set_aside) as sent:
        write(runtime, pms)

    ((name, _, facts),) = sent
    assert (name, facts["state"], facts["pms_id"]) == ("entry_set_aside", "set_aside", None)
    assert "the PMS wants a title" in facts["reason"]


def test_a_number_that_nobody_has_is_told_for_each_call_that_waits(runtime, clinic, phone):
    phone.answered("u-1")
    phone.answered("u-2")

    with heard(number_unmatched) as sent:
        settle(runtime)
        settle_again(runtime, clinic, "u-1")

    assert sent == [("number_unmatched", clinic.id, {"number": CALLER, "kind": "none"})] * 2


def test_a_number_that_came_to_be_shared_is_told_anew(runtime, clinic, phone):
    phone.answered("u-1")
    settle(runtime)
    for name in ("C1", "C2"):
        make_client(runtime.db, clinic, name, name, numbers=[CALLER])

    with heard(number_unmatched) as sent:
        with runtime.db.transaction() as session:
            mark_waiting(session, runtime.db, clinic.id)
        settle(runtime)

    assert [facts["kind"] for _, _, facts in sent] == ["several"]


def test_a_number_that_the_pms_is_asked_for_is_told_by_its_answer(runtime, clinic, phone):
    make_connection(runtime.db, clinic)
    phone.answered("u-1")

    with heard(number_unmatched) as sent:
        settle(runtime)
        assert sent == []
        look_up(runtime)

    assert sent == [("number_unmatched", clinic.id, {"number": CALLER, "kind": "none"})]


def test_a_number_that_the_pms_knows_is_never_told(runtime, clinic, phone):
    make_connection(runtime.db, clinic)
    phone.answered("u-1")

    with heard(number_unmatched) as sent:
        settle(runtime)
        look_up(runtime, PmsClient("C1", "Jane Doe", (PmsPhone(CALLER),)))
        settle(runtime)

    assert sent == []
    assert [each.client for each in entries(runtime)] == ["C1"]


def test_what_is_rolled_back_is_not_told(runtime):
    with heard() as sent:
        with pytest.raises(ZeroDivisionError), runtime.db.transaction() as session:
            announce(session, call_settled, 1, call_id=1)
            raise ZeroDivisionError

        with runtime.db.transaction():
            pass

    assert sent == []


def test_a_receiver_finds_what_it_is_told_of(runtime, phone, jane):
    found = []

    def look(clinic_id: int, /, **facts: object) -> None:
        # By a connection of its own, which sees what others see, and may write on SQLite too.
        with runtime.db.transaction() as session:
            settled = sa.select(Call.call_uuid).where(Call.settled_at.is_not(None))
            found.extend(session.scalars(settled))

    phone.answered("u-1")
    with call_settled.connected_to(look):
        settle(runtime)

    assert found == ["u-1"]


def test_a_receiver_may_listen_to_one_clinic_alone(runtime):
    sent = []

    def hear(clinic_id: int, /, **facts: object) -> None:
        sent.append(clinic_id)

    with call_settled.connected_to(hear, sender=2), runtime.db.transaction() as session:
        announce(session, call_settled, 1, call_id=1)
        announce(session, call_settled, 2, call_id=2)

    assert sent == [2]


def test_a_receiver_that_fails_stops_neither_the_work_nor_the_others(
    runtime, clinic, phone, caplog
):
    def fail(clinic_id: int, /, **facts: object) -> None:
        raise KeyError(facts["number"])

    phone.answered("u-1")
    with (
        heard(number_unmatched) as first,
        number_unmatched.connected_to(fail),
        heard(number_unmatched) as last,
    ):
        settle(runtime)

    assert len(first) == len(last) == 1
    assert [each.state for each in entries(runtime)] == ["waiting"]
    (log,) = logged(caplog)
    assert (log["event"], log["signal"]) == ("signal.receiver_failed", "number_unmatched")
    assert log["error"] == "KeyError"
    assert __file__ in log["at"][0]
    assert CALLER not in caplog.text
