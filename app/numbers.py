"""Phone numbers: reading them by the clinic's region, telling what they are, masking for logs."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

import phonenumbers
from phonenumbers import Leniency, PhoneNumber, PhoneNumberMatcher, PhoneNumberType

WITHHELD = re.compile(
    r"(?:anonymous|private|blocked|unknown|restricted|unavailable|withheld|no caller id|null|none)"
    r"(?: (?:name|number|caller|call|id))*"
)
"""In words, as they stand between signs and digits; the last two are what templates make of it."""
WITHHELD_KEYPAD = frozenset({"266696687", "7378742833", "2562533", "8656696", "86282452253"})
"""The same words as keypad digits, which some carriers send; 7378742833 looks like a number."""
WITHHELD_ZEROS = re.compile(r"\+?1?0{7,}")
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
MAX_FIELD = 1000
"""Characters of a field in which numbers are looked for."""
FEWEST_DIGITS = 7
"""Of a number with its country code; with fewer it is an extension or a short code."""
MOST_DIGITS = 15
"""Of an E.164 number. Services of some countries have more, and can be dialled there alone."""
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Marks of writing direction and the like, which come along when a number is copied."""
SIP = re.compile(r"\bsips?:([^@;>\s]+)|^([+*#0-9]+|anonymous)@", re.IGNORECASE)
SPLIT = re.compile(r"[,;](?!\s*e?x)|[\n|&]|\bor\b|\band\b", re.IGNORECASE)
EXTENSION = re.compile(r"(?:ext(?:n|ension)?\.?|x|#)\s*[:=]?\s*([0-9]{1,6})\s*$", re.IGNORECASE)
BEGINS = re.compile(r"\(?[+＋\d]")
BEHIND = re.compile(r"\D+$")
ALONE = re.compile(r"[+(]?[0-9][0-9 ().+-]*[0-9]")
"""A field without words or anything that parts numbers."""
NORTH_AMERICA = frozenset({"US", "CA"})
PLAIN = re.compile(r"(?:\+?1[ .-]?)?\(?([2-9][0-9]{2})\)?[ .-]{0,2}([0-9]{3})[ .-]?([0-9]{4})")
"""How most numbers of North America are written; the library would read no more out of them."""
MATCH_TRIES = 50
"""How often a number is looked for in vain in what holds none at first sight."""
SHOWN_DIGITS = 4


class NumberKind(StrEnum):
    """What a caller's or callee's number is."""

    PHONE = "phone"
    WITHHELD = "withheld"
    EXTENSION = "extension"
    """2 to 6 digits: an extension, or a short code for texts."""
    STAR_CODE = "star_code"
    EMERGENCY = "emergency"
    UNREADABLE = "unreadable"
    """Anything else: a sender of letters, too few digits to call, no number at all."""


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
    """The words beside it in its field, e.g. 'Spouse'."""


def read_number(raw: str, region: str) -> Number:
    """What `raw` is, read as in `region` (ISO country code). Never raises.

    Reading a number's `e164` gives the same number.
    """
    if len(raw) <= MAX_LENGTH:
        return _read(raw, region)
    text = raw.strip()
    if len(text) > MAX_LENGTH:
        return Number(NumberKind.UNREADABLE, raw)
    return replace(_read(text, region), raw=raw)


@lru_cache(maxsize=65536)
def _read(raw: str, region: str) -> Number:
    text = INVISIBLE.sub("", raw).strip()
    if sip := SIP.search(text):
        text = sip[1] or sip[2]
    if _is_withheld(text):
        return Number(NumberKind.WITHHELD, raw)
    if text.startswith(("*", "#")):
        return Number(NumberKind.STAR_CODE, raw)
    if re.sub(r"[\s()+.-]", "", text) in EMERGENCY.get(region, EMERGENCY_ELSEWHERE):
        return Number(NumberKind.EMERGENCY, raw)
    if re.fullmatch(r"\+?[0-9]{2,6}", text):
        return Number(NumberKind.EXTENSION, raw)
    return _read_phone(raw, text, region)


def _is_withheld(text: str) -> bool:
    if not text or text.startswith("{"):
        return True
    digits = "".join(re.findall("[0-9]", text))
    if digits:
        return _is_keypad(digits) or WITHHELD_ZEROS.fullmatch(text) is not None
    words = " ".join(re.findall("[a-z]+", text.lower()))
    return WITHHELD.fullmatch(words) is not None


def _is_keypad(digits: str) -> bool:
    return digits in WITHHELD_KEYPAD or digits.removeprefix("1") in WITHHELD_KEYPAD


