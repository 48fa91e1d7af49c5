"""The connector to any EHR that speaks FHIR R4: Patient, Communication and Task.

Standard: hl7.org/fhir/R4. It makes requests that a Medplum server was seen to take, but has not
been run against a clinic's own server: those differ in what they let a client do, and `connection
test` tells. Signs in by OAuth 2 client credentials, or with a token that does not expire.

Quirks. Search by phone compares the exact text that is stored, so every usual spelling is sent. A
subject that does not exist is taken without a word, so the patient is read before a create. A
record is withdrawn by the status `entered-in-error`, as the standard has it, since few servers let
a client delete. Values in If-None-Exist are percent-encoded: a raw `|` there makes a second record.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

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
    Setting,
    SettingType,
    Task,
    TaskStatus,
    Written,
    read_values,
    require_none,
)
from .fhir_patients import find_patients, walk_patients
from .fhir_resources import (
    CLOSED,
    ODD_ANSWER,
    OPEN,
    SYSTEM,
    WITHDRAWN,
    Resource,
    amend_communication,
    amend_task,
    is_taken,
    make_communication,
    make_task,
    resources_in,
    status_of,
)
from .oauth import ClientCredentials

MEDIA_TYPE = "application/fhir+json"


class FhirConnector(Connector):
    """Speaks to one FHIR R4 server."""

    name: ClassVar[str] = "fhir"
    title: ClassVar[str] = "FHIR R4"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "base_url",
            "The server's FHIR base, e.g. https://ehr.example.com/fhir/R4",
            type=SettingType.ADDRESS,
        ),
        Setting(
            "token_url",
            "Where it gives OAuth 2 tokens",
            is_required=False,
            type=SettingType.ADDRESS,
        ),
        Setting("client_id", "The client's id there", is_required=False),
        Setting("scope", "The scope to ask for, if it wants one", is_required=False),
        Setting(
            "client_secret", "The client's secret at token_url", is_secret=True, is_required=False
        ),
        Setting(
            "token", "A token, in place of token_url and client", is_secret=True, is_required=False
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
        idempotency_key=True,
        find_by_reference=True,
    )

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        given, wrong = read_values(self.settings, {**settings, **secrets})
        require_none(wrong, _faults(given))
        self._root = given["base_url"].rstrip("/")
        self._http = http
        self._token = given["token"]
        self._sign_in = ClientCredentials(
            http,
            given["token_url"],
            given["client_id"],
            given["client_secret"],
            given["scope"],
        )

    def check(self) -> CheckResult:
        self._search("Patient", {"_count": "1"})
        lacking = []
        for kind in ("Communication", "Task"):
            try:
                self._search(kind, {"_count": "1"})
            except CredentialsRejected as error:
                if error.status != 403:
                    raise
                lacking.append(f"read {kind}: let this client read and write {kind}")
        return CheckResult(self.title, tuple(lacking))

    def find_clients(self, number: str) -> list[PmsClient]:
        return find_patients(self._get, self._root, number)

    def iter_clients(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
        return walk_patients(self._get, self._root, cursor)

    def create_note(self, note: Note, key: str) -> Written:
        return self._create(make_communication(note), note.client_id, note.reference)

    def update_note(self, pms_id: str, note: Note) -> None:
        stands = self._read("Communication", pms_id)
        self._put(amend_communication(stands, note))

    def delete_note(self, pms_id: str) -> None:
        self._withdraw("Communication", pms_id)

    def create_task(self, task: Task, key: str) -> Written:
        return self._create(make_task(task), task.client_id, task.reference)

    def get_task(self, pms_id: str) -> TaskStatus:
        return TaskStatus(is_done=status_of(self._read("Task", pms_id)) in CLOSED)

    def update_task(self, pms_id: str, task: Task) -> None:
        self._put(amend_task(self._read("Task", pms_id), task))

    def complete_task(self, pms_id: str) -> None:
        stands = self._read("Task", pms_id)
        if status_of(stands) not in CLOSED:
            self._put(stands | {"status": "completed"})

    def reopen_task(self, pms_id: str) -> None:
        stands = self._read("Task", pms_id)
        if status_of(stands) in CLOSED:
            self._put(stands | {"status": OPEN})

    def delete_task(self, pms_id: str) -> None:
        self._withdraw("Task", pms_id)

    def find_by_reference(self, kind: Kind, client_id: str, reference: str) -> str | None:
        name = "Task" if kind is Kind.TASK else "Communication"
        query = {"identifier": f"{SYSTEM}|{reference}", "_count": "10"}
        for found in self._search(name, query):
            if status_of(found) != WITHDRAWN:
                return str(found["id"])
        return None

    def _create(self, resource: Resource, client_id: str, reference: str) -> Written:
        if not re.fullmatch(r"[A-Za-z0-9.-]{1,64}", client_id):
            raise RecordRejected("the client's id cannot be one of this FHIR server")
        try:
            self._show("Patient", client_id)
        except RecordGone as error:
            said = "the FHIR server has no such patient"
            raise RecordRejected(said, status=error.status) from None
        unless = f"identifier={quote(SYSTEM, safe='')}%7C{quote(reference, safe='')}"
        kind = resource["resourceType"]
        answer = self._call("POST", f"/{kind}", resource, {"If-None-Exist": unless})
        made = answer.json if isinstance(answer.json, dict) else {}
        pms_id = made.get("id") if made.get("resourceType") == kind else _located(answer, kind)
        if not pms_id:
            raise OutcomeUnknown(ODD_ANSWER, status=answer.status)
        return Written(str(pms_id), was_there=answer.status == 200)

    def _read(self, kind: str, pms_id: str) -> Resource:
        """A resource as it stands. Raises RecordGone for one that was deleted or withdrawn."""
        found = self._show(kind, pms_id)
        if status_of(found) == WITHDRAWN:
            raise RecordGone("it was marked as entered in error")
        return found

    def _show(self, kind: str, pms_id: str) -> Resource:
        found = self._get(f"{self._root}/{kind}/{pms_id}")
        if found.get("resourceType") != kind:
            raise Temporary(ODD_ANSWER)
        return found

    def _search(self, kind: str, query: Mapping[str, str]) -> list[Resource]:
        return resources_in(self._get(f"{self._root}/{kind}", query), kind)

    def _put(self, resource: Resource) -> None:
        version = resource.get("meta", {}).get("versionId")
        headers = {"If-Match": f'W/"{version}"'} if version else {}
        path = f"/{resource['resourceType']}/{resource['id']}"
        try:
            told = self._call("PUT", path, resource, headers).json
        except RecordRejected as error:
            if error.status in (409, 412):
                said = "somebody else changed it at the same time"
                raise Temporary(said, status=error.status) from None
            raise
        if not is_taken(told, resource["resourceType"]):
            raise Temporary(ODD_ANSWER)

    def _withdraw(self, kind: str, pms_id: str) -> None:
        try:
            self._put(self._read(kind, pms_id) | {"status": WITHDRAWN})
        except RecordGone:
            return

    def _get(self, url: str, query: Mapping[str, str] | None = None) -> Resource:
        answer = self._send("GET", url, None, {}, query)
        if not isinstance(answer.json, dict):
            raise Temporary(ODD_ANSWER)
        return answer.json

    def _call(self, method: str, path: str, body: Resource, headers: Mapping[str, str]) -> Answer:
        return self._send(method, self._root + path, body, headers, None)

    def _send(
        self,
        method: str,
        url: str,
        body: Resource | None,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None,
    ) -> Answer:
        def send(token: str) -> Answer:
            return self._exchange(method, url, body, headers, query, token)

        return send(self._token) if self._token else self._sign_in.sending(send)

    def _exchange(
        self,
        method: str,
        url: str,
        body: Resource | None,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None,
        token: str,
    ) -> Answer:
        own: dict[str, Any] = {"Authorization": f"Bearer {token}", "Accept": MEDIA_TYPE}
        if body is not None:
            own["Content-Type"] = MEDIA_TYPE
        return self._http.request(method, url, params=query, headers={**own, **headers}, json=body)


def _located(answer: Answer, kind: str) -> str | None:
    """The id that an answer without a body tells by its Location."""
    found = re.search(
        rf"/{kind}/([A-Za-z0-9.-]+)(?:/_history|$)", answer.headers.get("Location", "")
    )
    return found[1] if found else None


def _faults(given: Mapping[str, str]) -> Iterator[str]:
    sign_in = ("token_url", "client_id", "client_secret")
    missing = [name for name in sign_in if not given[name]]
    if not given["token"] and missing:
        yield f"{missing[0]} is missing: give {', '.join(sign_in)}, or a token alone"
    for name in ("token", "client_secret"):
        if not (given[name].isascii() and given[name].isprintable()):
            yield f"{name} must be printable ASCII"
