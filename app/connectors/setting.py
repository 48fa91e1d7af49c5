"""What a connector asks for: each setting with its type, by which what a person gives is read.

Connectors read what they are given by `read_values`; `ringnote connect` and the console make what
they ask for of the same settings.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from ..errors import ConfigError

MOST = 999_999_999
ADDRESS = re.compile(r"https?://[^@?#\s]+", re.IGNORECASE)
YES = frozenset({"yes", "y", "true", "on", "1"})
NO = frozenset({"no", "n", "false", "off", "0"})
AS_WRITTEN = {"url": "address", "id": "ID", "uid": "UID", "api": "API"}
"""Parts of names, as people write them."""


class SettingType(StrEnum):
    """What a setting's value is; the word is what people are told."""

    TEXT = "text"
    ADDRESS = "web address"
    NUMBER = "whole number"
    YES_NO = "yes or no"
    CHOICE = "one of"
    FILE = "file"
    """Text of many lines, kept whole."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting or secret of a connector, as `ringnote connect` and the console ask for it."""

    name: str
    help: str
    is_secret: bool = False
    is_required: bool = True
    default: str = ""
    tells_account: bool = True
    """Whether another value leads to another account; else it says how the same one is used."""
    type: SettingType = SettingType.TEXT
    choices: tuple[tuple[str, str], ...] = ()
    """Of a CHOICE: each value with what it stands for."""
    least: int = 0
    most: int = MOST
    """Of a NUMBER."""

    @property
    def label(self) -> str:
        """Its name as people write it."""
        words = [AS_WRITTEN.get(each, each) for each in self.name.split("_")]
        return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])

    def read(self, given: str) -> str:
        """What was given, as it is kept: '' for nothing. Raises ValueError, which says what it must
        be and does not repeat what was given."""
        value = given.replace("\r\n", "\n").strip()
        if "\0" in value:
            raise ValueError(f"{self.name} must be text")
        if not value:
            return ""
        match self.type:
            case SettingType.ADDRESS:
                return self._read_address(value)
            case SettingType.NUMBER:
                return self._read_number(value)
            case SettingType.YES_NO:
                return self._read_yes_no(value)
            case SettingType.CHOICE if value not in dict(self.choices):
                raise ValueError(f"{self.name} must be {_one_of(self.choices)}")
        return value

    def _read_address(self, value: str) -> str:
        try:
            parts = urlsplit(value)
            is_address = bool(ADDRESS.fullmatch(value) and parts.hostname and parts.port != 0)
        except ValueError:
            is_address = False
        if not is_address:
            found = ADDRESS.search(self.help)
            example = found[0] if found else self.default or "https://pms.example.com"
            raise ValueError(f"{self.name} must be a web address such as {example}")
        return parts._replace(netloc=parts.netloc.lower()).geturl()

    def _read_number(self, value: str) -> str:
        if not re.fullmatch("[0-9]{1,9}", value) or not self.least <= int(value) <= self.most:
            is_any = (self.least, self.most) == (0, MOST)
            span = "" if is_any else f" from {self.least} to {self.most:,}"
            raise ValueError(f"{self.name} must be a whole number{span}")
        return str(int(value))

    def _read_yes_no(self, value: str) -> str:
        if value.lower() not in YES | NO:
            raise ValueError(f"{self.name} must be yes or no")
        return "yes" if value.lower() in YES else "no"


def read_values(
    settings: Iterable[Setting], given: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """The value of each setting by its name, by default where nothing is given; and all that is
    wrong: what is missing, and what is not of its type, which then stands as it was given."""
    values: dict[str, str] = {}
    faults: list[str] = []
    for each in settings:
        value = given.get(each.name, "")
        try:
            values[each.name] = each.read(value) or each.default
        except ValueError as error:
            values[each.name] = value
            faults.append(str(error))
            continue
        if each.is_required and not values[each.name]:
            faults.append(f"{each.name} is missing ({each.help})")
    return values, faults


def _one_of(choices: Iterable[tuple[str, str]]) -> str:
    *others, last = (value for value, _ in choices)
    return f"{', '.join(others)} or {last}" if others else last


def require_none(faults: Iterable[str], more: Iterable[str] = ()) -> None:
    """Raises ConfigError if there are any faults; of `more`, those of settings that nothing is told
    of before."""
    if told := besides(list(faults), more):
        raise ConfigError(*told)


def besides(faults: Sequence[str], more: Iterable[str]) -> list[str]:
    """All of `faults`, and those of `more` that are of settings that they do not name."""
    told = {named(each) for each in faults}
    return [*faults, *(each for each in more if named(each) not in told)]


def named(fault: str) -> str:
    """The setting that a fault is of: each begins with its name."""
    return fault.split()[0].rstrip(":,")
