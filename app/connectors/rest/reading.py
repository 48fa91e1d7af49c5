"""Reading a description: what its file says, or every fault of it with its line."""

from collections.abc import Iterable, Iterator

from ...toml_reading import Fault, Lines, read_toml
from .checks import Told, find_faults
from .description import Description

QUOTES = ("'''", '"""')


def read_description(text: str) -> tuple[Description | None, list[Fault]]:
    """The description that a file holds, with all its faults by line; None where too much is
    wrong to look further."""
    if "=" not in text:
        return None, [Fault((), "this is no description; give its content, as file=@my-pms.toml")]
    described, faults = read_toml(text, Description)
    if described is None:
        return None, faults
    found = find_faults(described, is_whole=not faults)
    located = _located(found, text)
    return described, sorted([*faults, *located], key=lambda each: each.line or 0)


def _located(found: Iterable[Told], text: str) -> Iterator[Fault]:
    lines, rows = Lines(text), text.splitlines()
    for each in found:
        line = lines.find(each.place)
        if line and each.line_within and any(quotes in rows[line - 1] for quotes in QUOTES):
            # A text of several lines begins behind its quotes, or below them.
            line += each.line_within - (not rows[line - 1].rstrip().endswith(QUOTES))
        yield Fault(each.place, each.message, line)
