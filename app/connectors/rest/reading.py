"""Reading a description: what its file says, or every fault of it with its line."""

from collections.abc import Iterable, Iterator

from ...toml_reading import Fault, Lines, locate, read_toml
from .checks import Told, find_faults
from .description import Description


def read_description(text: str) -> tuple[Description | None, list[Fault]]:
    """The description that a file holds, with all its faults by line; None where too much is
    wrong to look further."""
    if "=" not in text:
        return None, [Fault((), "this is no description; give its content, as file=@my-pms.toml")]
    described, faults = read_toml(text, Description)
    if described is None:
        return None, faults
    found = find_faults(described, is_whole=not faults)
    located = _located(found, Lines(text))
    return described, sorted([*faults, *located], key=lambda each: each.line or 0)


def _located(found: Iterable[Told], lines: Lines) -> Iterator[Fault]:
    for each in found:
        [fault] = locate([Fault(each.place, each.message)], lines)
        # A text of several lines begins on the line after its quotes.
        within = each.line_within if fault.line and each.is_block else 0
        yield Fault(fault.place, fault.message, (fault.line or 0) + within or None)
