"""How one number may be spelt in a PMS. Used by connectors that search by number."""

import phonenumbers

from ..numbers import read_numbers
from .base import PmsClient


def spell(number: str) -> list[str]:
    """The usual spellings of a number (E.164), which a search for the exact text must name."""
    parsed = phonenumbers.parse(number)
    national = phonenumbers.national_significant_number(parsed)
    local = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    abroad = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    spelt = [number, number.removeprefix("+"), national, local, abroad]
    if parsed.country_code == 1 and len(national) == 10:
        area, exchange, rest = national[:3], national[3:6], national[6:]
        for head in ("", "1-", "+1-", "+1 ", "1 "):
            spelt += [f"{head}{area}-{exchange}-{rest}", f"{head}({area}) {exchange}-{rest}"]
        spelt += [f"{area}.{exchange}.{rest}", f"{area} {exchange} {rest}"]
        spelt += [f"({area}){exchange}-{rest}"]
    return list(dict.fromkeys(spelt))


def may_have(client: PmsClient, number: str) -> bool:
    """Whether a client has a number (E.164), however it is spelt; where none of theirs is told,
    what the PMS found holds."""
    region = phonenumbers.region_code_for_number(phonenumbers.parse(number)) or "US"
    return not client.phones or any(
        read.e164 == number
        for phone in client.phones
        for read in read_numbers(phone.number, region)
    )
