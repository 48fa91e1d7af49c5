"""The connector to ezyVet, for veterinary clinics: contacts, and communications with them. A
preview.

Vendor: ezyVet (developers.ezyvet.com). Held to its public documentation, not yet run against an
account. Documented are signing in, pages, comparators, rates, errors, and which types and states a
communication has. The other fields of a communication are guessed, and so settings.

Quirks. A communication in the state Sending is really sent, so each is written as Done, which means
that it happened already, and of a type that ezyVet could not send even if it did not heed that. No
way to change one is known, nor a task: Ringnote adds notes instead. Tokens live for 12 hours,
whatever is said of them. No key makes a create idempotent: what may be written is looked for.
"""

from collections.abc import Iterator, Mapping
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
    Written,
    read_values,
    require_none,
    tells,
)
from .ezyvet_contacts import CONTACTS, DETAILS, ODD_ANSWER, PAGE, Contacts, Json, Page, one_of
from .ezyvet_settings import SETTINGS, faults, names_in
from .oauth import ClientCredentials

COMMUNICATIONS = "communication"
MOST_PAGES = 10
"""Of one contact's communications: there would be more only where a filter is not heeded."""
NOBODY = "00000000000"


class EzyVetConnector(Connector):
    """Speaks to one site of ezyVet."""

    name: ClassVar[str] = "ezyvet"
    title: ClassVar[str] = "ezyVet (preview)"
    settings: ClassVar[tuple[Setting, ...]] = SETTINGS
    capabilities: ClassVar[Capabilities] = Capabilities(
        search_by_phone=True,
        delta_sync=True,
        find_by_reference=True,
        rates=(Rate(60, 60.0), Rate(60, 60.0, CONTACTS), Rate(60, 60.0, DETAILS)),
    )

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        given, wrong = read_values(self.settings, {**settings, **secrets})
        require_none(wrong, faults(given))
        self._given = given
        self._root = f"{given['base_url'].rstrip('/')}/v1/"
        self._http = http
        self._sign_in = ClientCredentials(
            http,
            f"{self._root}oauth/access_token",
            given["client_id"],
            given["client_secret"],
            given["scope"],
            more={"partner_id": given["partner_id"], "site_uid": given["site_uid"]},
            takes_json=True,
        )
        self._contacts = Contacts(self._read, names_in(given["name_fields"]))

    def check(self) -> CheckResult:
        try:
            contacts = self._read(CONTACTS, {}, 1).items
        except RecordGone as error:
            said = "base_url leads to something that is no ezyVet"
            raise CredentialsRejected(said, status=error.status) from None
        lacking = [*self._lacks(DETAILS, {"value": one_of([NOBODY])}, ("value", NOBODY))]
        for contact_id in (str(each["id"]) for each in contacts[:1]):
            whose = ("contact_id", contact_id)
            lacking += self._lacks(DETAILS, {"contact_id": one_of([contact_id])}, whose)
            whose = (self._given["contact_field"], contact_id)
            lacking += self._lacks(COMMUNICATIONS, dict([whose]), whose)
        return CheckResult(self.title, tuple(lacking))

    def find_clients(self, number: str) -> list[PmsClient]:
        return self._contacts.find(number)

    def iter_clients(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
        return self._contacts.walk(cursor)

    def create_note(self, note: Note, key: str) -> Written:
        if not (note.client_id.isascii() and note.client_id.isdecimal()):
            raise RecordRejected("the id of a contact at ezyVet is a number")
        given = self._given
        body = {
            "contact_detail_type_id": given[
                "transcript_type" if note.is_transcript else "call_type"
            ],
            given["contact_field"]: note.client_id,
            given["subject_field"]: note.title,
            given["text_field"]: note.body,
            given["format_field"]: "PlainText",
            given["status_field"]: "Done",
        }
        try:
            told = self._call("POST", COMMUNICATIONS, body).json
        except RecordGone as error:
            # Nothing can be gone that was never written: this address takes no such records.
            raise RecordRejected(str(error), status=error.status) from None
        try:
            [made] = _unwrap(COMMUNICATIONS, told)
            return Written(str(made["id"]))
        except (Temporary, ValueError):
            raise OutcomeUnknown(ODD_ANSWER) from None

    def find_by_reference(self, kind: Kind, client_id: str, reference: str) -> str | None:
        field = self._given["contact_field"]
        for number in range(1, MOST_PAGES + 1):
            page = self._read(COMMUNICATIONS, {field: client_id}, number)
            if any(str(each.get(field)) != client_id for each in page.items):
                break
            for each in page.items:
                if tells(str(each.get(self._given["text_field"]) or ""), reference):
                    return str(each["id"])
            if not page.has_more:
                return None
        raise Temporary("ezyVet does not heed contact_field: see connection test")

    def _lacks(
        self, resource: str, query: Mapping[str, str], only: tuple[str, str]
    ) -> Iterator[str]:
        """What this account may not do, tried by a query that is to find `only` what has this in a
        field."""
        field, value = only
        unheeded = f"look up a {resource} by {field}: it is no field to look up by there"
        try:
            found = self._read(resource, query, 1).items
        except CredentialsRejected as error:
            if error.status != 403:
                raise
            yield f"read {resource}: give its integration the scope read-{resource}"
        except (RecordRejected, RecordGone):
            yield unheeded
        else:
            if any(str(each.get(field)) != value for each in found):
                yield unheeded

    def _read(self, resource: str, query: Mapping[str, str], number: int) -> Page:
        asked = {**query, "page": str(number), "limit": str(PAGE)}
        told = self._call("GET", resource, query=asked).json
        items = _unwrap(resource, told)
        try:
            pages = int(told["meta"]["items_page_total"])
        except (TypeError, KeyError, ValueError):
            raise Temporary(ODD_ANSWER) from None
        return Page(items, number < pages)

    def _call(
        self,
        method: str,
        resource: str,
        body: Json | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        def send(token: str) -> Answer:
            return self._http.request(
                method,
                self._root + resource,
                params=query,
                headers={"Authorization": f"Bearer {token}"},
                json=body,
                kind="" if resource == COMMUNICATIONS else resource,
            )

        return self._sign_in.sending(send)


def _unwrap(resource: str, told: Any) -> list[Json]:
    """The records of an answer. Raises Temporary for what is none."""
    items = told.get("items") if isinstance(told, dict) else None
    if not isinstance(items, list):
        raise Temporary(ODD_ANSWER)
    records: list[Any] = [each.get(resource) for each in items if isinstance(each, dict)]
    if len(records) < len(items) or not all(map(_is_record, records)):
        raise Temporary(ODD_ANSWER)
    return records


def _is_record(record: object) -> bool:
    return isinstance(record, dict) and isinstance(record.get("id"), int | str)
