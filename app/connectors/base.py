"""The contract between Ringnote and a PMS: what a connector takes, gives and declares.

Delivery, sync and match call it, never inside a database transaction. Every method raises the
ConnectorError tree of `errors.py` and nothing else; no message carries client detail or secret.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal

from ..errors import RecordRejected
from ..http import Http
from .setting import Setting as Setting
from .setting import SettingType as SettingType
from .setting import read_values as read_values
from .setting import require_none as require_none

Priority = Literal["low", "normal", "high", "urgent"]


class Kind(StrEnum):
    """What is looked for by reference."""

    NOTE = "note"
    TASK = "task"


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone number as the PMS keeps it, unread, with the label it has there."""

    number: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class PmsClient:
    """A client as the PMS tells it. `is_deleted` ones carry at least their id."""

    id: str
    name: str
    phones: tuple[Phone, ...] = ()
    patients: tuple[str, ...] = ()
    updated_at: datetime | None = None
    is_deleted: bool = False
    merged_into: str | None = None


@dataclass(frozen=True, slots=True)
class ClientPage:
    """One page of a sync. `cursor` resumes after it; it is JSON-ready and opaque to the caller."""

    clients: tuple[PmsClient, ...]
    cursor: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Note:
    """A call note or a text transcript, as it should stand on a client's record.

    `body` ends with a line that holds `reference`. `is_transcript` lets a PMS that has a place of
    its own for texts use it.
    """

    client_id: str
    title: str
    body: str
    occurred_at: datetime
    reference: str
    is_transcript: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it should stand. `assignee` is the PMS's id or name of a user, '' for nobody.

    A PMS without a place for `priority` leaves it out: what matters of it is said in `body`.
    """

    client_id: str
    title: str
    body: str
    due_at: datetime
    reference: str
    assignee: str = ""
    priority: Priority = "normal"
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """Where a create ended up. `was_there`: the PMS answered from the key, so it holds what an
    earlier try sent, which an update must follow if the entry has moved on since."""

    pms_id: str
    was_there: bool = False


def tells(text: str, reference: str) -> bool:
    """Whether a line of a note's or task's text ends with this reference."""
    return any(line.split()[-1:] == [reference] for line in text.splitlines())


@dataclass(frozen=True, slots=True)
class NoteText:
    """What a note says in the PMS."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """How a task stands in the PMS."""

    is_done: bool
    closed_by: str = ""
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """A PMS takes so many requests in any so many seconds from one account.

    `kind` is the kind of endpoint that it holds for, by which the connector names it to
    `Http.request`; '' are all requests that are sent without such a name, and what is written must
    be among them.
    """

    requests: int
    seconds: float
    kind: str = ""
    counts_for_all: bool = False
    """Whether its requests count for the rate of all others, too."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a PMS can do. Whatever is False has a fallback in `delivery` or `directory`."""

    search_by_phone: bool = False
    delta_sync: bool = False
    update_note: bool = False
    read_notes: bool = False
    """A note is told as it was written, so that what a person changed there can be seen."""
    delete_note: bool = False
    tasks: bool = False
    read_tasks: bool = False
    delete_task: bool = False
    reopen_task: bool = False
    idempotency_key: bool = False
    find_by_reference: bool = False
    create_client: bool = False
    """New clients are taken, and found by their number at once or told apart by their key."""
    reference_lag_seconds: float = 0.0
    """For so long what was written may not be found by its reference yet."""
    max_title: int | None = None
    """Characters; None where no limit is known."""
    max_body: int | None = None
    rates: tuple[Rate, ...] = ()
    """How fast an account takes requests, at most one for a kind; none where nothing is known."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What `check` found: the account's name in the PMS and what it may not do, in words."""

    account: str
    missing: tuple[str, ...] = field(default=())
    identity: str = ""
    """The PMS's own id of the account, where the settings alone do not tell which one it is; else,
    or where it does not say, ''."""


