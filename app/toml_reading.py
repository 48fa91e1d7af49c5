"""Reading a TOML file that people write: what it says, or every fault with its line. Pure.

A model of pydantic says what may stand in it; policies and descriptions of a PMS are read so.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

LARGEST = 256 * 1024
"""Characters of a file."""
MOST_ROUNDS = 4
"""So often what is wrong is taken out, and then what cannot be without it."""
HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
KEY = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*[A-Za-z0-9_"'-]+)*)\s*=""")
AT_LINE = re.compile(r"\(at line (\d+), column \d+\)|\(at end of document\)")

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[str | int, ...]
"""Keys and places in lists (from 0), from the outside in."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a file, or worth a second look; in words."""

    place: Place
    message: str
    line: int | None = None

    def __str__(self) -> str:
        where = [f"line {self.line}"] if self.line else []
        where += [name_place(self.place)] if self.place else []
        return f"{', '.join(where)}: {self.message}" if where else self.message


class Lines:
    """Where each setting of a TOML file stands."""

    def __init__(self, text: str) -> None:
        self._found: dict[Place, int] = {}
        self._counts: dict[Place, int] = {}
        table: Place = ()
        fence = ""
        for number, line in enumerate(text.splitlines(), start=1):
            if fence:
                fence = "" if fence in line else fence
                continue
            if header := HEADER.match(line):
                table = self._enter(_split(header[2]), is_list=header[1] == "[[")
                self._found.setdefault(table, number)
            elif key := KEY.match(line):
                self._found.setdefault(table + _split(key[1]), number)
                rest = line[key.end() :].strip()
                mark = rest[:3]
                fence = mark if mark in ('"""', "'''") and mark not in rest[3:] else ""

    def find(self, place: Place) -> int | None:
        """The line of a setting, else of the nearest thing around it; None if there is none."""
        for length in range(len(place), 0, -1):
            if line := self._found.get(place[:length]):
                return line
        return None

    def _enter(self, names: Place, *, is_list: bool) -> Place:
        table: Place = ()
        for depth, name in enumerate(names):
            table += (name,)
            if is_list and depth == len(names) - 1:
                self._counts[table] = self._counts.get(table, -1) + 1
                table += (self._counts[table],)
            elif table in self._counts:
                table += (self._counts[table],)
        return table


def read_toml(text: str, kind: type[Model]) -> tuple[Model | None, list[Fault]]:
    """What a file says, with every fault of its form.

    Where a part is wrong, it is what the rest says; None where nothing could be read.
    """
    if len(text) > LARGEST:
        return None, [Fault((), f"the file has over {LARGEST} characters; it cannot be meant")]
    try:
        said = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return None, [_no_toml(error, text)]
    found, faults = _validate(said, kind)
    return found, locate(faults, Lines(text))


def locate(faults: Iterable[Fault], lines: Lines) -> list[Fault]:
    """These faults with the lines at which they stand, in their order."""
    found = [Fault(each.place, each.message, lines.find(each.place)) for each in faults]
    return sorted(found, key=lambda each: each.line or 0)


def name_place(place: Place) -> str:
    """A place as people find it: 'callbacks.due_minutes', 'cases 2, when.hours'."""
    told = ""
    for each in place:
        if isinstance(each, int):
            told += f" {each + 1}"
        else:
            told += ("." if told and not told[-1].isdigit() else ", " if told else "") + each
    return told


