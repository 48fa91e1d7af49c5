"""Filling in a request: what its templates are given, and what becomes of them. Pure."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from html import escape
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import phonenumbers
from jinja2 import Template, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ...errors import RecordRejected
from ...templating import FAILURES, make_environment
from .requests import Reading, Request

Variables = Mapping[str, Any]

NUMBER = frozenset({"number", "digits", "national", "formatted"})
PLACE = frozenset({"page", "offset", "size", "cursor"})
NOTE = frozenset({"client", "title", "body", "occurred_at", "reference", "is_transcript"})
TASK = frozenset({"client", "title", "body", "due_at", "reference", "assignee", "priority"})
VARIABLES: dict[str, frozenset[str]] = {
    "check": frozenset(),
    "permissions": frozenset(),
    "find_clients": NUMBER | PLACE | {"phone"},
    "list_clients": PLACE,
    "changed_clients": PLACE | {"since"},
    "create_client": NUMBER | {"name", "idempotency_key"},
    "create_note": NOTE | {"idempotency_key"},
    "update_note": NOTE | {"id"},
    "get_note": frozenset({"id"}),
    "delete_note": frozenset({"id"}),
    "create_task": TASK | {"is_done", "idempotency_key"},
    "update_task": TASK | {"id"},
    "complete_task": frozenset({"id"}),
    "reopen_task": frozenset({"id"}),
    "get_task": frozenset({"id"}),
    "delete_task": frozenset({"id"}),
    "find_note": PLACE | {"client", "reference"},
    "find_task": PLACE | {"client", "reference"},
}
"""What the templates of each table are given, besides settings, secrets and `timezone`."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A request as it is to be sent. `path` is behind the base."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    json: Any
    form: Mapping[str, str] | None
    rate: str
    """By what name the PMS has a rate for it; '' for that of all others."""


def fill(request: Request, given: Variables) -> Filled:
    """The request with these variables. Raises RecordRejected if a template fails."""
    texts = {name: fill_text(each, given) for name, each in request.query.items()}
    return Filled(
        request.method,
        _fill(in_paths(), request.path, given),
        {name: each for name, each in texts.items() if each},
        {name: fill_text(each, given) for name, each in request.headers.items()},
        fill_body(request.body, given) if request.body else None,
        {name: fill_text(each, given) for name, each in request.form.items()} or None,
        request.rate if isinstance(request, Reading) else "",
    )


def fill_body(source: str, given: Variables) -> Any:
    """A template of JSON with these variables, read. Raises RecordRejected if it fails."""
    try:
        return json.loads(_fill(in_bodies(), source, given))
    except ValueError:
        raise RecordRejected(
            "the description of this PMS came to something other than JSON"
        ) from None


def put_into(record: Any, changes: Any) -> Any:
    """A record with these changes: what they leave out stays as it is, within objects too."""
    if not isinstance(record, dict) or not isinstance(changes, dict):
        return changes
    return record | {name: put_into(record.get(name), each) for name, each in changes.items()}


def fill_text(source: str, given: Variables) -> str:
    """A template of a plain text with these variables. Raises RecordRejected if it fails."""
    return _fill(in_texts(), source, given)


def number_forms(number: str) -> dict[str, str]:
    """The variables in NUMBER of a number (E.164)."""
    parsed = phonenumbers.parse(number)
    return {
        "number": number,
        "digits": number.removeprefix("+"),
        "national": phonenumbers.national_significant_number(parsed),
        "formatted": phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL),
    }


@cache
def in_texts() -> ImmutableSandboxedEnvironment:
    """For queries, headers and the like."""
    return make_environment(FILTERS, _text)


@cache
def in_paths() -> ImmutableSandboxedEnvironment:
    """For paths: a value is one part of it, whatever is in it."""
    return make_environment(FILTERS, _path_part)


@cache
def in_bodies() -> ImmutableSandboxedEnvironment:
    """For JSON: a value cannot end the text that it is in."""
    return make_environment(FILTERS, lambda value: json.dumps(_plain(value)))


def _fill(environment: ImmutableSandboxedEnvironment, source: str, given: Variables) -> str:
    try:
        return _compiled(environment, source).render(given)
    except FAILURES as error:
        said = f"the description of this PMS could not be filled in ({type(error).__name__})"
        raise RecordRejected(said) from None


@lru_cache(maxsize=2048)
def _compiled(environment: ImmutableSandboxedEnvironment, source: str) -> Template:
    return environment.from_string(source)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(_plain(value))


def _path_part(value: Any) -> str:
    part = quote(_text(value), safe="")
    if part in (".", ".."):
        # Alone between slashes it would lead elsewhere, and no encoding keeps it from that.
        raise ValueError(part)
    return part


@pass_context
def _date(context: Context, moment: datetime, pattern: str) -> str:
    """A time in the PMS's zone, as `strftime` writes it."""
    return moment.astimezone(ZoneInfo(str(context.get("timezone")))).strftime(pattern)


def _cut(text: str, characters: int) -> str:
    return str(text)[:characters]


def _html(text: str) -> str:
    return "<br>".join(escape(str(text)).splitlines())


FILTERS: Mapping[str, Callable[..., Any]] = {
    "date": _date,
    "epoch": lambda moment: int(moment.timestamp()),
    "epoch_ms": lambda moment: round(moment.timestamp() * 1000),
    "int": int,
    "digits": lambda text: re.sub("[^0-9]", "", str(text)),
    "cut": _cut,
    "html": _html,
}
"""Besides those that all templates have."""
