"""What a description must make sense of beyond its form, and what it comes to."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment
from jmespath.exceptions import JMESPathError

from ...errors import RecordRejected
from ...templating import find_template_faults
from ...toml_reading import Place, suggest
from .answers import compile_path, is_timezone
from .description import Auth, Description, Errors
from .filling import NUMBER, VARIABLES, fill_body, fill_text, in_bodies, in_paths, in_texts
from .requests import Find, Listing, Reading, Request
from .summary import names_in, names_of, requests_of, templates_of

AUTH = {
    "bearer": (("token",), ()),
    "basic": (("username",), ("password",)),
    "header": (("header", "value"), ()),
    "oauth2": (("token_url", "client_id", "client_secret"), ("scope",)),
    "none": ((), ()),
}
"""The keys that each kind must have, and those that it may."""
SECRET = ("token", "password", "value", "client_secret")
RESERVED = frozenset().union(*VARIABLES.values()) | {"file", "timezone", "loop"}
PATHS = frozenset({"items", "id", "text", "account", "note_title", "note_body"}) | frozenset(
    {"is_done", "is_gone", "closed_at", "closed_by", "expect", "record"}
)
"""The keys of requests that are JMESPaths."""
PLACES = {"path": in_paths, "read": in_paths, "body": in_bodies}
"""What templates in some places are filled in by."""
SAMPLE = 'Call "back"\nMia\'s <ears>'
AT = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
SAMPLES: dict[str, Any] = dict.fromkeys(RESERVED, SAMPLE) | {
    **dict.fromkeys(("id", "client", "digits", "national", "assignee"), "17"),
    **dict.fromkeys(("page", "offset", "size"), 1),
    **dict.fromkeys(("occurred_at", "due_at", "since"), AT),
    **dict.fromkeys(("is_transcript", "is_done"), False),
    "priority": "normal",
    "timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A fault at a place; within a text of several lines, at one of them (from 1)."""

    place: Place
    message: str
    line_within: int = 0


def find_faults(described: Description, *, is_whole: bool = True) -> Iterator[Told]:
    """Everything for which this description cannot be used. Where it is not the whole file, whose
    form has faults, nothing is told of what may be missing."""
    asked = {**described.settings, **described.secrets}
    yield from _of_names(described)
    yield from _of_auth(described.auth, asked, described.secrets)
    yield from _of_text(("base_url",), described.base_url, asked)
    yield from _of_timezone(described, asked)
    yield from _of_rates(described)
    yield from _of_errors(described.errors)
    for name, source in described.headers.items():
        yield from _of_text(("headers", name), source, asked)
    for place, request in requests_of(described):
        yield from _of_request(place, request, {*asked, *VARIABLES[str(place[0])], "timezone"})
    tables = {"client": described.client, "errors": described.errors}
    for name, table in tables.items():
        for key, path in table:
            if isinstance(path, str):
                yield from _of_path((name, key), path)
    if is_whole:
        yield from _of_whole(described)
        yield from _of_unused(described, asked)


def _of_names(described: Description) -> Iterator[Told]:
    for table in ("settings", "secrets"):
        for name in getattr(described, table):
            if name in RESERVED:
                yield Told((table, name), f'"{name}" has a meaning of its own; call it otherwise')
            elif table == "secrets" and name in described.settings:
                yield Told((table, name), f'"{name}" is a setting already')
            elif table == "secrets" and described.secrets[name].default:
                yield Told((table, name), "has no default: no secret is kept here")


def _of_auth(auth: Auth, asked: Collection[str], secrets: Collection[str]) -> Iterator[Told]:
    must, may = AUTH[auth.kind]
    for key, value in auth:
        place: Place = ("auth", key)
        if key == "kind":
            continue
        if value and key not in (*must, *may):
            yield Told(place, f"is no key of {auth.kind}")
        elif not value and key in must:
            yield Told(("auth",), f"{auth.kind} needs {key}")
        elif value:
            yield from _of_text(place, value, asked)
            is_secret = key in SECRET or (key == "username" and not auth.password)
            if is_secret and not names_in(value) & set(secrets):
                said = "must be put together from [secrets], such as {{ token }}: none is kept here"
                yield Told(place, said)
    if auth.kind == "header" and not re.fullmatch(r"[A-Za-z0-9-]+", auth.header or "x"):
        yield Told(("auth", "header"), "is no name of a header")


def _of_timezone(described: Description, asked: Collection[str]) -> Iterator[Told]:
    yield from _of_text(("timezone",), described.timezone, asked)
    if "{" not in described.timezone and not is_timezone(described.timezone):
        yield Told(("timezone",), f'"{described.timezone}" is no time zone')


def _of_errors(errors: Errors) -> Iterator[Told]:
    if errors.codes and not errors.code:
        yield Told(("errors", "codes"), "are of no use without code: where they are in an answer")


def _of_rates(described: Description) -> Iterator[Told]:
    names = [each.name for each in described.limits.rates]
    for name in sorted({each for each in names if names.count(each) > 1}):
        yield Told(("limits", "rates"), f'there are several by the name "{name}"')
    used = set()
    for place, request in requests_of(described):
        if isinstance(request, Reading) and request.rate:
            used.add(request.rate)
            if request.rate not in names:
                said = f'no rate in limits.rates is called "{request.rate}"'
                yield Told((*place, "rate"), said + suggest(request.rate, filter(None, names)))
    for name in sorted({*names} - used - {""}):
        yield Told(("limits", "rates"), f'no request is of the rate "{name}"')


