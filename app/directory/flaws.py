"""What is wrong with a phone field as the PMS keeps it, told with the client it stands with. Pure.

Storing clients asks it; the hygiene report shows what it found.
"""

import re
from collections.abc import Sequence

from ..connectors.base import Phone
from ..numbers import Number

UNREADABLE, SHORT, LABELLED = "unreadable", "short", "labelled"
LONGEST_RAW = 120
"""Characters kept of a field."""
MOST_KEPT = 20
"""How many fields of a client are kept."""
FEWEST_DIGITS = 7
"""A field with fewer holds no number at all, not even one that lacks its area code."""
WHOLE_DIGITS = 10
NO_LABEL = re.compile(r"[\s\d().+/:-]*")
Flaw = dict[str, str]


def find_flaw(phone: Phone, read: Sequence[Number]) -> Flaw | None:
    """What is wrong with the field `phone`, of which `read` (those with an E.164) was read.

    `kind` is 'unreadable', 'short' (a number without its area code) or 'labelled' (readable, with
    words among the digits); `raw` is the field, `label` its label in the PMS.
    """
    if not phone.number.strip():
        return None
    if read:
        words = any(not NO_LABEL.fullmatch(number.label) for number in read)
        return _flaw(LABELLED, phone) if words else None
    is_short = FEWEST_DIGITS <= _count_digits(phone) < WHOLE_DIGITS
    return _flaw(SHORT if is_short else UNREADABLE, phone)


def may_hold_number(phone: Phone) -> bool:
    """Whether the field has digits enough for a number, if only one without its area code."""
    return _count_digits(phone) >= FEWEST_DIGITS


def _count_digits(phone: Phone) -> int:
    return sum(map(str.isdigit, phone.number))


def _flaw(kind: str, phone: Phone) -> Flaw:
    return {"kind": kind, "raw": phone.number.strip()[:LONGEST_RAW], "label": phone.label}
