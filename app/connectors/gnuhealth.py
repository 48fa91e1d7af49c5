"""The connector to GNU Health, and to other systems built on Tryton: parties, notes and works.

Vendor: gnuhealth.org on tryton.org; the API is Tryton's JSON-RPC. Run against GNU Health 5.0 on
Tryton 7.0 (`make test-live`). Tasks need Tryton's module `project` and a company.

Quirks. Errors come under HTTP 200; a dead session is 401. Search overlooks whoever is inactive
unless told otherwise. A party's time of writing says nothing of its phone numbers, which have their
own. There are no idempotency keys, but what was written is found by its text at once. A work has
neither a due time nor an assignee, so its text begins with them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import phonenumbers

from ..errors import OutcomeUnknown, RecordGone, RecordRejected, Temporary
from ..http import Http
from .base import (
    Capabilities,
    CheckResult,
    ClientPage,
    Connector,
    Kind,
    Note,
    PmsClient,
    Setting,
    SettingType,
    Task,
    TaskStatus,
    Written,
    read_values,
    require_none,
    tells,
)
from .gnuhealth_parties import find_parties, walk_parties
from .tryton import ODD_ANSWER, Tryton

NOTES, WORKS, STATUSES = "model.ir.note", "model.project.work", "model.project.work.status"
NEEDED = {
    "party.party": ("read",),
    "ir.note": ("read", "write", "create", "delete"),
    "project.work": ("read", "write", "create", "delete"),
}


class GnuHealthConnector(Connector):
    """Speaks to one database of a GNU Health server as one of its users."""

    name: ClassVar[str] = "gnuhealth"
    title: ClassVar[str] = "GNU Health"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "base_url",
            "Where the server is, e.g. https://health.example.com",
            type=SettingType.ADDRESS,
        ),
        Setting("database", "The name of its database"),
        Setting("user", "The login of Ringnote's user there"),
        Setting("password", "That user's password", is_secret=True),
        Setting(
            "company",
            "The id of the company whose tasks they are",
            default="1",
            type=SettingType.NUMBER,
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        search_by_phone=True,
        delta_sync=True,
        update_note=True,
        delete_note=True,
        tasks=True,
        read_tasks=True,
        delete_task=True,
        reopen_task=True,
        find_by_reference=True,
    )

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        given, wrong = read_values(self.settings, {**settings, **secrets})
        require_none(wrong, _faults(given))
        address = f"{given['base_url'].rstrip('/')}/{given['database']}/"
        self._tryton = Tryton(http, address, given["user"], secrets["password"])
        self._company = int(given["company"])

    def check(self) -> CheckResult:
        list(self._tryton.read("model.party.party.search", [], 0, 1, None))
        access = self._tryton.read("model.ir.model.access.get_access", list(NEEDED))
        if not isinstance(access, dict):
            raise Temporary(ODD_ANSWER)
        lacking = [
            f"{may} {model}: give the user's group access to it"
            for model, needed in NEEDED.items()
            for may in needed
            if not (access.get(model) or {}).get(may)
        ]
        if not lacking and self._done_status() is None:
            lacking.append("complete tasks: the server has no status of works with a progress of 1")
        return CheckResult(self.title, tuple(lacking))

    def find_clients(self, number: str) -> list[PmsClient]:
        national = phonenumbers.national_significant_number(phonenumbers.parse(number))
        # A server without the package phonenumbers compacts no more than the spaces.
        spelt = [number, number.removeprefix("+"), national, f"0{national}"]
        return find_parties(self._tryton, spelt)

    def iter_clients(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
        return walk_parties(self._tryton, cursor)

    def create_note(self, note: Note, key: str) -> Written:
        values = {"resource": f"party.party,{note.client_id}", "message": _message(note)}
        return self._create(NOTES, values)

    def update_note(self, pms_id: str, note: Note) -> None:
        self._write(NOTES, pms_id, {"message": _message(note)})

    def delete_note(self, pms_id: str) -> None:
        self._delete(NOTES, pms_id)

    def create_task(self, task: Task, key: str) -> Written:
        values: dict[str, Any] = {
            "type": "task",
            "party": _number(task.client_id),
            "company": self._company,
            **_work(task),
        }
        if task.is_done:
            values |= {"status": self._done_status(), "progress": 1}
        return self._create(WORKS, values)

    def get_task(self, pms_id: str) -> TaskStatus:
        found = self._tryton.read(
            f"{WORKS}.search_read", [["id", "=", _number(pms_id)]], 0, 1, None, ["status.progress"]
        )
        if not found:
            raise RecordGone("the work was deleted")
        return TaskStatus(is_done=(found[0].get("status.") or {}).get("progress") == 1)

    def update_task(self, pms_id: str, task: Task) -> None:
        self._write(WORKS, pms_id, _work(task))

    def complete_task(self, pms_id: str) -> None:
        if not self.get_task(pms_id).is_done:
            self._write(WORKS, pms_id, {"status": self._done_status(), "progress": 1})

    def reopen_task(self, pms_id: str) -> None:
        if self.get_task(pms_id).is_done:
            self._write(WORKS, pms_id, self._open_status())

    def delete_task(self, pms_id: str) -> None:
        self._delete(WORKS, pms_id)

    def find_by_reference(self, kind: Kind, client_id: str, reference: str) -> str | None:
        if kind is Kind.TASK:
            model, field, whose = WORKS, "comment", ["party", "=", _number(client_id)]
        else:
            model, field = NOTES, "message"
            whose = ["resource", "=", f"party.party,{_number(client_id)}"]
        domain = [whose, [field, "ilike", f"%{reference}%"]]
        for found in self._tryton.read(f"{model}.search_read", domain, 0, 50, None, [field]):
            if tells(str(found.get(field) or ""), reference):
                return str(found["id"])
        return None

    def _create(self, model: str, values: Mapping[str, Any]) -> Written:
        made = self._tryton.write(f"{model}.create", [values])
        if not isinstance(made, list) or not made:
            raise OutcomeUnknown(ODD_ANSWER)
        return Written(str(made[0]))

    def _write(self, model: str, pms_id: str, values: Mapping[str, Any]) -> None:
        if not self._is_there(model, pms_id):
            raise RecordGone("the record was deleted")
        self._tryton.write(f"{model}.write", [_number(pms_id)], values, is_create=False)

    def _delete(self, model: str, pms_id: str) -> None:
        if self._is_there(model, pms_id):
            self._tryton.write(f"{model}.delete", [_number(pms_id)], is_create=False)

    def _is_there(self, model: str, pms_id: str) -> bool:
        return bool(self._tryton.read(f"{model}.search_count", [["id", "=", _number(pms_id)]]))

    def _done_status(self) -> int | None:
        found = self._tryton.read(f"{STATUSES}.search", [["progress", "=", 1]], 0, 1, None)
        return int(found[0]) if found else None

    def _open_status(self) -> dict[str, Any]:
        """What a work is set to that is to be done: the first status that is not the end of one."""
        listed = self._tryton.read(f"{STATUSES}.search_read", [], 0, 50, None, ["progress"])
        for each in listed:
            if each.get("progress") != 1:
                return {"status": each["id"], "progress": each.get("progress") or 0}
        raise RecordRejected("the server has no status of works with a progress below 1")


def _faults(given: Mapping[str, str]) -> Iterator[str]:
    if not re.fullmatch(r"[\w.-]+", given["database"]):
        yield "database must be the name of a database, such as health"
    if ":" in given["user"]:
        yield "user must be the login of a user there"


def _number(pms_id: str) -> int:
    """An id as the server counts them; -1, which nothing has, for any other text."""
    return int(pms_id) if re.fullmatch("[0-9]{1,15}", pms_id) else -1


def _message(note: Note) -> str:
    return f"{note.title}\n{note.body}"


def _work(task: Task) -> dict[str, str]:
    whom = f" for {task.assignee}" if task.assignee else ""
    due = f"Due {task.due_at:%Y-%m-%d %H:%M} {task.due_at.tzname()}{whom}"
    return {"name": task.title, "comment": f"{due}\n{task.body}"}
