"""The connector to HubSpot's CRM: contacts, and calls, communications and tasks on their timeline.

Vendor: HubSpot (developers.hubspot.com/docs/api-reference). Each request is held to HubSpot's own
OpenAPI document of its CRM objects; it has not been run against an account. Not stated there, and
so settings: by which properties a phone number is found, and the ids of association types.

Quirks. A body is HTML. Every value is text. Archived records answer 404. What was just written
lags in search, so what may have been written is looked for among the contact's associations, which
do not. A search tells 10,000 contacts at most, so a longer one is begun anew where it stood.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import phonenumbers

from ..errors import (
    CredentialsRejected,
    OutcomeUnknown,
    RecordGone,
    RecordRejected,
    Temporary,
)
from ..http import Http
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
from .hubspot_contacts import Contacts, records
from .hubspot_records import BODIES, note_properties, read_moment, read_text, task_properties
from .hubspot_requests import SEARCHES, HubSpotRequests, Json
from .hubspot_settings import SETTINGS, faults, names_in

COMMUNICATION = "communication-"
"""Before the id of a transcript, which is another kind of object than a call."""
OPEN, DONE = "NOT_STARTED", "COMPLETED"
"""The statuses of tasks that are set here; people there have others, of which none is done."""
NEWEST = 500
"""How many of a contact's newest records are searched for a reference."""
READ_AT_ONCE = 100
SEARCH_RATE = Rate(4, 1.0, SEARCHES, counts_for_all=True)
"""HubSpot does not say that a private app's searches are left out of its other rate."""


