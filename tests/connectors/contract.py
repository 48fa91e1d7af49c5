"""The contract suite: what every connector is held to, against a stateful fake on a real socket.

A connector's test file subclasses ConnectorContract, names its `connector_class` and gives a `pms`
fixture: an object that keeps what FakePms asks for. What a PMS cannot do, by the capabilities that
its connector declares, is no test of it.
"""

import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar, Protocol, TypeVar

import pytest

from ringnote.connectors.base import (
    Connector,
    Kind,
    Note,
    NoteText,
    PmsClient,
    Task,
)
from ringnote.errors import (
    ConnectorError,
    CredentialsRejected,
    OutcomeUnknown,
    RateLimited,
    RecordGone,
    RecordRejected,
    Temporary,
)
from ringnote.http import Http
from ringnote.numbers import read_number
from ringnote.sandbox.faults import Fault, FaultKind

WHEN = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
NUMBER = "+12125550142"
SPELLINGS = (
    NUMBER,
    "(212) 555-0142",
    "212-555-0142",
    "212.555.0142",
    "212 555 0142",
    "2125550142",
    "1-212-555-0142",
    "+1 (212) 555-0142",
)
NAME = "Zoë O'Brien-Müller"
TITLE = "Incoming call answered by José (101)"
BODY = "„Möhre“ ate a sock 🧦\nline two: 猫\n\nRingnote R-1"
BODY_2 = BODY.replace("R-1", "R-2")


NEEDED = "needed_capabilities"


@dataclass(frozen=True)
class Kept:
    """A note or task as the fake keeps it."""

    id: str
    title: str
    body: str
    is_done: bool = False
    assignee: str = ""


class FakePms(Protocol):
    """A stateful fake of a PMS, served on loopback."""

    secret: str
    """What the connector signs in with; it must never be quoted."""

    def connector(self, http: Http, *, secret: str | None = None) -> Connector: ...
    def add_clients(self, clients: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]: ...
    def rename_client(self, client_id: str, name: str) -> None: ...
    def remove_client(self, client_id: str) -> None: ...
    def kept(self, kind: Kind, client_id: str) -> list[Kept]: ...
    def remove(self, kind: Kind, pms_id: str) -> None: ...
    def close(self, pms_id: str) -> None: ...
    def fail(self, fault: Fault) -> None: ...


def own_ids(pms: FakePms, told: Iterable[str]) -> set[str]:
    """Of the clients that were told of, those that the test knows: a real PMS may have its own."""
    return set(told) - set(getattr(pms, "others", ()))


Test = TypeVar("Test", bound=Callable[..., None])


def needs(*capabilities: str) -> Callable[[Test], Test]:
    """A test for connectors alone that declare all of these capabilities."""

    def mark(test: Test) -> Test:
        setattr(test, NEEDED, capabilities)
        return test

    return mark


