"""Reads one webhook's body, whatever came: never raises. Called by ingest, before it is kept.

What a field is called, how the body is encoded and what a template did to it is this module's
business alone; it gives out the names of `facts.FIELDS`.
"""

import codecs
import math
import re
from collections.abc import Mapping
from typing import Any

from .bodies import read_form, read_json
from .facts import MESSAGES, EventType, Reading

ALIASES: dict[str, str] = {
    "containerid": "container_id",
    "tenantid": "tenant_id",
    "calluuid": "call_uuid",
    "didnumber": "did_number",
    "diddescription": "did_description",
    "didgroup": "did_group",
    "cidprefix": "cid_prefix",
    "calleridnum": "caller_number",
    "calleridnumber": "caller_number",
    "cidnum": "caller_number",
    "calleridname": "caller_name",
    "cidname": "caller_name",
    "extnumber": "extension",
    "extensionnumber": "extension",
    "extname": "extension_name",
    "extensionname": "extension_name",
    "numberdialed": "number_dialed",
    "numdialed": "number_dialed",
    "rgnumber": "ring_group",
    "ringgroupnumber": "ring_group",
    "queuenumber": "queue",
    "conversationid": "conversation_id",
    "tonumber": "to_number",
    "fromnumber": "from_number",
    "messagetext": "text",
    "eventtarget": "event_target",
    "eventtype": "event_type",
}
EVENT_TYPES = {member.value.lower(): member.value for member in EventType}
PLACEHOLDER = re.compile(r"\$?\{{1,2}\s*[A-Za-z][A-Za-z0-9_. ]*\}{1,2}")
TEXT_PLACEHOLDER = re.compile(r"\$?\{{1,2}\s*MESSAGE_?TEXT\s*\}{1,2}", re.IGNORECASE)
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MAX_KEY = 200
MAX_SHOWN = 60
"""Characters of a placeholder that are told."""
MAX_FIELD = 1000
"""Characters kept of a field; the event's raw bytes hold all of it."""
SUBJECT_FIELDS = {True: ("conversation_id", "conversationID"), False: ("call_uuid", "callUuid")}


def read_event(body: bytes) -> Reading:
    """What could be read out of `body`: an event, perhaps mended, or why there is none."""
    encoding = "utf-16" if body.startswith(UTF16) else "utf-8"
    text = body.decode(encoding, errors="replace").removeprefix("\ufeff").strip()
    if not text:
        return _quarantined("the body is empty")
    if text.startswith(("{", "[")):
        raw, mended = read_json(text, _field)
    else:
        raw, mended = read_form(text, _field), None
    fields: dict[str, Any] = {}
    for key, value in raw.items():
        # One may send both spellings of a field and fill only one of them.
        if (name := _field(key)) and fields.get(name) in (None, ""):
            fields[name] = _value(name, value)
    return _judge({name: value for name, value in fields.items() if value is not None}, mended)


def read_tenant(raw: str | None) -> str:
    """The tenant as it is compared: blank, '0' and missing are the same one, ''."""
    tenant = (raw or "").strip()
    return tenant if tenant.strip("0") else ""


def subject_of(reading: Reading) -> tuple[str, str] | None:
    """What the event adds to: ('call', callUuid), ('conversation', conversationID), or nothing."""
    if reading.is_quarantined or not reading.is_known:
        return None
    if reading.event_type in MESSAGES:
        return "conversation", reading.fields["conversation_id"]
    return "call", reading.fields["call_uuid"]


def _field(key: str) -> str | None:
    return ALIASES.get(_plain(key))


def _plain(word: str) -> str:
    return word.strip().lower().replace("_", "").replace("-", "")


def _value(name: str, value: Any) -> Any:
    if name == "event_type":
        # A type that is no text is told as such: nothing is guessed from it.
        return _clean(value).strip()[:MAX_FIELD] if isinstance(value, str) else value
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = _digits(value)
    if not isinstance(value, str):
        return None
    return _clean(value) if name == "text" else _clean(value).strip()[:MAX_FIELD] or None


def _digits(value: int | float) -> str | None:
    """A JSON number as text: 1.2125550142e10 is 12125550142; NaN and Infinity are nothing."""
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return None
    return str(int(value)) if value.is_integer() else str(value)


def _judge(fields: dict[str, Any], mended: str | None) -> Reading:
    given = fields.pop("event_type", None)
    if given is None or given == "":
        return _quarantined("it has no eventType", fields)
    if not isinstance(given, str):
        return _quarantined("its eventType is no text", fields)
    event_type = _event_type(given, fields)
    if placeholder := _placeholder(given, fields):
        return _quarantined(
            f"the phone system did not replace the placeholder {placeholder}", fields, event_type
        )
    if "container_id" not in fields:
        return _quarantined("it has no containerId", fields, event_type)
    if event_type.lower() in EVENT_TYPES:
        name, shown = SUBJECT_FIELDS[event_type in MESSAGES]
        if name not in fields:
            return _quarantined(f"it has no {shown}", fields, event_type)
        if len(fields[name]) > MAX_KEY:
            return _quarantined(f"its {shown} is longer than {MAX_KEY} characters", {}, event_type)
    return Reading(event_type, fields, reason=mended)


def _event_type(given: str, fields: Mapping[str, str]) -> str:
    event_type = EVENT_TYPES.get(given.lower(), given)
    if event_type != EventType.EXTENSION_RINGS:
        return event_type
    target = _plain(fields.get("event_target", ""))
    is_group = "ring_group" in fields and "extension" not in fields
    if target == "ringgroup" or (target != "extension" and is_group):
        return EventType.RING_GROUP_ENTERED.value
    return event_type


def _placeholder(event_type: str, fields: Mapping[str, str]) -> str | None:
    if PLACEHOLDER.fullmatch(event_type):
        return event_type[:MAX_SHOWN]
    for name, value in fields.items():
        # People do text things in braces.
        pattern = TEXT_PLACEHOLDER if name == "text" else PLACEHOLDER
        if pattern.fullmatch(value.strip()):
            return value.strip()[:MAX_SHOWN]
    return None


def _quarantined(
    reason: str, fields: Mapping[str, str] | None = None, event_type: str | None = None
) -> Reading:
    return Reading(event_type, fields or {}, is_quarantined=True, reason=reason)


def _clean(text: str) -> str:
    """Without what a database cannot keep: lone surrogates and NULs."""
    return re.sub("[\x00\ud800-\udfff]", "\ufffd", text)
