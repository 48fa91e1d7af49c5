"""The connector to Cliniko, for clinics of people: patients, and memos among their communications.
A preview.

Vendor: Cliniko (github.com/redguava/cliniko-api). Held to its documentation of 2022, which tells of
all that is used here; not yet run against an account. Not documented is what is answered when a
memo is changed or archived that is archived already.

Quirks. An API key ends in the shard where its account is. Each request must tell, as a user agent,
an address by which its sender can be reached. Patients are not found by number. A memo is a
communication that is recorded and never sent; it has no title, and a direction that a note does not
know: it is told as received from Ringnote. Times are whole seconds.
"""

import base64
import re
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
    NoteText,
    Rate,
    Setting,
    SettingType,
    Written,
    read_values,
    require_none,
    tells,
)
from .cliniko_patients import ODD_ANSWER, Json, Patients, id_at

MEMO = 12
RECEIVED = 2
SMS, PHONE_CALL = 1, 3
PAGE = "100"
MOST_PAGES = 20
"""Of one patient's communications: there would be more only where a filter is not heeded."""
SHARD = re.compile(r".*-(\w{2}\d{1,2})", re.ASCII)


class ClinikoConnector(Connector):
    """Speaks to one Cliniko account with an API key of one of its users."""

    name: ClassVar[str] = "cliniko"
    title: ClassVar[str] = "Cliniko (preview)"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("api_key", "The API key of a user, with the shard at its end", is_secret=True),
        Setting(
            "contact_email",
            "Where Cliniko can reach whoever runs Ringnote; it wants that told",
            tells_account=False,
        ),
        Setting("from_name", "Whom its memos are from", default="Ringnote", tells_account=False),
        Setting("to_name", "Whom its memos are to", default="Front desk", tells_account=False),
        Setting(
            "confidential",
            "Whether its memos are confidential",
            default="no",
            tells_account=False,
            type=SettingType.YES_NO,
        ),
        Setting(
            "base_url",
            "Where its API is, if not where the key says, e.g. https://api.uk1.cliniko.com/v1",
            is_required=False,
            type=SettingType.ADDRESS,
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        delta_sync=True,
        update_note=True,
        read_notes=True,
        delete_note=True,
        find_by_reference=True,
        rates=(Rate(200, 60.0),),
    )

    @classmethod
    def address_of(cls, settings: Mapping[str, str]) -> str:
        """Only the key tells which shard it is: without an address all are taken for one."""
        return settings.get("base_url", "").strip() or "https://api.cliniko.com"

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        given, wrong = read_values(self.settings, {**settings, **secrets})
        require_none(wrong, _faults(given))
        self._root = given["base_url"].rstrip("/") or root_of(given["api_key"])
        self._given = given
        self._http = http
        key = base64.b64encode(f"{given['api_key']}:".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {key}",
            "User-Agent": f"Ringnote ({given['contact_email']})",
        }
        self._patients = Patients(self._read)

    def check(self) -> CheckResult:
        try:
            told = self._call("GET", "settings/public").json
        except RecordGone as error:
            said = "base_url leads to something that is no Cliniko"
            raise CredentialsRejected(said, status=error.status) from None
        account = told.get("account") if isinstance(told, dict) else None
        if not isinstance(account, dict):
            raise Temporary(ODD_ANSWER)
        lacking = []
        for path in ("patients", "communications"):
            try:
                self._read(path, path, {}, 1)
            except CredentialsRejected as error:
                if error.status != 403:
                    raise
                lacking.append(f"read {path}: give the key's user a role that may see and add them")
        return CheckResult(
            str(account.get("name") or self.title), tuple(lacking), str(account.get("id") or "")
        )

    def iter_clients(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
        return self._patients.walk(cursor)

    def create_note(self, note: Note, key: str) -> Written:
        body = {
            "category_code": MEMO,
            "confidential": self._given["confidential"] == "yes",
            "content": _content(note),
            "direction_code": RECEIVED,
            "from": self._given["from_name"],
            "to": self._given["to_name"],
            "patient_id": note.client_id,
            "type_code": SMS if note.is_transcript else PHONE_CALL,
        }
        try:
            told = self._call("POST", "communications", body).json
        except RecordGone as error:
            # Nothing can be gone that was never written: it is the patient who is not there.
            raise RecordRejected("Cliniko has no such patient", status=error.status) from None
        if not isinstance(told, dict) or not isinstance(told.get("id"), int | str):
            raise OutcomeUnknown(ODD_ANSWER)
        return Written(str(told["id"]))

    def update_note(self, pms_id: str, note: Note) -> None:
        _standing(self._call("PUT", f"communications/{pms_id}", {"content": _content(note)}))

    def get_note(self, pms_id: str) -> NoteText:
        content = _standing(self._call("GET", f"communications/{pms_id}")).get("content")
        if not isinstance(content, str):
            raise Temporary(ODD_ANSWER)
        title, _, body = content.replace("\r\n", "\n").partition("\n")
        return NoteText(title, body)

    def delete_note(self, pms_id: str) -> None:
        try:
            self.get_note(pms_id)
            if self._call("POST", f"communications/{pms_id}/archive").json is not None:
                raise Temporary(ODD_ANSWER)
        except RecordGone:
            return
        except OutcomeUnknown as error:
            # It does no harm to archive it again.
            raise Temporary(str(error), status=error.status) from None

    def find_by_reference(self, kind: Kind, client_id: str, reference: str) -> str | None:
        query = {"q[]": f"patient_id:={client_id}"}
        for number in range(1, MOST_PAGES + 1):
            memos, has_more = self._read("communications", "communications", query, number)
            for each in memos:
                if not _is_of(client_id, each):
                    raise Temporary(ODD_ANSWER)
                if not each.get("archived_at") and tells(str(each.get("content")), reference):
                    return str(each["id"])
            if not has_more:
                return None
        raise Temporary("a patient of Cliniko has more communications than can be looked through")

    def _read(
        self, path: str, name: str, query: Mapping[str, str], number: int
    ) -> tuple[list[Json], bool]:
        asked = {**query, "page": str(number), "per_page": PAGE}
        told = self._call("GET", path, query=asked).json
        records = told.get(name) if isinstance(told, dict) else None
        if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
            raise Temporary(ODD_ANSWER)
        links = told.get("links")
        if not isinstance(links, dict):
            raise Temporary(ODD_ANSWER)
        return records, bool(links.get("next")) and bool(records)

    def _call(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> Answer:
        url = f"{self._root}/{path}"
        return self._http.request(method, url, params=query, headers=self._headers, json=body)


def root_of(api_key: str) -> str:
    """Where the API of the account is that this key belongs to; '' where it does not say."""
    shard = SHARD.fullmatch(api_key)
    return f"https://api.{shard[1]}.cliniko.com/v1" if shard else ""


def _content(note: Note) -> str:
    return f"{note.title}\n{note.body}"


def _standing(answer: Answer) -> Json:
    """A memo as it is told. Raises RecordGone for one that a person archived."""
    told: object = answer.json
    if not isinstance(told, dict) or "id" not in told:
        raise Temporary(ODD_ANSWER)
    if told.get("archived_at"):
        raise RecordGone("it was archived")
    return told


def _is_of(client_id: str, memo: Json) -> bool:
    try:
        return id_at(memo["patient"]["links"]["self"]) == client_id and "id" in memo
    except (KeyError, TypeError):
        return False


def _faults(given: Mapping[str, str]) -> Iterator[str]:
    key, address = given["api_key"], given["base_url"]
    is_key = key and key.isascii() and key.isprintable() and ":" not in key
    if not is_key or not (address or root_of(key)):
        yield "api_key must be a user's API key with its end, the shard, such as -uk1"
    if not re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", given["contact_email"], re.ASCII):
        yield "contact_email must be an email address, such as desk@clinic.example"
