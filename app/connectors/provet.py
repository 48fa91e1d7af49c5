"""The connector to Provet Cloud, for veterinary clinics: its clients, notes and tasks. A preview.

Vendor: Provet Cloud (developers.provetcloud.com/restapi). Held to its documentation, not yet run
against an account. Documented are signing in, addresses, paging, filtering, archived clients, rates
and 429. The fields and filters of notes and tasks are known from other programs alone and so are
settings; `connection test` tries each filter. Numbers are read where a client holds them whole.

Quirks. Records name each other by address, and each address ends with a slash. What else a note
may hold is not known, so none is read back or deleted. A page's cost grows with its size, so no
size is asked for. No key makes a create idempotent: what may have been written is looked for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
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
    PmsClient,
    Rate,
    Setting,
    Task,
    TaskStatus,
    Written,
    read_values,
    require_none,
    tells,
)
from .oauth import ClientCredentials
from .provet_clients import ODD_ANSWER, Json, find_clients, has_untold_numbers, walk_clients
from .provet_settings import SETTINGS, faults

MOST_PAGES = 10
"""Of one client's notes or tasks: there would be more only where a filter is not heeded."""
NOBODY = "00000000000"


class ProvetConnector(Connector):
    """Speaks to one clinic's Provet Cloud."""

    name: ClassVar[str] = "provet"
    title: ClassVar[str] = "Provet Cloud (preview)"
    settings: ClassVar[tuple[Setting, ...]] = SETTINGS
    capabilities: ClassVar[Capabilities] = Capabilities(
        search_by_phone=True,
        delta_sync=True,
        update_note=True,
        tasks=True,
        read_tasks=True,
        find_by_reference=True,
        rates=(
            Rate(300, 60.0),
            Rate(125, 60.0, "client"),
            Rate(50, 60.0, "note"),
            Rate(100, 60.0, "task"),
        ),
    )

    @classmethod
    def described_by(cls, settings: Mapping[str, str]) -> type[Connector]:
        """Tasks are written only where it is known how to tell a done one."""
        return cls if settings.get("done_status", "").strip() else ProvetNotesConnector

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        given, wrong = read_values(self.settings, {**settings, **secrets})
        require_none(wrong, faults(given))
        address = given["base_url"].rstrip("/")
        self._given = given
        self._root = f"{address}/api/0.1/"
        self._http = http
        self._sign_in = ClientCredentials(
            http,
            f"{address}/oauth2/token/",
            given["client_id"],
            given["client_secret"],
            given["scope"],
        )

    def check(self) -> CheckResult:
        clients, _ = self._read("client/", {})
        lacking = []
        if any(map(has_untold_numbers, clients)):
            lacking.append("read clients' numbers with them, so none is found by number")
        if self._finds_any("client/", {self._given["phone_filter"]: NOBODY}):
            lacking.append("search by number: phone_filter is no filter of client/ there")
        for kind in ("note", "task") if self.capabilities.tasks else ("note",):
            lacking += self._lacks(kind, clients[:1])
        return CheckResult(self.title, tuple(lacking))

    def find_clients(self, number: str) -> list[PmsClient]:
        return find_clients(self._pages, self._given["phone_filter"], number)

    def iter_clients(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
        return walk_clients(self._pages, cursor)

    def create_note(self, note: Note, key: str) -> Written:
        body = {
            "type": int(self._given["note_type"]),
            "client": self._address("client", note.client_id),
            "patients": [],
        }
        return self._create("note/", body | self._note(note))

    def update_note(self, pms_id: str, note: Note) -> None:
        self._change(f"note/{pms_id}/", self._note(note))

    def create_task(self, task: Task, key: str) -> Written:
        body = {
            "status": int(self._given["done_status" if task.is_done else "open_status"]),
            "task_type": int(self._given["task_type"]),
            "client": self._address("client", task.client_id),
            "patients": [],
            "remind": False,
        }
        if self._given["created_user"]:
            body["created_user"] = self._address("user", self._given["created_user"])
        return self._create("task/", body | self._task(task))

    def get_task(self, pms_id: str) -> TaskStatus:
        told = self._call("GET", f"task/{pms_id}/").json
        if not isinstance(told, dict) or not isinstance(told.get("status"), int):
            raise Temporary(ODD_ANSWER)
        return TaskStatus(is_done=told["status"] == int(self._given["done_status"]))

    def update_task(self, pms_id: str, task: Task) -> None:
        self._change(f"task/{pms_id}/", self._task(task))

    def complete_task(self, pms_id: str) -> None:
        self._change(f"task/{pms_id}/", {"status": int(self._given["done_status"])})

    def find_by_reference(self, kind: Kind, client_id: str, reference: str) -> str | None:
        field = "text" if kind is Kind.TASK else self._given["note_field"]
        query = {self._given["client_filter"]: client_id}
        for place, (records, _) in enumerate(self._pages(f"{kind}/", query)):
            if place == MOST_PAGES or not self._are_of(client_id, records):
                raise Temporary("Provet Cloud does not heed client_filter: see connection test")
            for each in records:
                if tells(str(each.get(field) or ""), reference):
                    return str(each["id"])
        return None

    def _note(self, note: Note) -> Json:
        return {"title": note.title, self._given["note_field"]: note.body}

    def _task(self, task: Task) -> Json:
        # Provet Cloud knows its users by their ids: who is named otherwise is named in the text.
        is_user = task.assignee.isdecimal()
        text = task.body if is_user or not task.assignee else f"For {task.assignee}\n{task.body}"
        return {
            "title": task.title,
            "text": text,
            "due": task.due_at.isoformat(),
            "user": self._address("user", task.assignee) if is_user else None,
        }

    def _address(self, kind: str, record_id: str) -> str:
        if not (record_id.isascii() and record_id.isdecimal()):
            raise RecordRejected(f"the id of a {kind} at Provet Cloud is a number")
        return f"{self._root}{kind}/{record_id}/"

    def _are_of(self, client_id: str, records: list[Json]) -> bool:
        return all(
            str(each.get("client")).rstrip("/").endswith(f"/client/{client_id}") for each in records
        )

    def _lacks(self, kind: str, clients: list[Json]) -> Iterator[str]:
        """What this account may not do with notes or tasks, tried on a client if there is one."""
        unheeded = f"look up {kind}s of a client: client_filter is no filter of {kind}/ there"
        try:
            self._read(f"{kind}/", {})
            for client_id in (str(each["id"]) for each in clients):
                records, _ = self._read(f"{kind}/", {self._given["client_filter"]: client_id})
                if not self._are_of(client_id, records):
                    yield unheeded
        except CredentialsRejected as error:
            if error.status != 403:
                raise
            yield f"read {kind}s: give its REST API application the rights to read and write them"
        except RecordRejected:
            yield unheeded

    def _finds_any(self, path: str, query: Mapping[str, str]) -> bool:
        try:
            return bool(self._read(path, query)[0])
        except RecordRejected:
            return True

    def _create(self, path: str, body: Json) -> Written:
        try:
            told = self._call("POST", path, body).json
        except RecordGone as error:
            # Nothing can be gone that was never written: this address takes no such records.
            raise RecordRejected(str(error), status=error.status) from None
        if not _is_record(told):
            raise OutcomeUnknown(ODD_ANSWER)
        return Written(str(told["id"]))

    def _change(self, path: str, body: Json) -> None:
        told = self._call("PATCH", path, body).json
        # Not documented is whether it answers with the record or with nothing.
        if told is not None and not _is_record(told):
            raise Temporary(ODD_ANSWER)

    def _pages(
        self, where: str, query: Mapping[str, str]
    ) -> Iterator[tuple[list[Json], str | None]]:
        page: str | None = where
        while page is not None:
            records, page = self._read(page, query)
            query = {}
            yield records, page

    def _read(self, where: str, query: Mapping[str, str]) -> tuple[list[Json], str | None]:
        """A page of a list, and where the next one is. Raises Temporary for one elsewhere, where no
        token may go."""
        try:
            told = self._call("GET", where, query=query).json
        except RecordGone as error:
            if where.startswith(self._root):
                # The list has become shorter meanwhile: there is no such page any more.
                return [], None
            said = "base_url leads to something that is no Provet Cloud"
            raise CredentialsRejected(said, status=error.status) from None
        records = told.get("results") if isinstance(told, dict) else None
        if not isinstance(records, list) or not all(map(_is_record, records)):
            raise Temporary(ODD_ANSWER)
        more = told.get("next") or None
        if more is not None and not str(more).startswith(self._root):
            raise Temporary("Provet Cloud's next page is at an address that is not its own")
        return records, more and str(more)

    def _call(
        self,
        method: str,
        where: str,
        body: Json | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        url = where if where.startswith(self._root) else self._root + where
        kind = url.removeprefix(self._root).partition("/")[0] if method == "GET" else ""

        def send(token: str) -> Answer:
            headers: dict[str, Any] = {"Authorization": f"Bearer {token}"}
            return self._http.request(
                method, url, params=query, headers=headers, json=body, kind=kind
            )

        return self._sign_in.sending(send)


def _is_record(told: object) -> bool:
    return isinstance(told, dict) and isinstance(told.get("id"), int | str)


class ProvetNotesConnector(ProvetConnector):
    """Of an account where it is not known how a done task is told: callbacks become notes."""

    capabilities: ClassVar[Capabilities] = replace(
        ProvetConnector.capabilities, tasks=False, read_tasks=False
    )
