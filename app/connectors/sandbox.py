"""The connector to the sandbox PMS: a plain JSON API with everything a PMS can offer.

The shortest complete connector, so the one to read before writing another.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

from ..errors import (
    CredentialsRejected,
    OutcomeUnknown,
    RecordGone,
    RecordRejected,
    Temporary,
)
from ..http import Answer, Http
from .base import (
    Capabilities,
    CheckResult,
    ClientPage,
    Connector,
    Kind,
    Note,
    NoteText,
    Phone,
    PmsClient,
    Rate,
    Setting,
    SettingType,
    Task,
    TaskStatus,
    Written,
    read_values,
    require_none,
)

PAGE = "200"
MOST_PAGES = 20
"""Of clients who share a number."""
EVER = "1970-01-01T00:00:00Z"
"""From here a delta tells of every client, deleted ones included, in the order of their changes."""
ODD_ANSWER = "the PMS answered in a form that its documentation does not know"
RATE = re.compile("[1-9][0-9]{0,5}/[1-9][0-9]{0,5}")
Json = dict[str, Any]


class SandboxConnector(Connector):
    """Speaks to the pretend PMS of `ringnote sandbox`."""

    name: ClassVar[str] = "sandbox"
    title: ClassVar[str] = "Sandbox PMS"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("base_url", "Where it runs, e.g. http://127.0.0.1:8001", type=SettingType.ADDRESS),
        Setting("token", "The token it was started with", is_secret=True),
        Setting(
            "rate",
            "The requests it takes in so many seconds, such as 100/10, if it was started with any",
            is_required=False,
            tells_account=False,
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        search_by_phone=True,
        delta_sync=True,
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
        max_title=200,
        max_body=20_000,
    )

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        given, faults = read_values(self.settings, {**settings, **secrets})
        token, rate = given["token"], given["rate"]
        if not (token.isascii() and token.isprintable()):
            faults.append("token must be the token that the sandbox PMS was started with")
        if rate and not RATE.fullmatch(rate):
            faults.append("rate must be requests and seconds, such as 100/10, or left out")
        require_none(faults)
        requests, _, seconds = rate.partition("/")
        self._rates = (Rate(int(requests), float(seconds)),) if rate else ()
        self._root = f"{given['base_url'].rstrip('/')}/api/v1"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._http = http

    @property
    def rates(self) -> tuple[Rate, ...]:
        return self._rates

    def check(self) -> CheckResult:
        self._list("clients", {"limit": "1"})
        self._list("notes", {"limit": "1"})
        self._list("tasks", {"limit": "1"})
        return CheckResult(self.title)

    def find_clients(self, number: str) -> list[PmsClient]:
        found: list[PmsClient] = []
        cursor: str | None = ""
        for _ in range(MOST_PAGES):
            query = {"phone": number, "limit": PAGE} | ({"cursor": cursor} if cursor else {})
            items, cursor = self._list("clients", query)
            found += [_client(item) for item in items]
            if cursor is None:
                return [client for client in found if not client.is_deleted]
        raise Temporary("the PMS tells of more and more clients for one number")

    def iter_clients(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
        place = {"updated_since": EVER, **(cursor or {})}
        newest = place.pop("newest", place["updated_since"])
        more: str | None = ""
        while more is not None:
            items, more = self._list("clients", {**place, "limit": PAGE})
            clients = tuple(_client(item) for item in items)
            newest = max([newest, *(str(item["updated_at"]) for item in items)])
            if more is None:
                place = {"updated_since": newest}
                yield ClientPage(clients, place)
            else:
                place["cursor"] = more
                yield ClientPage(clients, {**place, "newest": newest})

    def create_client(self, name: str, number: str, key: str) -> PmsClient:
        body = {"name": name, "phones": [{"number": number, "label": ""}]}
        try:
            made = self._call("POST", "/clients", body, {"Idempotency-Key": key}).json
        except RecordGone as error:
            raise RecordRejected(str(error), status=error.status) from None
        if not _is_record(made):
            raise OutcomeUnknown(ODD_ANSWER)
        return _client(made)

    def create_note(self, note: Note, key: str) -> Written:
        return self._create("notes", {"client_id": note.client_id, **_note(note)}, key)

    def update_note(self, pms_id: str, note: Note) -> None:
        self._change("notes", pms_id, _note(note))

    def get_note(self, pms_id: str) -> NoteText:
        found = self._call("GET", f"/notes/{pms_id}").json
        if not _is_record(found) or not all(
            isinstance(found.get(name), str) for name in ("title", "body")
        ):
            raise Temporary(ODD_ANSWER)
        return NoteText(found["title"], found["body"])

    def delete_note(self, pms_id: str) -> None:
        self._delete("notes", pms_id)

    def create_task(self, task: Task, key: str) -> Written:
        status = "done" if task.is_done else "open"
        return self._create(
            "tasks", {"client_id": task.client_id, "status": status, **_task(task)}, key
        )

    def get_task(self, pms_id: str) -> TaskStatus:
        found = self._call("GET", f"/tasks/{pms_id}").json
        if not isinstance(found, dict) or found.get("status") not in ("open", "done"):
            raise Temporary(ODD_ANSWER)
        closed_at = found.get("completed_at")
        return TaskStatus(
            is_done=found["status"] == "done", closed_at=_moment(closed_at) if closed_at else None
        )

    def update_task(self, pms_id: str, task: Task) -> None:
        self._change("tasks", pms_id, _task(task))

    def complete_task(self, pms_id: str) -> None:
        self._change("tasks", pms_id, {"status": "done"})

    def reopen_task(self, pms_id: str) -> None:
        self._change("tasks", pms_id, {"status": "open"})

    def delete_task(self, pms_id: str) -> None:
        self._delete("tasks", pms_id)

    def find_by_reference(self, kind: Kind, client_id: str, reference: str) -> str | None:
        items, _ = self._list(f"{kind}s", {"client_id": client_id, "reference": reference})
        return str(items[0]["id"]) if items else None

    def _create(self, path: str, body: Json, key: str) -> Written:
        try:
            answer = self._call("POST", f"/{path}", body, {"Idempotency-Key": key})
        except RecordGone as error:
            # Nothing can be gone that was never written: this address takes no such records.
            raise RecordRejected(str(error), status=error.status) from None
        if not _is_record(answer.json):
            raise OutcomeUnknown(ODD_ANSWER, status=answer.status)
        return Written(str(answer.json["id"]), was_there=answer.status == 200)

    def _change(self, path: str, pms_id: str, body: Json) -> None:
        if not _is_record(self._call("PATCH", f"/{path}/{pms_id}", body).json):
            raise Temporary(ODD_ANSWER)

    def _delete(self, path: str, pms_id: str) -> None:
        try:
            if self._call("DELETE", f"/{path}/{pms_id}").json is not None:
                raise Temporary(ODD_ANSWER)
        except RecordGone:
            return

    def _list(self, path: str, query: Mapping[str, str]) -> tuple[list[Json], str | None]:
        try:
            found = self._call("GET", f"/{path}", query=query).json
        except RecordGone as error:
            raise CredentialsRejected(
                "base_url leads to something that is no sandbox PMS", status=error.status
            ) from None
        items = found.get("items") if isinstance(found, dict) else None
        if not isinstance(items, list) or not all(_is_record(item) for item in items):
            raise Temporary(ODD_ANSWER)
        more = found.get("next_cursor") or None
        if not isinstance(more, str | None):
            raise Temporary(ODD_ANSWER)
        return items, more

    def _call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        return self._http.request(
            method,
            self._root + path,
            params=query,
            headers={**self._headers, **(headers or {})},
            json=body,
        )


def _is_record(item: object) -> bool:
    """Whether it is an object that can be spoken of: with an `id`, a text or a number."""
    return isinstance(item, dict) and isinstance(item.get("id"), str | int) and item["id"] != ""


def _note(note: Note) -> Json:
    return {
        "title": note.title,
        "body": note.body,
        "occurred_at": note.occurred_at.isoformat(),
        "reference": note.reference,
    }


def _task(task: Task) -> Json:
    return {
        "title": task.title,
        "body": task.body,
        "due_at": task.due_at.isoformat(),
        "assignee": task.assignee,
        "reference": task.reference,
    }


def _client(item: Json) -> PmsClient:
    try:
        return PmsClient(
            id=str(item["id"]),
            name=str(item.get("name", "")),
            phones=tuple(
                Phone(str(phone["number"]), str(phone.get("label", "")))
                for phone in item.get("phones", [])
            ),
            patients=tuple(str(patient["name"]) for patient in item.get("patients", [])),
            updated_at=_moment(item["updated_at"]),
            is_deleted=bool(item.get("deleted", False)),
            merged_into=str(item["merged_into"]) if item.get("merged_into") else None,
        )
    except (TypeError, KeyError, AttributeError):
        raise Temporary(ODD_ANSWER) from None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise Temporary(ODD_ANSWER) from None
    if moment.tzinfo is None:
        raise Temporary(ODD_ANSWER)
    return moment
