"""Reading an answer by JMESPath: ids, times, lists and what is true. Pure.

Whatever is not as the description says raises Temporary: nothing is taken for empty that is odd.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from ...errors import Temporary

ODD = "the PMS answered in a form that its description does not know: {what}"
MILLISECONDS = 1e11
"""A stamp that is larger counts milliseconds: in seconds it would be after the year 5000."""

COMPACT = re.compile("[0-9]{8}([0-9]{6})?")
"""A time without signs, such as 20260302143000; no stamp has as many digits."""
FIRST_YEAR = 1900
"""What is before it, such as 0001-01-01, stands for no time at all."""


@lru_cache(maxsize=1024)
def compile_path(path: str) -> ParsedResult:
    """A JMESPath, ready to be used. Raises JMESPathError for one that is none."""
    return jmespath.compile(path)


def look(path: str, told: Any, what: str) -> Any:
    """What is at a path of an answer, None for nothing. `what` is looked for, in a few words."""
    try:
        return compile_path(path).search(told)
    except JMESPathError:
        raise odd(what) from None


def odd(what: str) -> Temporary:
    """The error that `what` is not as it should be."""
    return Temporary(ODD.format(what=what))


def read_text(path: str, told: Any, what: str) -> str:
    """A text or number as text; '' for null, or where no path is given."""
    found = look(path, told, what) if path else None
    if isinstance(found, bool) or not isinstance(found, str | int | float | None):
        raise odd(what)
    return "" if found is None else str(found)


def read_id(path: str, told: Any, what: str) -> str:
    """A text or whole number that is not empty."""
    found = look(path, told, what)
    if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
        raise odd(what)
    return str(found)


def read_list(path: str, told: Any, what: str) -> list[Any]:
    """A list of objects."""
    found = look(path, told, what)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise odd(what)
    return found


def read_texts(path: str, told: Any, what: str) -> list[str]:
    """Texts, from a list of them or from one alone."""
    return [str(each) for each in read_several(path, told, what) if isinstance(each, str)]


def read_several(path: str, told: Any, what: str) -> Sequence[Any]:
    """What is there, as a list: nothing is an empty one, one thing alone a list of it."""
    found = look(path, told, what) if path else None
    if found is None or found == "":
        return []
    return found if isinstance(found, list) else [found]


def is_true(path: str, told: Any, what: str) -> bool:
    """Whether a path finds what is true as JMESPath has it: not false, null or empty."""
    return bool(path) and look(path, told, what) not in (False, None, "", [], {})


def read_moment(path: str, told: Any, zone: str, what: str) -> datetime | None:
    """A time, in UTC; one without a zone is of `zone`. None for nothing."""
    found = look(path, told, what) if path else None
    if found is None or found == "":
        return None
    if isinstance(found, bool):
        raise odd(what)
    try:
        if isinstance(found, str) and COMPACT.fullmatch(found):
            found = f"{found[:8]}T{found[8:] or '000000'}"
        if isinstance(found, int | float) or str(found).isdigit():
            stamp = float(found)
            seconds = stamp / 1000 if stamp > MILLISECONDS else stamp
            return datetime.fromtimestamp(seconds, UTC)
        moment = datetime.fromisoformat(str(found))
        if moment.year < FIRST_YEAR:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise odd(what) from None


def is_timezone(name: str) -> bool:
    """Whether there is a time zone of this name, such as America/New_York."""
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        return False
    return True
