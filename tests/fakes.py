"""Fakes that subclass the real contracts, for tests that need no socket."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from ringnote.clock import Clock, utc_now
from ringnote.connectors.base import (
    Capabilities,
    CheckResult,
    ClientPage,
    Connector,
    Kind,
    Note,
    NoteText,
    Phone,
    PmsClient,
    Task,
    TaskStatus,
    Written,
)
from ringnote.db import Database
from ringnote.delivery.deliver import Tools
from ringnote.delivery.records import Records
from ringnote.delivery.work import Work
from ringnote.errors import RecordGone


class MemoryConnector(Connector):
    """A PMS in memory. `failures` are raised in turn by the writing calls, before they do anything,
    or, where the failure is paired with True, after they did it."""

    name = "memory"
    title = "Memory"
    settings = ()
    capabilities = Capabilities(
        search_by_phone=True,
        update_note=True,
        read_notes=True,
        delete_note=True,
        tasks=True,
        read_tasks=True,
        delete_task=True,
        reopen_task=True,
        idempotency_key=True,
        find_by_reference=True,
        create_client=True,
    )

    def __init__(self, *_unused: object) -> None:
        self.notes: dict[str, Note] = {}
        self.tasks: dict[str, Task] = {}
        self.done: set[str] = set()
        self.keys: dict[str, str] = {}
        self.failures: list[Exception | tuple[Exception, bool]] = []
        self.calls: list[str] = []
        self.clients: list[PmsClient] = []

    def check(self) -> CheckResult:
        return CheckResult("memory")

    def find_clients(self, number: str) -> list[PmsClient]:
        return [each for each in self.clients if number in {p.number for p in each.phones}]

    def iter_clients(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
        yield ClientPage(tuple(self.clients), {})

    def create_client(self, name: str, number: str, key: str) -> PmsClient:
        failure = self._fail("create_client")
        made = PmsClient(f"new-{len(self.clients) + 1}", name, (Phone(number),))
        self.clients.append(made)
        if failure:
            raise failure
        return made

    def create_note(self, note: Note, key: str) -> Written:
        return self._create("create_note", self.notes, note, key)

    def update_note(self, pms_id: str, note: Note) -> None:
        self._change("update_note", self.notes, pms_id, note)

    def get_note(self, pms_id: str) -> NoteText:
        self.calls.append("get_note")
        if pms_id not in self.notes:
            raise RecordGone("gone", status=404)
        return NoteText(self.notes[pms_id].title, self.notes[pms_id].body)

    def delete_note(self, pms_id: str) -> None:
        after = self._fail("delete_note")
        self.notes.pop(pms_id, None)
        if after:
            raise after

    def create_task(self, task: Task, key: str) -> Written:
        written = self._create("create_task", self.tasks, task, key)
        if task.is_done and not written.was_there:
            self.done.add(written.pms_id)
        return written

    def get_task(self, pms_id: str) -> TaskStatus:
        self.calls.append("get_task")
        if pms_id not in self.tasks:
            raise RecordGone("gone", status=404)
        return TaskStatus(is_done=pms_id in self.done)

    def update_task(self, pms_id: str, task: Task) -> None:
        self._change("update_task", self.tasks, pms_id, task)

    def complete_task(self, pms_id: str) -> None:
        self._fail("complete_task")
        self.done.add(pms_id)

    def reopen_task(self, pms_id: str) -> None:
        self._fail("reopen_task")
        self.done.discard(pms_id)

    def delete_task(self, pms_id: str) -> None:
        after = self._fail("delete_task")
        self.tasks.pop(pms_id, None)
        if after:
            raise after

    def find_by_reference(self, kind: Kind, client_id: str, reference: str) -> str | None:
        self.calls.append("find_by_reference")
        kept = self.tasks if kind is Kind.TASK else self.notes
        found = [key for key, each in kept.items() if each.reference == reference]
        return found[0] if found else None

    def _create(self, name: str, kept: dict, record: object, key: str) -> Written:
        failure = self._fail(name)
        if key in self.keys:
            written = Written(self.keys[key], was_there=True)
        else:
            self.keys[key] = f"{name}-{len(self.keys) + 1}"
            kept[self.keys[key]] = record
            written = Written(self.keys[key])
        if failure:
            raise failure
        return written

    def _change(self, name: str, kept: dict, pms_id: str, record: object) -> None:
        self._fail(name)
        if pms_id not in kept:
            raise RecordGone("gone", status=404)
        kept[pms_id] = record

    def _fail(self, name: str) -> Exception | None:
        self.calls.append(name)
        if not self.failures:
            return None
        failure = self.failures.pop(0)
        if isinstance(failure, tuple):
            return failure[0]
        raise failure


def tools(
    db: Database, is_held: Callable[[Work], bool] = lambda _: True, clock: Clock = utc_now
) -> Tools:
    """What tries are made with, for whom no lease ever runs out."""
    return Tools(clock, is_held, Records(db))


class HeldClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at