class ConnectorContract:
    """Subclass it, with `connector_class`, beside a `pms` fixture that yields a FakePms."""

    connector_class: ClassVar[type[Connector]]

    unknown_client = "C999999"
    """An id of the right shape that no client has."""

    assignee = "Front desk"
    """Whom a task can be for."""

    def __init_subclass__(cls) -> None:
        able = cls.connector_class.capabilities
        for name in dir(cls):
            needed = getattr(getattr(cls, name), NEEDED, ())
            if not all(getattr(able, each) for each in needed):
                setattr(cls, name, None)

    @pytest.fixture
    def http(self) -> Iterator[Http]:
        http = Http(allow_private=True, read_seconds=5.0)
        yield http
        http.close()

    @pytest.fixture
    def connector(self, pms: FakePms, http: Http) -> Connector:
        return pms.connector(http)

    @pytest.fixture
    def client_id(self, pms: FakePms) -> str:
        return pms.add_clients([(NAME, ("+12125550142",))])[0]

    @pytest.fixture
    def note(self, client_id: str) -> Note:
        return Note(client_id, TITLE, BODY, WHEN, "R-1")

    @pytest.fixture
    def task(self, client_id: str) -> Task:
        return Task(client_id, "Call back: missed call", BODY_2, WHEN, "R-2")

    def test_check_signs_in_and_writes_nothing(
        self, connector: Connector, pms: FakePms, client_id: str
    ) -> None:
        assert connector.check().account

        assert pms.kept(Kind.NOTE, client_id) == []

    def test_a_wrong_secret_is_told_as_such(self, pms: FakePms, http: Http) -> None:
        stranger = pms.connector(http, secret="wrong-secret-of-4711")

        with pytest.raises(CredentialsRejected) as raised:
            stranger.check()

        assert_quotes_nothing(raised.value, "wrong-secret-of-4711")

    def test_credentials_taken_back_pause_every_call(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        pms.fail(Fault(FaultKind.UNAUTHORIZED))

        for call in calls(connector, note):
            with pytest.raises(CredentialsRejected) as raised:
                call()
            assert_quotes_nothing(raised.value, pms.secret)

    @pytest.mark.parametrize("spelling", SPELLINGS)
    @needs("search_by_phone")
    def test_a_client_is_found_whatever_the_spelling(
        self, pms: FakePms, connector: Connector, spelling: str
    ) -> None:
        [sought, _] = pms.add_clients([(NAME, (spelling,)), ("Ben Ito", ("+12125550143",))])

        found = connector.find_clients("+12125550142")

        assert [client.id for client in found] == [sought]
        assert found[0].name == NAME

    @needs("search_by_phone")
    def test_all_who_share_a_number_are_found(self, pms: FakePms, connector: Connector) -> None:
        both = pms.add_clients([("Ada Ito", ("212-555-0142",)), ("Ben Ito", (SPELLINGS[1],))])

        found = connector.find_clients("+12125550142")

        assert {client.id for client in found} == set(both)

    @needs("search_by_phone")
    def test_nobody_is_found_for_a_strangers_number(
        self, connector: Connector, client_id: str
    ) -> None:
        assert connector.find_clients("+12125550199") == []

    def test_all_pages_are_walked_to_the_end(self, pms: FakePms, connector: Connector) -> None:
        ids = pms.add_clients((f"Client {n}", (f"(212) 555-{n:04d}",)) for n in range(450))

        walked = gather(connector, None)

        assert own_ids(pms, walked) == set(ids)
        assert read_number(walked[ids[7]].phones[0].number, "US").e164 == "+12125550007"

    def test_a_walk_goes_on_from_any_cursor(self, pms: FakePms, connector: Connector) -> None:
        ids = pms.add_clients((f"Client {n}", (f"(212) 555-{n:04d}",)) for n in range(450))
        first = next(iter(connector.iter_clients(None)))

        rest = gather(connector, first.cursor)

        told = [*(client.id for client in first.clients), *rest]
        assert own_ids(pms, told) == set(ids)
        assert len(rest) < len(ids)

    @needs("delta_sync")
    def test_a_delta_tells_what_was_added_changed_and_deleted(
        self, pms: FakePms, connector: Connector
    ) -> None:
        ids = pms.add_clients((f"Client {n}", ("212-555-0142",)) for n in range(30))
        *_, last = connector.iter_clients(None)
        pms.rename_client(ids[3], "Zoë Renamed")
        pms.remove_client(ids[4])
        [added] = pms.add_clients([("Newcomer", ("212-555-0150",))])

        delta = gather(connector, last.cursor)

        assert delta[ids[3]].name == "Zoë Renamed"
        assert delta[ids[4]].is_deleted
        assert not delta[added].is_deleted
        assert len(delta) < len(ids)

    def test_a_note_arrives_as_it_was_meant(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        written = connector.create_note(note, "key-1")

        assert pms.kept(Kind.NOTE, note.client_id) == [Kept(written.pms_id, TITLE, BODY)]
        assert not written.was_there

    @needs("idempotency_key")
    def test_the_same_key_twice_is_one_record(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        first = connector.create_note(note, "key-1")

        again = connector.create_note(replace(note, title="Missed call"), "key-1")

        assert (first.was_there, again.was_there) == (False, True)
        assert first.pms_id == again.pms_id
        assert [kept.title for kept in pms.kept(Kind.NOTE, note.client_id)] == [TITLE]

    @needs("tasks", "idempotency_key")
    def test_the_same_key_twice_is_one_task(
        self, pms: FakePms, connector: Connector, task: Task
    ) -> None:
        first = connector.create_task(task, "key-1")

        again = connector.create_task(task, "key-1")

        assert (first.was_there, again.was_there) == (False, True)
        assert [kept.id for kept in pms.kept(Kind.TASK, task.client_id)] == [again.pms_id]

    @needs("idempotency_key")
    def test_the_same_key_at_the_same_time_is_one_record(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        ids: list[str] = []
        threads = [
            threading.Thread(target=lambda: ids.append(connector.create_note(note, "key").pms_id))
            for _ in range(6)
        ]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(ids) == 6
        assert len(set(ids)) == len(pms.kept(Kind.NOTE, note.client_id)) == 1

    def test_another_key_is_another_record(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        connector.create_note(note, "key-1")

        connector.create_note(replace(note, reference="R-9"), "key-2")

        assert len(pms.kept(Kind.NOTE, note.client_id)) == 2

    @needs("update_note")
    def test_a_note_is_replaced(self, pms: FakePms, connector: Connector, note: Note) -> None:
        pms_id = connector.create_note(note, "key-1").pms_id

        connector.update_note(pms_id, replace(note, title="Missed call", body="another"))

        assert pms.kept(Kind.NOTE, note.client_id) == [Kept(pms_id, "Missed call", "another")]

    @needs("read_notes")
    def test_a_note_is_told_as_it_was_written(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        pms_id = connector.create_note(note, "key-1").pms_id

        assert connector.get_note(pms_id) == NoteText(TITLE, BODY)

        pms.remove(Kind.NOTE, pms_id)
        with pytest.raises(RecordGone):
            connector.get_note(pms_id)

    @needs("delete_note")
    def test_a_deleted_note_stays_deleted(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        pms_id = connector.create_note(note, "key-1").pms_id

        connector.delete_note(pms_id)
        connector.delete_note(pms_id)

        assert pms.kept(Kind.NOTE, note.client_id) == []

    @needs("tasks", "read_tasks")
    def test_a_task_is_written_replaced_and_done(
        self, pms: FakePms, connector: Connector, task: Task
    ) -> None:
        pms_id = connector.create_task(task, "key-1").pms_id
        before = connector.get_task(pms_id).is_done

        connector.update_task(
            pms_id, replace(task, body="two missed calls", assignee=self.assignee)
        )
        connector.complete_task(pms_id)
        connector.complete_task(pms_id)

        assert (before, connector.get_task(pms_id).is_done) == (False, True)
        assert pms.kept(Kind.TASK, task.client_id) == [
            Kept(pms_id, task.title, "two missed calls", True, self.assignee)
        ]

    @needs("tasks", "read_tasks")
    def test_an_update_leaves_what_a_person_closed_closed(
        self, pms: FakePms, connector: Connector, task: Task
    ) -> None:
        pms_id = connector.create_task(task, "key-1").pms_id
        pms.close(pms_id)

        connector.update_task(pms_id, replace(task, body="again"))

        assert connector.get_task(pms_id).is_done

    @needs("tasks", "delete_task")
    def test_a_deleted_task_stays_deleted(
        self, pms: FakePms, connector: Connector, task: Task
    ) -> None:
        pms_id = connector.create_task(task, "key-1").pms_id

        connector.delete_task(pms_id)
        connector.delete_task(pms_id)

        assert pms.kept(Kind.TASK, task.client_id) == []

    @needs("update_note")
    def test_a_note_that_a_person_deleted_is_told_as_gone(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        pms_id = connector.create_note(note, "key-1").pms_id
        pms.remove(Kind.NOTE, pms_id)

        with pytest.raises(RecordGone):
            connector.update_note(pms_id, note)

    @needs("tasks", "read_tasks")
    def test_a_task_that_a_person_deleted_is_told_as_gone(
        self, pms: FakePms, connector: Connector, task: Task
    ) -> None:
        pms_id = connector.create_task(task, "key-1").pms_id
        pms.remove(Kind.TASK, pms_id)

        with pytest.raises(RecordGone):
            connector.get_task(pms_id)
        with pytest.raises(RecordGone):
            connector.update_task(pms_id, task)

    def test_a_record_refused_is_for_a_person(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        with pytest.raises(RecordRejected) as raised:
            connector.create_note(replace(note, client_id=self.unknown_client), "key-1")

        assert_quotes_nothing(raised.value, pms.secret)

    @needs("find_by_reference")
    def test_what_was_written_is_found_by_its_reference(
        self, connector: Connector, note: Note
    ) -> None:
        pms_id = connector.create_note(note, "key-1").pms_id
        connector.create_note(replace(note, body="Ringnote R-11", reference="R-11"), "key-2")

        assert connector.find_by_reference(Kind.NOTE, note.client_id, "R-1") == pms_id
        assert connector.find_by_reference(Kind.NOTE, note.client_id, "R-") is None

    @needs("tasks", "find_by_reference")
    def test_a_task_is_found_by_its_reference(self, connector: Connector, task: Task) -> None:
        pms_id = connector.create_task(task, "key-1").pms_id

        assert connector.find_by_reference(Kind.TASK, task.client_id, "R-2") == pms_id
        assert connector.find_by_reference(Kind.NOTE, task.client_id, "R-2") is None

    @needs("find_by_reference")
    def test_a_connection_lost_after_writing_is_found_out(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        pms.fail(Fault(FaultKind.DROP_AFTER, 1, only_writes=True))

        with pytest.raises(OutcomeUnknown) as raised:
            connector.create_note(note, "key-1")

        [kept] = pms.kept(Kind.NOTE, note.client_id)
        assert connector.find_by_reference(Kind.NOTE, note.client_id, "R-1") == kept.id
        assert_quotes_nothing(raised.value, pms.secret)

    @needs("find_by_reference")
    def test_a_connection_lost_before_writing_is_found_out(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        pms.fail(Fault(FaultKind.DROP_BEFORE, 1, only_writes=True))

        with pytest.raises(OutcomeUnknown):
            connector.create_note(note, "key-1")

        assert pms.kept(Kind.NOTE, note.client_id) == []
        assert connector.find_by_reference(Kind.NOTE, note.client_id, "R-1") is None

    @needs("find_by_reference")
    def test_an_answer_that_comes_too_late_is_found_out(self, pms: FakePms, note: Note) -> None:
        hasty = Http(allow_private=True, read_seconds=0.6)
        connector = pms.connector(hasty)
        pms.fail(Fault(FaultKind.SLOW, 1, seconds=1.2, only_writes=True))

        with pytest.raises(OutcomeUnknown):
            connector.create_note(note, "key-1")

        wait_for(lambda: pms.kept(Kind.NOTE, note.client_id))
        [kept] = pms.kept(Kind.NOTE, note.client_id)
        assert connector.find_by_reference(Kind.NOTE, note.client_id, "R-1") == kept.id
        hasty.close()

    @pytest.mark.parametrize("kind", [FaultKind.HTML, FaultKind.TRUNCATED])
    def test_a_create_with_an_unreadable_answer_is_in_doubt(
        self, pms: FakePms, connector: Connector, note: Note, kind: FaultKind
    ) -> None:
        pms.fail(Fault(kind, 1, only_writes=True))

        with pytest.raises(OutcomeUnknown) as raised:
            connector.create_note(note, "key-1")

        assert len(pms.kept(Kind.NOTE, note.client_id)) == 1
        assert_quotes_nothing(raised.value, pms.secret)

    @pytest.mark.parametrize("kind", [FaultKind.HTML, FaultKind.TRUNCATED])
    def test_an_unreadable_answer_is_never_taken_for_an_empty_one(
        self, pms: FakePms, connector: Connector, note: Note, kind: FaultKind
    ) -> None:
        pms.fail(Fault(kind))

        for call in readings(connector, note.client_id):
            with pytest.raises(Temporary) as raised:
                call()
            assert_quotes_nothing(raised.value, pms.secret)

    def test_a_rate_limit_tells_when_to_come_back(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        pms.fail(Fault(FaultKind.RATE_LIMIT, seconds=17))

        for call in calls(connector, note):
            with pytest.raises(RateLimited) as raised:
                call()
            assert raised.value.retry_after == pytest.approx(17, abs=1)

    @pytest.mark.parametrize("status", [500, 502, 503])
    def test_a_server_error_is_temporary(
        self, pms: FakePms, connector: Connector, note: Note, status: int
    ) -> None:
        pms.fail(Fault(FaultKind.SERVER_ERROR, status=status))

        for call in calls(connector, note):
            with pytest.raises(Temporary) as raised:
                call()
            assert not isinstance(raised.value, RateLimited)
            assert raised.value.status == status
            assert_quotes_nothing(raised.value, pms.secret)


def gather(connector: Connector, cursor: object) -> dict[str, PmsClient]:
    """Everything a walk tells of, by id, the latest word on each."""
    return {
        client.id: client
        for page in connector.iter_clients(cursor)  # type: ignore[arg-type]
        for client in page.clients
    }


def readings(connector: Connector, client_id: str) -> list[Callable[[], object]]:
    """The calls that only read, as far as this PMS has them."""
    able = connector.capabilities
    found: list[Callable[[], object]] = [
        connector.check,
        lambda: list(connector.iter_clients(None)),
    ]
    if able.search_by_phone:
        found.append(lambda: connector.find_clients(NUMBER))
    if able.find_by_reference:
        found.append(lambda: connector.find_by_reference(Kind.NOTE, client_id, "R-1"))
    return found


def calls(connector: Connector, note: Note) -> list[Callable[[], object]]:
    """Calls of every sort, as far as this PMS has them."""
    able = connector.capabilities
    found = [*readings(connector, note.client_id), lambda: connector.create_note(note, "key")]
    if able.update_note:
        found.append(lambda: connector.update_note("N1", note))
    if able.delete_note:
        found.append(lambda: connector.delete_note("N1"))
    if able.tasks:
        task = Task(note.client_id, "Call back", note.body, WHEN, "R-2")
        found.append(lambda: connector.create_task(task, "key"))
        found.append(lambda: connector.update_task("T1", task))
        found.append(lambda: connector.complete_task("T1"))
    if able.read_tasks:
        found.append(lambda: connector.get_task("T1"))
    if able.delete_task:
        found.append(lambda: connector.delete_task("T1"))
    return found


def assert_quotes_nothing(error: ConnectorError, secret: str) -> None:
    """Neither the error nor what is printed with it holds a secret or a word about the client."""
    printed = "".join(traceback.format_exception(error)) + repr(error.args)
    for private in (secret, NAME, "555", "0142", "sock", TITLE, BODY):
        assert private not in printed


def wait_for(condition: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