class Connector(ABC):
    """One PMS's dialect. An instance belongs to one connection and is used by many threads.

    What a PMS cannot do is left out of its connector, and not declared in its `capabilities`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    settings: ClassVar[tuple[Setting, ...]]
    capabilities: ClassVar[Capabilities]

    @classmethod
    def described_by(cls, settings: Mapping[str, str]) -> "type[Connector]":
        """The connector that these settings describe: this one, unless it learns from its settings
        what it is. Raises ConfigError where they cannot be read."""
        return cls

    @classmethod
    def account_of(cls, settings: Mapping[str, str]) -> Mapping[str, str]:
        """What tells an account from another, of all settings with their defaults."""
        how = {each.name for each in cls.settings if not each.tells_account}
        return {name: value for name, value in settings.items() if name not in how}

    @classmethod
    def address_of(cls, settings: Mapping[str, str]) -> str:
        """The PMS's web address, of all settings with their defaults; '' if they do not tell."""
        return settings.get("base_url", "").strip()

    @abstractmethod
    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        """Raises ConfigError for values that cannot work; does not touch the network."""

    @property
    def rates(self) -> tuple[Rate, ...]:
        """How fast this account takes requests: as declared, unless its settings say otherwise."""
        return self.capabilities.rates

    @abstractmethod
    def check(self) -> CheckResult:
        """Sign in and read, writing nothing."""

    def find_clients(self, number: str) -> list[PmsClient]:
        """Clients that have this number (E.164), whatever spelling the PMS keeps it in."""
        raise self._undeclared("search_by_phone")

    @abstractmethod
    def iter_clients(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
        """Pages of all clients, or of those changed or deleted since `cursor`."""

    def create_client(self, name: str, number: str, key: str) -> PmsClient:
        """Add a client with this one number (E.164), once for `key`, where the PMS can."""
        raise RecordRejected(f"{self.title} takes no new clients from Ringnote")

    @abstractmethod
    def create_note(self, note: Note, key: str) -> Written:
        """Write a note once for `key`, where the PMS can."""

    def update_note(self, pms_id: str, note: Note) -> None:
        """Replace a note's title and body. RecordGone if it was deleted there."""
        raise self._undeclared("update_note")

    def get_note(self, pms_id: str) -> NoteText:
        """What a note says there, where `read_notes` is declared. RecordGone if it was deleted."""
        raise self._undeclared("read_notes")

    def delete_note(self, pms_id: str) -> None:
        """Remove a note; one that is gone already is no error."""
        raise self._undeclared("delete_note")

    def create_task(self, task: Task, key: str) -> Written:
        """Write a task once for `key`, where the PMS can; as done, if it is."""
        raise self._undeclared("tasks")

    def get_task(self, pms_id: str) -> TaskStatus:
        """How it stands. RecordGone if it was deleted there."""
        raise self._undeclared("read_tasks")

    def update_task(self, pms_id: str, task: Task) -> None:
        """Replace a task's title, body, due time, assignee and priority; its status is left."""
        raise self._undeclared("tasks")

    def complete_task(self, pms_id: str) -> None:
        """Mark a task done; one that is done already is no error."""
        raise self._undeclared("tasks")

    def reopen_task(self, pms_id: str) -> None:
        """Mark a done task open again; called only where `capabilities.reopen_task`."""
        raise self._undeclared("reopen_task")

    def delete_task(self, pms_id: str) -> None:
        """Remove a task; one that is gone already is no error."""
        raise self._undeclared("delete_task")

    def find_by_reference(self, kind: Kind, client_id: str, reference: str) -> str | None:
        """The PMS's id of what was written under `reference`, or None if it certainly was not."""
        raise self._undeclared("find_by_reference")

    def _undeclared(self, capability: str) -> NotImplementedError:
        """The fault of whoever asks for what the capabilities say that this PMS cannot do."""
        return NotImplementedError(f"{self.name} declares no {capability}")