def suggest(wrong: object, known: Iterable[str]) -> str:
    """'; did you mean …?' for a word that is close to one of those there are, or ''."""
    close = get_close_matches(str(wrong).casefold(), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _validate(said: dict[str, Any], kind: type[Model]) -> tuple[Model | None, list[Fault]]:
    try:
        return kind.model_validate(said), []
    except ValidationError as error:
        errors = error.errors(include_url=False)
    faults = [_in_words(each, kind) for each in errors]
    rest = deepcopy(said)
    for _ in range(MOST_ROUNDS):
        # From the back, so that what is left of a list keeps its places until it is its turn.
        for each in sorted(errors, key=lambda each: _sortable(each["loc"]), reverse=True):
            place = each["loc"]
            _take_out(rest, place[:-1] if each["type"] == "missing" else place)
        try:
            return kind.model_validate(rest), faults
        except ValidationError as error:
            # What was taken out was needed by what is around it, which goes as well.
            errors = error.errors(include_url=False)
    return None, faults


def _no_toml(error: Exception, text: str) -> Fault:
    said = str(error)
    found = AT_LINE.search(said)
    line = int(found[1]) if found and found[1] else max(len(text.splitlines()), 1)
    what = AT_LINE.sub("", said).strip() or "it is nested too deeply"
    return Fault((), f"this is no TOML: {what[0].lower()}{what[1:]}", line)


def _in_words(error: Mapping[str, Any], kind: type[BaseModel]) -> Fault:
    place = tuple(error["loc"])
    # A bad key of a table has a mark behind it.
    key = place[-1:] == ("[key]",)
    return Fault(place[:-1] if key else place, _message(error, place, kind))


def _message(error: Mapping[str, Any], place: Place, kind: type[BaseModel]) -> str:
    given, limits = error["input"], error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            known = _known_keys(place[:-1], kind)
            return f"there is no such setting{suggest(place[-1], known)}"
        case "missing":
            return "is missing"
        case "literal_error":
            words = list(_literals(_kind_at(place, kind)))
            choices = ", ".join(words) or limits.get("expected", "")
            return f"{_shown(given)} is none of: {choices}{suggest(given, words)}"
        case "value_error":
            return str(limits["error"])
        case "string_pattern_mismatch":
            return f"{_shown(given)} is not written as this must be"
        case "bool_type":
            return f"must be true or false, not {_shown(given)}"
        case "int_type" | "float_type":
            return f"must be a whole number, not {_shown(given)}"
        case "greater_than_equal":
            return f"must be at least {limits['ge']}, not {given}"
        case "less_than_equal":
            return f"must be at most {limits['le']}, not {given}"
        case "string_too_short":
            return "must not be empty" if not given else f"is shorter than {limits['min_length']}"
        case "string_too_long":
            return f"is longer than {limits['max_length']} characters"
        case "list_type":
            return f'must be a list, such as ["…"], not {_shown(given)}'
        case "string_type":
            return f'must be a text, such as "…", not {_shown(given)}'
        case "dict_type" | "model_type" | "model_attributes_type":
            return "must be a table of settings"
        case _:
            return str(error["msg"])


def _shown(given: Any) -> str:
    said = repr(given) if not isinstance(given, str) else f'"{given}"'
    return said if len(said) <= 60 else f"{said[:57]}…"


def _known_keys(place: Place, whole: type[BaseModel]) -> Sequence[str]:
    kind = _kind_at(place, whole)
    is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
    return list(kind.model_fields) if is_model else []


def _literals(kind: Any) -> Iterable[str]:
    if get_origin(kind) is Literal:
        for each in get_args(kind):
            yield from [each] if isinstance(each, str) else _literals(each)


def _kind_at(place: Place, whole: type[BaseModel]) -> Any:
    """The type that is wanted at a place of the file."""
    kind: Any = whole
    for each in place:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(str(each))
            kind = field.annotation if field else None
        elif get_origin(kind) in (list, dict):
            kind = get_args(kind)[-1]
        while get_origin(kind) in (Annotated, UnionType):
            kind = get_args(kind)[0]
    return kind


def _split(name: str) -> Place:
    """The parts of a dotted key."""
    parts = re.findall(r"\"[^\"]*\"|'[^']*'|[^.\s]+", name)
    return tuple(part.strip("\"'") for part in parts)


def _sortable(place: Place) -> list[tuple[bool, str | int]]:
    return [(isinstance(each, int), each) for each in place]


def _take_out(said: Any, place: Place) -> None:
    if place and place[-1] == "[key]":
        place = place[:-1]
    if not place:
        return
    *way, last = place
    for each in way:
        try:
            said = said[each]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(said, dict):
        said.pop(last, None)
    elif isinstance(said, list) and isinstance(last, int) and last < len(said):
        del said[last]