def _read_phone(raw: str, text: str, region: str) -> Number:
    if region in NORTH_AMERICA and (plain := PLAIN.fullmatch(text)):
        national = "".join(plain.groups())
        return Number(NumberKind.PHONE, raw, f"+1{national}", national)
    extension = ""
    if found := EXTENSION.search(text):
        extension, text = found[1], text[: found.start()]
    digits = "".join(re.findall("[0-9]", text))
    # Where what + says cannot be, the + was put before a number of the region.
    possible = _parse(_spellings(text, digits, region)) or _parse([(digits, region)])
    if not possible:
        return Number(NumberKind.UNREADABLE, raw)
    # Valid is too strict to ask for, but of several readings the valid one is meant.
    parsed = possible[0] if len(possible) == 1 else max(possible, key=_likelihood)
    e164 = _format(parsed)
    if _is_keypad(e164[1:]):
        return Number(NumberKind.WITHHELD, raw)
    national = phonenumbers.national_significant_number(parsed)
    return Number(NumberKind.PHONE, raw, e164, national, extension or parsed.extension or "")


def _spellings(text: str, digits: str, region: str) -> list[tuple[str, str | None]]:
    """What the text may mean, the likeliest first.

    Letters behind a number are a label before they are keypad letters; without a `+` it may be
    written as dialled abroad, or with the country's code alone.
    """
    cut = BEHIND.sub("", text)
    found: list[tuple[str, str | None]] = [(cut, region)]
    found += [(text, region)] if text != cut else []
    begins = BEGINS.search(text)
    if begins and begins[0][-1] in "+＋":
        return found
    found += [(f"+{digits[len(idd) :]}", None) for idd in ("00", "011") if digits.startswith(idd)]
    return [*found, (f"+{digits}", None)] if len(digits) >= 11 else found


def _parse(spellings: list[tuple[str, str | None]]) -> list[PhoneNumber]:
    found = []
    for spelling, region in spellings:
        try:
            parsed = phonenumbers.parse(spelling, region)
            if _is_possible(parsed):
                found.append(parsed)
        except phonenumbers.NumberParseException:
            continue
    return found


def _is_possible(parsed: PhoneNumber) -> bool:
    """Whether it can be called from anywhere, and its E.164 reads as the same number.

    Without its area code it is possible to dial there, but it is nobody's alone.
    """
    reason = phonenumbers.is_possible_number_with_reason(parsed)
    e164 = _format(parsed)
    return (
        reason == phonenumbers.ValidationResult.IS_POSSIBLE
        and FEWEST_DIGITS <= len(e164[1:]) <= MOST_DIGITS
        and _format(phonenumbers.parse(e164)) == e164
    )


def _format(parsed: PhoneNumber) -> str:
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def _likelihood(parsed: PhoneNumber) -> tuple[bool, bool]:
    """Whether it is valid, and whether people have numbers of its length, as against services."""
    usual = phonenumbers.is_possible_number_for_type(parsed, PhoneNumberType.FIXED_LINE_OR_MOBILE)
    return phonenumbers.is_valid_number(parsed), usual


def read_numbers(field: str, region: str) -> list[Number]:
    """Every number in a field that may hold several, or words beside them."""
    if ALONE.fullmatch(field) and (whole := read_number(field, region)).kind is NumberKind.PHONE:
        return [whole]
    return _read_parts(field, region)


def _read_parts(field: str, region: str) -> list[Number]:
    found = []
    for part in SPLIT.split(field[:MAX_FIELD]):
        spans = _find_spans(part, region)
        edges = [0, *(edge for begins, ends, _ in spans for edge in (begins, ends)), len(part)]
        words = [
            part[begins:ends].strip(" \t:-.,()[]<>/\"'")
            for begins, ends in zip(edges[::2], edges[1::2], strict=True)
        ]
        # Either each number has its words before it, or each has them behind it.
        labels = words if words[0] else words[1:]
        for (_, _, number), label in zip(spans, labels, strict=False):
            found.append(replace(number, raw=number.raw.strip(), label=label))
    return found


def _find_spans(part: str, region: str) -> list[tuple[int, int, Number]]:
    """The numbers of a part of a field, with where they begin and end."""
    whole = read_number(part, region)
    begins = BEGINS.search(part)
    if whole.kind is NumberKind.PHONE and begins:
        ends = len(BEHIND.sub("", part))
        alone = read_number(part[begins.start() : ends], region)
        # Where letters are keypad letters, the number ends with them.
        return [(begins.start(), ends if alone.e164 == whole.e164 else len(part), whole)]
    matches = PhoneNumberMatcher(part, region, Leniency.POSSIBLE, MATCH_TRIES)
    spans = [(each.start, each.end, read_number(each.raw_string, region)) for each in matches]
    return [span for span in spans if span[2].kind is NumberKind.PHONE]


def mask(number: str) -> str:
    """A number fit for logs: country code and last digits; nothing of what is no E.164.

    Of a short number fewer digits are shown, so that most of it stays hidden.
    """
    if not re.fullmatch(r"\+[0-9]{8,15}", number):
        return "•••••"
    try:
        code = str(phonenumbers.parse(number).country_code)
    except phonenumbers.NumberParseException:
        return "•••••"
    shown = SHOWN_DIGITS if len(number) - len(code) > 2 * SHOWN_DIGITS else 2
    return f"+{code}•••••{number[-shown:]}"
