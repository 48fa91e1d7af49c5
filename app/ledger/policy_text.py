"""A policy as one TOML file: every setting with its value and what it means. Pure.

What is written here can be edited and read again by `policy_reading`.
"""

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .rules import Rules

WIDTH = 100
BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
EXAMPLES = {
    "people": ('"101" = "amy"',),
    "roles": ('reception = "front-desk"',),
    "names.queues": ('"700" = "Reception"',),
    "names.ring_groups": ('"600" = "Front desk"',),
    "names.extensions": ('"101" = "Amy"',),
    "names.lines": ('"+1 212 555 0100" = "Main line"',),
    "hours.holidays": (
        "[[hours.holidays]]",
        'name = "Christmas"',
        'date = "12-25"          # every year; or one day: date = 2026-12-25',
        'until = "12-26"         # the last day, if it is more than one',
        'open = ["09:00-12:00"]  # closed all day without this',
    ),
    "cases": (
        "[[cases]]",
        'name = "Emergencies at night"',
        "note = true",
        "callback = true",
        'priority = "urgent"',
        "due_minutes = 15",
        'assignee = ["role:reception"]',
        "[cases.when]             # any of these may be left out",
        'directions = ["inbound"]',
        'outcomes = ["missed", "voicemail"]',
        'lines = ["+1 212 555 0100"]',
        'queues = ["700"]',
        'ring_groups = ["600"]',
        'extensions = ["101"]',
        'hours = "closed"',
    ),
}
"""What is shown, commented out, where a clinic has none."""
CASES = "Cases of their own: the first that fits a call decides what it names, all else stays."


def write_policy(
    rules: Rules, heading: Sequence[str] = (), defaults: Mapping[str, str] | None = None
) -> str:
    """The whole policy as TOML, with comments. `defaults` are Ringnote's own templates by place,
    such as 'words.call.title', to be shown where a clinic has none of its own."""
    lines = [f"# {line}".rstrip() for line in heading]
    lines += _table("", rules, defaults or {})
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def toml_value(value: Any) -> str:
    """A value as TOML writes it; several lines as a literal block where that can be."""
    if isinstance(value, str) and "\n" in value and _can_be_block(value):
        return f"'''\n{value}'''"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _table(place: str, section: BaseModel, defaults: Mapping[str, str]) -> Iterator[str]:
    """The settings of one table, then the tables below it."""
    below: list[tuple[str, Any, FieldInfo]] = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        where = f"{place}.{name}" if place else name
        if isinstance(value, BaseModel | dict) or where in EXAMPLES:
            below.append((where, value, field))
        elif value is not None:
            yield from _comment(field, defaults.get(where, "") if value == "" else "")
            yield f"{name} = {toml_value(value)}"
    for where, value, field in below:
        yield from _below(where, value, field, defaults)


def _below(where: str, value: Any, field: FieldInfo, defaults: Mapping[str, str]) -> Iterator[str]:
    yield ""
    if isinstance(value, list):
        yield from (f"# {line}" for line in wrap(CASES if where == "cases" else "", WIDTH - 2))
        for each in value:
            yield f"[[{where}]]"
            yield from _item(where, each)
        if not value:
            yield from (f"# {line}" for line in EXAMPLES[where])
    elif isinstance(value, dict):
        yield from _comment(field)
        yield f"[{where}]"
        yield from (f"{_key(name)} = {toml_value(each)}" for name, each in value.items())
        if not value:
            yield from (f"# {line}" for line in EXAMPLES.get(where, ()))
    else:
        yield from _words(inspect.cleandoc(type(value).__doc__ or ""))
        yield f"[{where}]"
        yield from _table(where, value, defaults)


def _item(where: str, item: BaseModel) -> Iterator[str]:
    """One table of a list of them: only what it says, since all else is left as it is."""
    said = item.model_dump(mode="json", exclude_defaults=True)
    tables = {name: each for name, each in said.items() if isinstance(each, dict)}
    yield from (f"{name} = {toml_value(each)}" for name, each in said.items() if name not in tables)
    for name, table in tables.items():
        yield f"[{where}.{name}]"
        yield from (f"{key} = {toml_value(each)}" for key, each in table.items())


def _comment(field: FieldInfo, own_words: str = "") -> Iterator[str]:
    choices = list(_choices(field.annotation))
    says = inspect.cleandoc(field.description or "")
    if choices:
        how_many = "Any" if get_origin(field.annotation) is list else "One"
        says = f"{says} {how_many} of: {', '.join(map(toml_value, choices))}.".strip()
    if says or own_words:
        yield ""
    yield from _words(says)
    if own_words:
        yield "# Ringnote's own, to begin with:"
        yield from (f"#   {line}".rstrip() for line in own_words.splitlines())


def _words(text: str) -> Iterator[str]:
    return (f"# {line}" for line in wrap(" ".join(text.split()), WIDTH - 2))


def _choices(kind: Any) -> Iterator[str]:
    """The words that a setting, or each of its list, can be."""
    origin = get_origin(kind)
    if origin is Literal:
        for each in get_args(kind):
            yield from [each] if isinstance(each, str) else _choices(each)
    elif origin in (list, UnionType, Annotated):
        yield from _choices(get_args(kind)[0])


def _key(name: str) -> str:
    return name if set(name) <= BARE else toml_value(name)


def _can_be_block(text: str) -> bool:
    return "'''" not in text and all(each.isprintable() or each in "\n\t" for each in text)