def _of_request(place: Place, request: Request, known: Collection[str]) -> Iterator[Told]:
    if not request.path.startswith("/"):
        yield Told((*place, "path"), "must begin with /; what stands before it is base_url")
    if getattr(request, "read", "/")[:1] not in ("", "/"):
        yield Told((*place, "read"), "must begin with /; what stands before it is base_url")
    if getattr(request, "read", "") and not request.body:
        yield Told((*place, "read"), "is of no use without body: what changes in the record")
    if request.body and request.form:
        yield Told((*place, "form"), "stands beside body; a request has one of them")
    spelled = {*known} - {"phone"}
    for within, source in templates_of(request):
        there = PLACES.get(str(within[0]), in_texts)
        faults = list(
            _of_template(
                (*place, *within), source, spelled if within[0] == "spellings" else known, there()
            )
        )
        yield from faults
        if within[0] == "body" and not faults and (said := _find_body_fault(source, known)):
            yield Told((*place, *within), said)
    for key in sorted(PATHS):
        if path := getattr(request, key, ""):
            yield from _of_path((*place, key), path)
    if isinstance(request, Listing):
        yield from _of_paging(place, request)


def _of_paging(place: Place, request: Listing) -> Iterator[Told]:
    paging = request.paging
    if paging is None:
        return
    if paging.kind in ("cursor", "next_url"):
        if not paging.next:
            yield Told((*place, "paging"), f"{paging.kind} needs next: where it is in an answer")
        else:
            yield from _of_path((*place, "paging", "next"), paging.next)
    if paging.kind in ("page", "offset", "cursor") and paging.kind not in names_of(request):
        said = f"is by {paging.kind}, but {{{{ {paging.kind} }}}} stands nowhere in the request"
        yield Told((*place, "paging"), said)


def _of_whole(described: Description) -> Iterator[Told]:
    if not described.list_clients and not described.changed_clients:
        yield Told((), "list_clients or changed_clients is needed, to know the PMS's clients by")
    if described.changed_clients:
        if "since" not in names_of(described.changed_clients):
            yield Told(("changed_clients",), "{{ since }} stands nowhere in the request")
        if not described.client.updated_at:
            yield Told(("client",), "changed_clients needs updated_at here")
    tasks = ("update_task", "complete_task", "reopen_task", "get_task", "delete_task", "find_task")
    for name in tasks:
        if getattr(described, name) and not described.create_task:
            yield Told((name,), "is of no use without create_task")
    for name in ("update_task", "complete_task") if described.create_task else ():
        if not getattr(described, name):
            yield Told(("create_task",), f"needs {name} beside it")
    if described.create_task and bool(described.find_note) != bool(described.find_task):
        name = "find_note" if described.find_note else "find_task"
        yield Told((name,), "needs its like beside it: find_note and find_task")
    for name in ("find_note", "find_task"):
        find = getattr(described, name)
        if isinstance(find, Find) and not find.text and "reference" not in names_of(find):
            yield Told((name,), "neither asks for {{ reference }} nor says by text where it stands")
    if described.create_client and not names_of(described.create_client) & NUMBER:
        yield Told(("create_client",), "gives the new client no {{ number }}")


def _of_unused(described: Description, asked: Collection[str]) -> Iterator[Told]:
    texts = [described.base_url, described.timezone, *described.headers.values()]
    texts += [value for key, value in described.auth if key != "kind"]
    used = {name for source in texts for name in names_in(source)}
    used |= {name for _, request in requests_of(described) for name in names_of(request)}
    for table in ("settings", "secrets"):
        for name in getattr(described, table):
            if name not in used:
                near = suggest(name, used - set(asked))
                yield Told(
                    (table, name), f"is asked for, but {{{{ {name} }}}} stands nowhere{near}"
                )


def _of_text(place: Place, source: str, known: Collection[str]) -> Iterator[Told]:
    return _of_template(place, source, {*known, "timezone"}, in_texts())


def _of_template(
    place: Place, source: str, known: Collection[str], there: ImmutableSandboxedEnvironment
) -> Iterator[Told]:
    found = False
    for line, said in find_template_faults(there, source, known, {}):
        found = True
        yield Told(place, said, line)
    if not found and there is not in_bodies():
        try:
            fill_text(source, _samples(known))
        except RecordRejected as error:
            yield Told(place, f"tried with invented values, {error}")


def _find_body_fault(source: str, known: Collection[str]) -> str:
    try:
        fill_body(source, _samples(known))
    except RecordRejected:
        return "comes to no JSON with invented values: {{ … }} brings its own quotes, if it has any"
    return ""


def _samples(known: Collection[str]) -> dict[str, Any]:
    return {name: SAMPLES.get(name, "17") for name in known}


def _of_path(place: Place, path: str) -> Iterator[Told]:
    if not path:
        return
    try:
        compile_path(path)
    except (JMESPathError, ValueError):
        yield Told(place, f"{path} is no JMESPath; quote a key that has a - in it: '\"a-b\"'")
