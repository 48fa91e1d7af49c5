"""The templates of entries: Ringnote's own, and a clinic's, held to a small language. Pure."""

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Template

from ..templating import FAILURES, find_template_faults, make_environment

OWN = Path(__file__).with_name("words")
KINDS = ("call", "callback", "transcript", "digest")
LARGEST = 256 * 1024
"""Characters that a clinic's template may come to."""
_environment = lru_cache(maxsize=1)(make_environment)


class WordsError(Exception):
    """A template cannot be used for this one entry; says why, without a word of the entry."""


def find_word_template_faults(
    source: str, known: Collection[str], lists: Mapping[str, Collection[str]]
) -> Iterator[tuple[int, str]]:
    """What is wrong with a clinic's template, each with its line (from 1). For `known` and `lists`
    see `find_template_faults`."""
    return find_template_faults(_environment(), source, known, lists)


def render(source: str, variables: Mapping[str, Any]) -> str:
    """A clinic's template with these variables, without blanks around. Raises WordsError if it
    fails, or comes to nothing or to more than LARGEST."""
    parts, length = [], 0
    try:
        for part in _compiled(source).generate(variables):
            parts.append(part)
            length += len(part)
            if length > LARGEST:
                raise WordsError("it came to more than an entry can hold")
    except FAILURES as error:
        raise WordsError(f"it failed ({type(error).__name__})") from None
    said = "".join(parts).strip()
    if not said:
        raise WordsError("it came to nothing")
    return said


def render_own(kind: str, variables: Mapping[str, Any]) -> str:
    """The body of a 'call', 'callback', 'transcript' or 'digest' in Ringnote's own words."""
    return _compiled(own_template(kind)).render(variables).strip()


@lru_cache(maxsize=8)
def own_template(kind: str) -> str:
    """Ringnote's own template of the body of such an entry."""
    return (OWN / f"{kind}.jinja").read_text()


def own_templates() -> dict[str, str]:
    """Ringnote's own templates by their place in a policy, as a clinic may begin its own with."""
    return {f"words.{kind}.body": own_template(kind) for kind in KINDS}


@lru_cache(maxsize=512)
def _compiled(source: str) -> Template:
    return _environment().from_string(source)
