"""What the contract suite speaks of: the fake PMS that it needs, its texts, and how it looks on."""

import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from ..connectors.base import Connector, Kind, Note, PmsClient, Task
from ..errors import ConnectorError
from ..http import Http
from ..sandbox.faults import Fault
from ..sandbox.server import Server

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
    "(212)555-0142",
    "12125550142",
    "1 (212) 555-0142",
    "+1-212-555-0142",
    "+1 212-555-0142",
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
    server: Server
    """What it is served by."""

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


def gather(connector: Connector, cursor: Mapping[str, str] | None) -> dict[str, PmsClient]:
    """Everything a walk tells of, by id, the latest word on each."""
    return {client.id: client for page in connector.iter_clients(cursor) for client in page.clients}


def readings(
    connector: Connector, client_id: str, note_id: str = "N1", task_id: str = "T1"
) -> list[Callable[[], object]]:
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
    if able.find_by_reference and able.tasks:
        found.append(lambda: connector.find_by_reference(Kind.TASK, client_id, "R-2"))
    if able.read_notes:
        found.append(lambda: connector.get_note(note_id))
    if able.read_tasks:
        found.append(lambda: connector.get_task(task_id))
    return found


def readings_of(connector: Connector, note: Note) -> list[Callable[[], object]]:
    """The same, of a note and a task that stand there."""
    ids = [connector.create_note(note, "key").pms_id]
    if connector.capabilities.tasks:
        task = Task(note.client_id, "Call back", note.body, WHEN, "R-2")
        ids.append(connector.create_task(task, "key-2").pms_id)
    return readings(connector, note.client_id, *ids)


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
        if able.reopen_task:
            found.append(lambda: connector.reopen_task("T1"))
    if able.delete_task:
        found.append(lambda: connector.delete_task("T1"))
    return found


def changes(
    connector: Connector, note: Note, *, only_creates: bool = False
) -> list[Callable[[], object]]:
    """Writes of every sort, as far as this PMS has them, to records that stand there."""
    able = connector.capabilities
    pms_id = connector.create_note(note, "key").pms_id
    found: list[Callable[[], object]] = [lambda: connector.create_note(note, "another")]
    if able.create_client:
        found.append(lambda: connector.create_client(NAME, NUMBER, "key of a client"))
    if only_creates:
        return found
    if able.update_note:
        found.append(lambda: connector.update_note(pms_id, note))
    if able.delete_note:
        found.append(lambda: connector.delete_note(pms_id))
    return found + (_task_changes(connector, note) if able.tasks else [])


def _task_changes(connector: Connector, note: Note) -> list[Callable[[], object]]:
    able = connector.capabilities
    task = Task(note.client_id, "Call back", note.body, WHEN, "R-2")
    open_id = connector.create_task(task, "key-2").pms_id
    done_id = connector.create_task(replace(task, reference="R-3", is_done=True), "key-3").pms_id
    found: list[Callable[[], object]] = [
        lambda: connector.create_task(task, "another-2"),
        lambda: connector.update_task(open_id, task),
        lambda: connector.complete_task(open_id),
    ]
    if able.reopen_task:
        found.append(lambda: connector.reopen_task(done_id))
    if able.delete_task:
        found.append(lambda: connector.delete_task(open_id))
    return found


def assert_quotes_nothing(error: ConnectorError, secret: str) -> None:
    """Neither the error nor what is printed with it holds a secret or a word about the client."""
    printed = "".join(traceback.format_exception(error)) + repr(error.args)
    for private in (secret, NAME, "555", "0142", "sock", TITLE, BODY):
        assert private not in printed


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
