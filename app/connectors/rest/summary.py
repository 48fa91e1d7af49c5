"""What a description comes to: what it asks for, what it can do, which requests it makes."""

from collections.abc import Iterator

from jinja2 import TemplateSyntaxError, meta

from ...toml_reading import Place
from ..base import Capabilities, Rate, Setting, SettingType
from .description import Description
from .filling import VARIABLES, in_texts
from .requests import Request


def settings_of(described: Description) -> tuple[Setting, ...]:
    """What `ringnote connect` asks for."""
    asked = [(described.settings, False), (described.secrets, True)]
    return tuple(
        Setting(
            name,
            each.help,
            is_secret,
            each.required and not each.default,
            each.default,
            type=SettingType[each.type.upper()],
        )
        for table, is_secret in asked
        for name, each in table.items()
    )


def capabilities_of(described: Description) -> Capabilities:
    """What the PMS can do, by what is described of it."""
    creates = [each for each in (described.create_note, described.create_task) if each]
    finds = described.find_note and (described.find_task or not described.create_task)
    return Capabilities(
        search_by_phone=bool(described.find_clients),
        delta_sync=bool(described.changed_clients),
        update_note=bool(described.update_note),
        read_notes=bool(described.get_note),
        delete_note=bool(described.delete_note),
        tasks=bool(described.create_task),
        read_tasks=bool(described.get_task),
        delete_task=bool(described.delete_task),
        reopen_task=bool(described.reopen_task),
        idempotency_key=all("idempotency_key" in names_of(each) for each in creates),
        find_by_reference=bool(finds),
        create_client=bool(described.create_client),
        reference_lag_seconds=float(described.limits.reference_lag_seconds),
        max_title=described.limits.title,
        max_body=described.limits.body,
        rates=tuple(
            Rate(each.requests, each.seconds, each.name) for each in described.limits.rates
        ),
    )


def requests_of(described: Description) -> Iterator[tuple[Place, Request]]:
    """Each request that is described, with its place."""
    for name in VARIABLES:
        found = getattr(described, name)
        if isinstance(found, Request):
            yield (name,), found
        elif isinstance(found, list):
            yield from (((name, number), each) for number, each in enumerate(found))


def templates_of(request: Request) -> Iterator[tuple[Place, str]]:
    """Each template of a request, with its place within it."""
    yield ("path",), request.path
    for table in ("query", "headers", "form"):
        yield from (((table, name), each) for name, each in getattr(request, table).items())
    if request.body:
        yield ("body",), request.body
    if read := getattr(request, "read", ""):
        yield ("read",), read
    for number, each in enumerate(getattr(request, "spellings", ())):
        yield ("spellings", number), each


def names_of(request: Request) -> set[str]:
    """The variables that a request uses."""
    return {name for _, source in templates_of(request) for name in names_in(source)}


def names_in(source: str) -> set[str]:
    """The variables that a template uses; none of one that is no template."""
    try:
        return meta.find_undeclared_variables(in_texts().parse(source))
    except TemplateSyntaxError:
        return set()
