"""Ringnote's connector to Kennelbook, an invented PMS, as an example of one that is a plugin.

Kennelbook has owners with a diary and to-dos. It lists owners by page, without telling who changed;
it knows no idempotency keys, but finds entries by a reference that they are given.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import phonenumbers

from ringnote.connectors.base import (
    Capabilities,
    CheckResult,
    ClientPage,
    Connector,
    Kind,
    Note,
    Phone,
    PmsClient,
    Setting,
    SettingType,
    Task,
    TaskStatus,
    Written,
    read_values,
    require_none,
)
from ringnote.errors import OutcomeUnknown, RecordGone, RecordRejected, Temporary
from ringnote.http import Http

ODD_ANSWER = "Kennelbook answered in a form that its documentation does not know"
PATHS = {Kind.NOTE: "diary", Kind.TASK: "todos"}
Json = dict[str, Any]


class KennelbookConnector(Connector):
    """Speaks to one Kennelbook account with its API key."""

    name: ClassVar[str] = "kennelbook"
    title: ClassVar[str] = "Kennelbook"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "base_url",
            "Where it is, e.g. https://oakstreet.kennelbook.example",
            type=SettingType.ADDRESS,
        ),
        Setting("api_key", "The key from its page Settings → API", is_secret=True),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        search_by_phone=True,
        update_note=True,
        delete_note=True,
        tasks=True,
        read_tasks=True,
        delete_task=True,
        reopen_task=True,
        find_by_reference=True,
        max_title=120,
    )

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        given, faults = read_values(self.settings, {**settings, **secrets})
        require_none(faults)
        self._root = f"{given['base_url'].rstrip('/')}/api"
        self._headers = {"X-Api-Key": given["api_key"]}
        self._http = http

    def check(self) -> CheckResult:
        name = self._read("/account").get("name")
        if not isinstance(name, str):
            raise Temporary(ODD_ANSWER)
        return CheckResult(name or self.title)

    def find_clients(self, number: str) -> list[PmsClient]:
        national = phonenumbers.national_significant_number(phonenumbers.parse(number))
        return self._owners({"phone": national})[0]

    def iter_clients(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
        page, more = int((cursor or {}).get("page", "1")), True
        while more:
            owners, pages = self._owners({"page": str(page)})
            page, more = page + 1, page < pages
            yield ClientPage(tuple(owners), {"page": str(page)})

    def create_note(self, note: Note, key: str) -> Written:
        entry = _entry(note) | {"at": note.occurred_at.isoformat(), "ref": note.reference}
        return self._create(Kind.NOTE, note.client_id, entry)

    def update_note(self, pms_id: str, note: Note) -> None:
        self._change(f"/diary/{pms_id}", _entry(note))

    def delete_note(self, pms_id: str) -> None:
        self._delete(f"/diary/{pms_id}")

    def create_task(self, task: Task, key: str) -> Written:
        todo = _todo(task) | {"done": task.is_done, "ref": task.reference}
        return self._create(Kind.TASK, task.client_id, todo)

    def get_task(self, pms_id: str) -> TaskStatus:
        done = self._read(f"/todos/{pms_id}").get("done")
        if not isinstance(done, bool):
            raise Temporary(ODD_ANSWER)
        return TaskStatus(is_done=done)

    def update_task(self, pms_id: str, task: Task) -> None:
        self._change(f"/todos/{pms_id}", _todo(task))

    def complete_task(self, pms_id: str) -> None:
        self._change(f"/todos/{pms_id}", {"done": True})

    def reopen_task(self, pms_id: str) -> None:
        self._change(f"/todos/{pms_id}", {"done": False})

    def delete_task(self, pms_id: str) -> None:
        self._delete(f"/todos/{pms_id}")

    def find_by_reference(self, kind: Kind, client_id: str, reference: str) -> str | None:
        items = self._read(f"/{PATHS[kind]}", {"ref": reference}).get("items")
        if not isinstance(items, list):
            raise Temporary(ODD_ANSWER)
        return str(items[0]["id"]) if items else None

    def _owners(self, query: Mapping[str, str]) -> tuple[list[PmsClient], int]:
        """The owners on a page, and how many pages there are."""
        told = self._read("/owners", query)
        try:
            return [_client(each) for each in told["items"]], int(told["pages"])
        except (KeyError, TypeError, ValueError):
            raise Temporary(ODD_ANSWER) from None

    def _create(self, kind: Kind, client_id: str, body: Json) -> Written:
        try:
            made = self._call("POST", f"/owners/{client_id}/{PATHS[kind]}", body)
        except RecordGone as error:
            # Nothing can be gone that was never written: it is the owner that is not there.
            said = "Kennelbook has no such owner"
            raise RecordRejected(said, status=error.status) from None
        if not isinstance(made, dict) or "id" not in made:
            raise OutcomeUnknown(ODD_ANSWER)
        return Written(str(made["id"]))

    def _change(self, path: str, changes: Json) -> None:
        told = self._call("PATCH", path, changes)
        # Whatever stands between may answer 200 for a Kennelbook that heard of nothing.
        if not isinstance(told, dict) or "id" not in told:
            raise Temporary(ODD_ANSWER)

    def _delete(self, path: str) -> None:
        try:
            if self._call("DELETE", path) is not None:
                raise Temporary(ODD_ANSWER)
        except RecordGone:
            return

    def _read(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        told = self._call("GET", path, query=query)
        if not isinstance(told, dict):
            raise Temporary(ODD_ANSWER)
        return told

    def _call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        return self._http.request(
            method, self._root + path, params=query, headers=self._headers, json=body
        ).json


def _client(owner: Json) -> PmsClient:
    phones = tuple(Phone(str(number)) for number in owner["phones"])
    return PmsClient(str(owner["id"]), str(owner["name"]), phones)


def _entry(note: Note) -> Json:
    return {"heading": note.title, "text": note.body}


def _todo(task: Task) -> Json:
    due = task.due_at.isoformat()
    return {"heading": task.title, "text": task.body, "due": due, "for": task.assignee}
