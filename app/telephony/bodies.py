"""The two encodings of a webhook's body, and what templates do to them. Used by parse alone.

Both readers take the body as text and a function that knows a key's field, and never raise.
"""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from .facts import FREE_TEXT

Field = Callable[[str], str | None]

RECOVERED = "recovered: its JSON was broken, as when a text is pasted into a template"
PAIR = re.compile(r'"([A-Za-z_]+)"\s*:\s*(?:"((?:[^"\\]|\\.)*)"|([0-9]+))')
TEXT_BEGINS = re.compile(r'"message_?text"\s*:\s*"', re.IGNORECASE)
LAST_PAIRS = re.compile(r'"((?:\s*,\s*"[A-Za-z_]+"\s*:\s*"[^"\\]*")+)\s*\}?\s*$')
TAIL = 2000
"""How far from the end of a broken body other keys are looked for."""
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


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
    head, rest = (text[: begins.start()], text[begins.end() :]) if begins else (text, "")
    # What stands before the text is the template's own; a key inside the text is not believed.
    raw: dict[str, Any] = {}
    for key, value, number in PAIR.findall(head):
        if field(key):
            raw.setdefault(key, number or _unescape(value))
    if begins is None:
        return raw
    ends = rest.rfind('"')
    tail = max(0, len(rest) - TAIL)
    last = LAST_PAIRS.search(rest, tail)
    if last and not _names_subject(raw, field):
        # In this template the text does not come last.
        ends = last.start()
        for key, value, _ in PAIR.findall(last.group(1)):
            raw.setdefault(key, _unescape(value))
    raw["messageText"] = _unescape(rest[:ends] if ends >= 0 else rest)
    return raw


def _names_subject(raw: dict[str, Any], field: Field) -> bool:
    return "conversation_id" in {field(key) for key in raw}


def _unescape(text: str) -> str:
    def plain(found: re.Match[str]) -> str:
        what = found.group(1)
        return chr(int(what[1:], 16)) if len(what) == 5 else ESCAPES.get(what, what)

    # Two escapes of one character (an emoji, say) are a pair of surrogates.
    joined = ESCAPE.sub(plain, text).encode("utf-16-le", "surrogatepass")
    return joined.decode("utf-16-le", "replace")


def read_form(text: str, field: Field) -> dict[str, str]:
    """The keys and values of urlencoded data, an unescaped `&` glued back where it was."""
    raw: dict[str, str] = {}
    last = ""
    for part in text.split("&"):
        key, equals, value = part.partition("=")
        name = _decode(key)
        if equals and field(name):
            last = name if name not in raw else ""
            raw.setdefault(name, _decode(value))
        elif last and field(last) in FREE_TEXT and not (equals and name.isidentifier()):
            raw[last] += "&" + _decode(part)
        elif equals:
            last = ""
    return raw


def _decode(value: str) -> str:
    return unquote_to_bytes(value.replace("+", " ")).decode("utf-8", errors="replace")
