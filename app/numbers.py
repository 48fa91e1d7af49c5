"""Phone numbers: reading them by the clinic's region, telling what they are, masking for logs."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import phonenumbers

WITHHELD_WORDS = frozenset(
    {
        "",
        "anonymous",
        "private",
        "blocked",
        "unknown",
        "restricted",
        "unavailable",
        "withheld",
        "no caller id",
    }
)
WITHHELD_KEYPAD = frozenset({"266696687", "7378742833", "2562533", "8656696", "86282452253"})
"""The same words as keypad digits, which some carriers send; 7378742833 looks like a number."""
EMERGENCY = {
    "US": {"911", "933", "988"},
    "CA": {"911", "933", "988"},
    "GB": {"999", "112"},
    "IE": {"999", "112"},
    "AU": {"000", "112"},
    "NZ": {"111"},
}
EMERGENCY_ELSEWHERE = {"112", "911"}
MAX_LENGTH = 64
"""Nothing longer is a number."""
SPLIT = re.compile(r"[;,/\n|]|\bor\b|\band\b", re.IGNORECASE)
EXTENSION = re.compile(r"(?:;?ext?\.?|x|#|extension)\s*[:=]?\s*(\d{1,6})\s*$", re.IGNORECASE)


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
    label: str = ""
    """What stood before it in its field, e.g. 'Spouse'."""


@lru_cache(maxsize=65536)
def read_number(raw: str, region: str) -> Number:
    """What `raw` is, read as in `region` (ISO country code). Never raises."""
    text = raw.strip()
    lowered = " ".join(text.lower().split())
    digits = "".join(re.findall("[0-9]", text))
    if lowered in WITHHELD_WORDS or lowered.startswith(("anonymous@", "{")):
        return Number(NumberKind.WITHHELD, raw)
    if len(text) > MAX_LENGTH:
        return Number(NumberKind.UNREADABLE, raw)
    if digits.removeprefix("1") in WITHHELD_KEYPAD or digits in WITHHELD_KEYPAD:
        return Number(NumberKind.WITHHELD, raw)
    if text.startswith(("*", "#")):
        return Number(NumberKind.STAR_CODE, raw)
    if text in EMERGENCY.get(region, EMERGENCY_ELSEWHERE):
        return Number(NumberKind.EMERGENCY, raw)
    if digits == text and 2 <= len(digits) <= 6:
        return Number(NumberKind.EXTENSION, raw)
    return _read_phone(raw, text, region)


def _read_phone(raw: str, text: str, region: str) -> Number:
    extension = ""
    if found := EXTENSION.search(text):
        extension, text = found.group(1), text[: found.start()]
    digits = "".join(re.findall("[0-9]", text))
    spellings: list[tuple[str, str | None]] = [(text, region)]
    if not text.lstrip(" (").startswith("+"):
        if digits.startswith("00"):
            spellings.append((f"+{digits[2:]}", None))
        elif digits.startswith("011"):
            spellings.insert(0, (f"+{digits[3:]}", None))
        if len(digits) >= 11:
            spellings.append((f"+{digits}", None))
    for spelling, where in spellings:
        try:
            parsed = phonenumbers.parse(spelling, where)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(parsed):
            return Number(
                NumberKind.PHONE,
                raw,
                phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164),
                phonenumbers.national_significant_number(parsed),
                extension,
            )
    return Number(NumberKind.UNREADABLE, raw)


def read_numbers(field: str, region: str) -> list[Number]:
    """Every number in a field that may hold several, or words beside them."""
    found = []
    for part in SPLIT.split(field):
        label = re.split(r"[(+\d]", part, maxsplit=1)[0].strip(" :-.")
        number = read_number(
            part[len(part.split(label, 1)[0]) + len(label) :] if label else part, region
        )
        if number.kind is NumberKind.PHONE:
            found.append(
                Number(
                    number.kind, part.strip(), number.e164, number.national, number.extension, label
                )
            )
    return found


def mask(number: str) -> str:
    """A number fit for logs: country code and last four digits; nothing of what is no number."""
    if not re.fullmatch(r"\+\d{8,15}", number):
        return "•••••"
    try:
        code = str(phonenumbers.parse(number).country_code)
    except phonenumbers.NumberParseException:
        return "•••••"
    return f"+{code}•••••{number[-4:]}"
