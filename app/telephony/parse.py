"""Reads one webhook's body, whatever came: never raises. Called by ingest, before anything is kept."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

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
    "calleridname": "caller_name",
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
PLACEHOLDER = re.compile(r"\{[A-Z][A-Z0-9_]+\}")
KNOWN_PAIR = re.compile(r'"([A-Za-z]+)"\s*:\s*"((?:[^"\\]|\\.)*)"')


def read_event(body: bytes) -> Reading:
    """What could be read out of `body`."""
    text = body.decode("utf-8", errors="replace").removeprefix("\ufeff").strip()
    if not text:
        return Reading(None, {}, True, "the body is empty")
    mended = None
    raw: dict[str, Any]
    if text.startswith(("{", "[")):
        raw, mended = _read_json(text)
    else:
        raw = _read_form(text)
    if not raw:
        return Reading(None, {}, True, "the body is neither JSON nor a form that can be read")
    fields: dict[str, str] = {}
    for key, value in raw.items():
        name = ALIASES.get(key.lower().replace("_", ""))
        if name and isinstance(value, int) and not isinstance(value, bool):
            value = str(value) if name != "event_type" else value
        if name and (isinstance(value, str) or name == "event_type"):
            fields.setdefault(
                name,
                value if name == "text" or not isinstance(value, str) else _clean(value).strip(),
            )
    if "text" in fields:
        fields["text"] = _clean(fields["text"])
    return _judge(fields, mended)


def _judge(fields: dict[str, Any], mended: str | None) -> Reading:
    given = fields.pop("event_type", None)
    if not isinstance(given, str) or not given:
        return Reading(
            None,
            {k: v for k, v in fields.items() if isinstance(v, str)},
            True,
            "it has no eventType" if given is None or given == "" else "its eventType is no text",
        )
    event_type = EVENT_TYPES.get(given.lower(), given)
    if event_type == EventType.EXTENSION_RINGS and (
        fields.get("event_target", "").lower() == "ringgroup" or fields.get("ring_group")
    ):
        event_type = EventType.RING_GROUP_ENTERED.value
    fields = {k: v for k, v in fields.items() if v != "" or k == "text"}
    for name, value in fields.items():
        if name != "text" and PLACEHOLDER.fullmatch(value):
            return Reading(event_type, fields, True, f"a placeholder was not replaced: {value}")
    if PLACEHOLDER.fullmatch(fields.get("text", "")):
        return Reading(
            event_type, fields, True, f"a placeholder was not replaced: {fields['text']}"
        )
    if not fields.get("container_id"):
        return Reading(event_type, fields, True, "it has no containerId")
    if event_type in EVENT_TYPES.values():
        key = "conversation_id" if event_type in MESSAGES else "call_uuid"
        if not fields.get(key):
            return Reading(
                event_type,
                fields,
                True,
                f"it has no {'conversationID' if key == 'conversation_id' else 'callUuid'}",
            )
    return Reading(event_type, fields, False, mended)


def read_tenant(raw: str | None) -> str:
    """The tenant as it is compared: blank, '0' and missing are the same, ''."""
    tenant = (raw or "").strip()
    return "" if tenant.strip("0") == "" else tenant


def subject_of(reading: Reading) -> tuple[str, str] | None:
    """What the event adds to: ('call', callUuid), ('conversation', conversationID) or None."""
    if reading.is_quarantined or not reading.is_known:
        return None
    if reading.event_type in MESSAGES:
        return "conversation", reading.fields["conversation_id"]
    return "call", reading.fields["call_uuid"]


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


def _read_json(text: str) -> tuple[dict[str, Any], str | None]:
    try:
        found = json.loads(text, strict=False)
        return (found, None) if isinstance(found, dict) else ({}, None)
    except (ValueError, RecursionError):
        pass
    start = re.search(r'"messageText"\s*:\s*"', text, re.IGNORECASE)
    head, tail = (text[: start.start()], text[start.end() :]) if start else (text, "")
    raw: dict[str, Any] = {key: value for key, value in KNOWN_PAIR.findall(head)}
    if start:
        end = tail.rfind('"}')
        end = end if end >= 0 else tail.rfind('"')
        raw["messageText"] = (
            tail[: end if end >= 0 else len(tail)]
            .replace("\\n", "\n")
            .replace("\\'", "'")
            .replace('\\"', '"')
        )
    return raw, "recovered: the JSON was broken" if raw else None


def _read_form(text: str) -> dict[str, str]:
    raw: dict[str, str] = {}
    last = ""
    for part in text.split("&"):
        key, equals, value = part.partition("=")
        name = _decode(key)
        if not equals or name.lower().replace("_", "") not in ALIASES:
            if last:
                raw[last] += "&" + _decode(part)
            continue
        if name not in raw:
            raw[name] = _decode(value)
            last = name
    return raw


def _decode(value: str) -> str:
    return unquote_to_bytes(value.replace("+", " ")).decode("utf-8", errors="replace")