class HubSpotConnector(Connector):
    """Speaks to one HubSpot account with a private app's token."""

    name: ClassVar[str] = "hubspot"
    title: ClassVar[str] = "HubSpot"
    settings: ClassVar[tuple[Setting, ...]] = SETTINGS
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
        # Of 65,536 that HubSpot takes, as HTML: there a line break has four characters, an & five.
        max_body=48_000,
        rates=(Rate(100, 10.0), SEARCH_RATE),
    )

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        given, wrong = read_values(self.settings, {**settings, **secrets})
        require_none(wrong, faults(given))
        self._requests = HubSpotRequests(http, given["base_url"].rstrip("/"), given["token"])
        self._call = self._requests.call
        self._associations = {
            f"{kind}s": int(given[f"{kind}_association"])
            for kind in ("call", "task", "communication")
        }
        self._rates = (Rate(int(given["requests_in_10_seconds"]), 10.0), SEARCH_RATE)
        self._search_properties = names_in(given["search_properties"])
        self._contacts = Contacts(names_in(given["phone_properties"]), self._call)

    @property
    def rates(self) -> tuple[Rate, ...]:
        return self._rates

    def check(self) -> CheckResult:
        self._peek("contacts")
        lacking = []
        for kind in BODIES:
            try:
                self._peek(kind)
            except CredentialsRejected as error:
                if error.status != 403:
                    raise
                lacking.append(f"read {kind}: give the private app the scopes of {kind}")
        return CheckResult(self.title, tuple(lacking), self._requests.portal())

    def _peek(self, kind: str) -> None:
        records(self._call("GET", f"/{kind}", query={"limit": "1"}).get("results"))

    def find_clients(self, number: str) -> list[PmsClient]:
        national = phonenumbers.national_significant_number(phonenumbers.parse(number))
        groups = [
            [{"propertyName": name, "operator": "EQ", "value": national}]
            for name in self._search_properties
        ]
        return self._contacts.find(groups)

    def iter_clients(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
        return self._contacts.walk(cursor)

    def create_note(self, note: Note, key: str) -> Written:
        kind = "communications" if note.is_transcript else "calls"
        pms_id = self._create(kind, note.client_id, note_properties(note))
        return Written(f"{COMMUNICATION}{pms_id}" if note.is_transcript else pms_id)

    def update_note(self, pms_id: str, note: Note) -> None:
        self._change(_path(pms_id), note_properties(note))

    def delete_note(self, pms_id: str) -> None:
        self._archive(_path(pms_id))

    def create_task(self, task: Task, key: str) -> Written:
        status = DONE if task.is_done else OPEN
        properties = {**task_properties(task), "hs_task_status": status, "hs_task_type": "CALL"}
        return Written(self._create("tasks", task.client_id, properties))

    def get_task(self, pms_id: str) -> TaskStatus:
        query = {"properties": "hs_task_status,hs_task_completion_date"}
        [found] = records([self._call("GET", f"/tasks/{pms_id}", query=query)])
        status = found["properties"].get("hs_task_status")
        if not isinstance(status, str):
            raise Temporary("HubSpot told no status of a task")
        closed_at = found["properties"].get("hs_task_completion_date")
        is_done = status == DONE
        return TaskStatus(
            is_done, closed_at=read_moment(closed_at) if is_done and closed_at else None
        )

    def update_task(self, pms_id: str, task: Task) -> None:
        self._change(f"/tasks/{pms_id}", task_properties(task))

    def complete_task(self, pms_id: str) -> None:
        self._change(f"/tasks/{pms_id}", {"hs_task_status": DONE})

    def reopen_task(self, pms_id: str) -> None:
        self._change(f"/tasks/{pms_id}", {"hs_task_status": OPEN})

    def delete_task(self, pms_id: str) -> None:
        self._archive(f"/tasks/{pms_id}")

    def find_by_reference(self, kind: Kind, client_id: str, reference: str) -> str | None:
        kinds = ("tasks",) if kind is Kind.TASK else ("calls", "communications")
        query = {"associations": ",".join(kinds)}
        try:
            [contact] = records([self._call("GET", f"/contacts/{client_id}", query=query)])
        except RecordGone:
            return None
        for each in kinds:
            prefix = COMMUNICATION if each == "communications" else ""
            for pms_id, text in self._read(each, _associated(contact, each)):
                if tells(text, reference):
                    return prefix + pms_id
        if any(_has_more(contact, each) for each in kinds):
            raise Temporary("HubSpot tells a part of this contact's records alone")
        return None

    def _read(self, kind: str, ids: list[str]) -> Iterator[tuple[str, str]]:
        """The newest of these records with their texts, the newest first."""
        newest = sorted(set(ids), key=lambda each: (len(each), each), reverse=True)[:NEWEST]
        for start in range(0, len(newest), READ_AT_ONCE):
            body = {
                "inputs": [{"id": each} for each in newest[start : start + READ_AT_ONCE]],
                "properties": [BODIES[kind]],
                "propertiesWithHistory": [],
            }
            answer = self._call("POST", f"/{kind}/batch/read", body, only_reads=True)
            for found in records(answer.get("results")):
                yield str(found["id"]), read_text(found["properties"].get(BODIES[kind]) or "")

    def _create(self, kind: str, client_id: str, properties: dict[str, str]) -> str:
        association = {
            "associationCategory": "HUBSPOT_DEFINED",
            "associationTypeId": self._associations[kind],
        }
        body = {
            "properties": properties,
            "associations": [{"to": {"id": client_id}, "types": [association]}],
        }
        try:
            answer = self._call("POST", f"/{kind}", body)
        except RecordGone as error:
            # Nothing can be gone that was never written: it is the contact that is not there.
            raise RecordRejected("HubSpot has no such contact", status=error.status) from None
        if not isinstance(answer.get("id"), str | int):
            raise OutcomeUnknown("HubSpot told no id of what was created")
        return str(answer["id"])

    def _change(self, path: str, properties: dict[str, str]) -> None:
        records([self._call("PATCH", path, {"properties": properties})])

    def _archive(self, path: str) -> None:
        try:
            self._call("DELETE", path)
        except RecordGone:
            return


def _path(pms_id: str) -> str:
    if pms_id.startswith(COMMUNICATION):
        return f"/communications/{pms_id.removeprefix(COMMUNICATION)}"
    return f"/calls/{pms_id}"


def _associated(contact: Json, kind: str) -> list[str]:
    listed = _association(contact, kind).get("results", [])
    return [str(each["id"]) for each in listed or [] if isinstance(each, dict) and "id" in each]


def _has_more(contact: Json, kind: str) -> bool:
    return bool((_association(contact, kind).get("paging") or {}).get("next"))


def _association(contact: Json, kind: str) -> Json:
    found = contact.get("associations")
    of_kind = found.get(kind) if isinstance(found, dict) else None
    return of_kind if isinstance(of_kind, dict) else {}
