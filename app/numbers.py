"""Phone numbers: reading them by the clinic's region, telling what they are, masking them for logs."""

from dataclasses import dataclass
from enum import StrEnum


class NumberKind(StrEnum):
    """What a caller's or callee's number is."""

    PHONE = "phone"
    WITHHELD = "withheld"
    EXTENSION = "extension"
    """2 to 6 digits: an extension, or a short code for texts."""
    STAR_CODE = "star_code"
    EMERGENCY = "emergency"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Number:
    """A number as read. `e164` and `national` are '' unless `kind` is PHONE."""

    kind: NumberKind
    raw: str
    e164: str = ""
    national: str = ""
    extension: str = ""
    """What stood behind the number as an extension suffix."""
