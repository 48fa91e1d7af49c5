"""The connector to any PMS that a file describes: what `description` may say, carried out.

Which settings it has and what it can do depend on the file, so each is a class of its own, which
`described_by` makes.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any, ClassVar, TypeVar
from urllib.parse import unquote

from ...errors import ConfigError, CredentialsRejected, OutcomeUnknown, RecordGone, Temporary
from ...http import Answer, Http
from ..base import (
    Capabilities,
    CheckResult,
    ClientPage,
    Connector,
    Kind,
    Note,
    NoteText,
    Phone,
    PmsClient,
    Setting,
    SettingType,
    Task,
    TaskStatus,
    Written,
)
from .answers import is_timezone, is_true, odd, read_id, read_moment, read_text
from .clients import Clients
from .description import Description
from .filling import fill_text, number_forms
from .paging import walk_pages
from .reading import read_description
from .requests import Create, Find, Request
from .sending import Sender
from .summary import capabilities_of, settings_of

FILE = Setting("file", "The TOML file that describes the PMS", type=SettingType.FILE)
Asked = TypeVar("Asked", bound=Request)


class RestConnector(Connector):
    """Speaks to one account of a PMS that its settings describe."""

    name: ClassVar[str] = "rest"
    title: ClassVar[str] = "A PMS described by a file"
    settings: ClassVar[tuple[Setting, ...]] = (FILE,)
    capabilities: ClassVar[Capabilities] = Capabilities(read_tasks=True)
    """Of one whose description is not known; some read tasks back."""
    description: ClassVar[Description | None] = None

    @classmethod
    def described_by(cls, settings: Mapping[str, str]) -> type[Connector]:
        return _described(settings.get(FILE.name, ""))

    @classmethod
    def account_of(cls, settings: Mapping[str, str]) -> Mapping[str, str]:
        """Whatever the file says besides where the PMS is: who mends it goes on where they were."""
        if cls.description is None:
            return settings
        own = {name: value for name, value in settings.items() if name != FILE.name}
        return own | {"": cls.address_of(settings)}

    @classmethod
    def address_of(cls, settings: Mapping[str, str]) -> str:
        if cls.description is None:
            return ""
        return fill_text(cls.description.base_url, _given(cls.description, settings))

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        if self.description is None:
            raise ConfigError(f"{FILE.name} is missing: give it as file=@my-pms.toml")
        self._described = self.description
        given = _given(self._described, {**settings, **secrets})
        self._sender = Sender(self._described, given, http)
        if faults := list(_faults(self._sender)):
            raise ConfigError(*faults)
        self._clients = Clients(self._described, self._sender)

    def check(self) -> CheckResult:
        described, account = self._described, ""
        if described.check:
            told = self._send(described.check).json
            account = read_text(described.check.account, told, "an account's name")
        else:
            next(self._clients.walk(None), None)
        lacking = []
        for each in described.permissions:
            try:
                self._send(each)
            except CredentialsRejected as error:
                if error.status != 403:
                    raise
                lacking.append(each.missing)
        return CheckResult(account or self.title, tuple(lacking))

    def find_clients(self, number: str) -> list[PmsClient]:
        return self._clients.find(number)

    def iter_clients(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
        return self._clients.walk(cursor)

    def create_client(self, name: str, number: str, key: str) -> PmsClient:
        create = self._one(self._described.create_client, "create_client")
        given = {"name": name, "idempotency_key": key, **number_forms(number)}
        return PmsClient(self._create(create, given).pms_id, name, (Phone(number),))

    def create_note(self, note: Note, key: str) -> Written:
        return self._create(self._described.create_note, _note(note) | {"idempotency_key": key})

    def update_note(self, pms_id: str, note: Note) -> None:
        self._do("update_note", _note(note) | {"id": pms_id})

    def get_note(self, pms_id: str) -> NoteText:
        request = self._one(self._described.get_note, "get_note")
        told = self._send(request, {"id": pms_id}).json
        if not isinstance(told, dict | list):
            raise odd("a note")
        return NoteText(
            read_text(request.note_title, told, "a note"),
            read_text(request.note_body, told, "a note"),
        )

    def delete_note(self, pms_id: str) -> None:
        self._delete("delete_note", pms_id)

    def create_task(self, task: Task, key: str) -> Written:
        create = self._one(self._described.create_task, "create_task")
        return self._create(create, _task(task) | {"is_done": task.is_done, "idempotency_key": key})

    def get_task(self, pms_id: str) -> TaskStatus:
        request = self._one(self._described.get_task, "get_task")
        told, zone = self._send(request, {"id": pms_id}).json, self._sender.given["timezone"]
        if not isinstance(told, dict | list):
            raise odd("a task")
        if is_true(request.is_gone, told, "a task"):
            raise RecordGone("the PMS tells of it as deleted")
        is_done = is_true(request.is_done, told, "a task")
        return TaskStatus(
            is_done,
            read_text(request.closed_by, told, "who closed a task") if is_done else "",
            read_moment(request.closed_at, told, zone, "when a task was closed")
            if is_done
            else None,
        )

    def update_task(self, pms_id: str, task: Task) -> None:
        self._do("update_task", _task(task) | {"id": pms_id})

    def complete_task(self, pms_id: str) -> None:
        self._do("complete_task", {"id": pms_id})

    def reopen_task(self, pms_id: str) -> None:
        self._do("reopen_task", {"id": pms_id})

    def delete_task(self, pms_id: str) -> None:
        self._delete("delete_task", pms_id)

    def find_by_reference(self, kind: Kind, client_id: str, reference: str) -> str | None:
        name = f"find_{kind.value}"
        request = self._one(getattr(self._described, name), name)
        given = {"client": client_id, "reference": reference}
        try:
            return self._find(request, given, reference)
        except RecordGone as error:
            # Nothing found would have it written again: that must not come of a wrong path.
            said = f"{name} leads to nothing; look at its path, or at empty_when_404"
            raise Temporary(said, status=error.status) from None

    def _find(self, request: Find, given: Mapping[str, str], reference: str) -> str | None:
        # Not as a part of another reference.
        mark = re.compile(rf"(?<![\w-]){re.escape(reference)}(?![\w-])")
        for number, page in enumerate(walk_pages(self._sender, request, given), start=1):
            for item in page.items:
                text = read_text(request.text, item, "a record's text")
                if not request.text or mark.search(text):
                    return read_id(request.id, item, "a record's id")
            if number == request.most_pages:
                break
        return None

    def _create(self, request: Create, given: Mapping[str, Any]) -> Written:
        answer = self._send(request, given)
        try:
            pms_id = _new_id(request, answer)
        except Temporary as error:
            raise OutcomeUnknown(str(error), status=answer.status) from None
        return Written(pms_id, was_there=answer.status == request.repeat_status)

    def _do(self, name: str, given: Mapping[str, Any]) -> None:
        self._sender.change(self._one(getattr(self._described, name), name), given)

    def _delete(self, name: str, pms_id: str) -> None:
        try:
            self._do(name, {"id": pms_id})
        except RecordGone:
            return

    def _send(self, request: Request, given: Mapping[str, Any] | None = None) -> Answer:
        return self._sender.send(request, given or {})

    def _one(self, request: Asked | None, name: str) -> Asked:
        if request is None:
            raise NotImplementedError(f"{name} is not described")
        return request


@lru_cache(maxsize=64)
def _described(text: str) -> type[RestConnector]:
    """The class of a description. Raises ConfigError with all its faults."""
    found, faults = read_description(text)
    if found is None or faults:
        raise ConfigError(*(f"{FILE.name}: {each}" for each in faults))
    own = {
        "__doc__": RestConnector.__doc__,
        "__module__": __name__,
        "title": found.title,
        "settings": (FILE, *settings_of(found)),
        "capabilities": capabilities_of(found),
        "description": found,
    }
    return type("DescribedConnector", (RestConnector,), own)


def _faults(sender: Sender) -> Iterator[str]:
    if not re.fullmatch(r"https?://[^@?#\s]+", sender.base):
        yield f"{FILE.name}: base_url comes to no web address with these settings"
    if not is_timezone(str(sender.given["timezone"])):
        yield f"{FILE.name}: timezone comes to no time zone with these settings"
    if not all(each.isascii() and each.isprintable() for each in sender.credentials().values()):
        yield "the secrets must be printable ASCII to be signed in with"


def _given(described: Description, values: Mapping[str, str]) -> dict[str, str]:
    """Settings and secrets by name; those that are not given by their default."""
    asked = {**described.settings, **described.secrets}
    return {name: values.get(name, "").strip() or each.default for name, each in asked.items()}


def _new_id(request: Create, answer: Answer) -> str:
    if request.id:
        return read_id(request.id, answer.json, "a new record's id")
    found = re.search(r"([^/?#]+)/?(?:[?#]|$)", answer.headers.get("Location", ""))
    if not found:
        raise odd("a new record's Location")
    return unquote(found[1])


def _note(note: Note) -> dict[str, Any]:
    return {
        ("client" if name == "client_id" else name): each for name, each in asdict(note).items()
    }


def _task(task: Task) -> dict[str, Any]:
    own = {("client" if name == "client_id" else name): each for name, each in asdict(task).items()}
    own.pop("is_done")
    return own
