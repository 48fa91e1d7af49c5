"""The two encodings of a webhook's body, and what templates do to them. Used by parse alone.

Both readers take the body as text and a function that knows a key's field, and never raise. Their
patterns are written so that time grows with the length of the body, whatever stands in it.
"""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from .facts import FREE_TEXT, NUMBER_FIELDS

Field = Callable[[str], str | None]

RECOVERED = "recovered: its JSON was broken, as when a text is pasted into a template"
PAIR = re.compile(
    r'"([A-Za-z_-]+)"\s*:\s*(?:"((?:[^"\\]|\\.)*)"|([+-]?[0-9][0-9.]*|\$?\{{1,2}[\w .]+\}{1,2}))',
    re.DOTALL,
)
"""A key and its value, in quotes or pasted without them (a number, or a placeholder)."""
TEXT_BEGINS = re.compile(r'"message[_-]?text"\s*:\s*"', re.IGNORECASE)
LATER_PAIR = re.compile(r'"\s*+,\s*+"([A-Za-z_-]++)"\s*+:\s*+"([^"\\]*+)(?=")')
"""From the quote that closes the value before to the one that closes its own."""
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"} | {
    sign: sign for sign in "\"'\\/"
}
FEWEST_DIGITS = 7
"""A number with fewer is an extension or a short code: no `+` stood before it."""


class _Twice(ValueError):
    """A key stands twice: somebody's text closed its quotes and went on with keys of its own."""


def read_json(text: str, field: Field) -> tuple[dict[str, Any], str | None]:
    """The keys and values of a JSON object, and what had to be mended."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [field(key) or key for key, _ in pairs]
        if len(names) != len(set(names)):
            raise _Twice
        return dict(pairs)

    try:
        found = json.loads(text, strict=False, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raw = _recover(text, field)
        return raw, RECOVERED if raw else None
    return (found, None) if isinstance(found, dict) else ({}, None)


def _recover(text: str, field: Field) -> dict[str, Any]:
    begins = TEXT_BEGINS.search(text)
    head = text[: begins.start()] if begins else text
    # What stands before the text is the template's own; a key inside the text is not believed.
    raw: dict[str, Any] = {}
    for key, value, bare in PAIR.findall(head):
        if field(key):
            raw.setdefault(key, bare or _unescape(value))
    if begins:
        rest, later = _part_text(text[begins.end() :], raw, field)
        raw |= later | {"messageText": _unescape(rest)}
    return raw


def _part_text(rest: str, raw: dict[str, Any], field: Field) -> tuple[str, dict[str, str]]:
    """The text, and the pairs that the template has behind it."""
    closed = rest.rstrip("]} \t\r\n")
    if not closed.endswith('"'):
        # The body was cut off; all that there is belongs to the text.
        return rest, {}
    ends = len(closed) - 1
    known = {field(key) for key in raw}
    later: dict[str, str] = {}
    if "conversation_id" not in known:
        # In this template the text does not come last.
        for pair in reversed(list(LATER_PAIR.finditer(closed))):
            name = field(pair[1])
            if pair.end() != ends or name is None or name in known:
                break
            known.add(name)
            later[pair[1]] = pair[2]
            ends = pair.start()
    return closed[:ends], later


def _unescape(text: str) -> str:
    def plain(found: re.Match[str]) -> str:
        what = found[1]
        return chr(int(what[1:], 16)) if len(what) == 5 else ESCAPES.get(what, found[0])

    # Two escapes of one character (an emoji, say) are a pair of surrogates.
    joined = ESCAPE.sub(plain, text).encode("utf-16-le", "surrogatepass")
    return joined.decode("utf-16-le", "replace")


def read_form(text: str, field: Field) -> dict[str, str]:
    """The keys and values of urlencoded data, an unescaped `&` glued back where it was."""
    raw: dict[str, list[str]] = {}
    parts: list[str] = []
    before: str | None = None
    for part in text.split("&"):
        key, equals, value = part.partition("=")
        name = _decode(key) if equals else ""
        if equals and (known := field(name)):
            before = None if name in raw else known
            parts = raw.setdefault(name, [value])
        elif _is_stray(before, name):
            parts.append(part)
        elif equals:
            before = None
    return {
        name: (_with_plus if field(name) in NUMBER_FIELDS else _decode)("&".join(parts))
        for name, parts in raw.items()
    }


def _is_stray(before: str | None, key: str) -> bool:
    """Whether what follows a field belongs to its value: it has no key, or none that is one.

    A text is the last of its body, so there all that no field claims is its own.
    """
    return before == "text" or (before in FREE_TEXT and not key.isidentifier())


def _with_plus(value: str) -> str:
    """A number whose `+` was not escaped, and so would be read as a space."""
    plain = _decode(value)
    has_plus = value.startswith("+") and plain[1:2].isdigit()
    if has_plus and sum(map(str.isdigit, plain)) >= FEWEST_DIGITS:
        return f"+{plain[1:]}"
    return plain


def _decode(value: str) -> str:
    if "%" not in value:
        return value.replace("+", " ")
    return unquote_to_bytes(value.replace("+", " ")).decode("utf-8", errors="replace")
