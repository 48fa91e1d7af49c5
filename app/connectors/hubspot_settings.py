"""What can be wrong with a HubSpot account's settings."""

import re
from collections.abc import Iterator, Mapping


def faults(given: Mapping[str, str], token: str) -> Iterator[str]:
    address = given["base_url"].strip()
    if not re.fullmatch(r"https?://[^@?#\s]+", address):
        yield "base_url must be a web address such as https://api.hubapi.com"
    for name in ("phone_properties", "search_properties"):
        names = names_in(given[name])
        if not names or not all(re.fullmatch(r"[a-z0-9_]+", each) for each in names):
            yield f"{name} must be names of properties, such as phone,mobilephone"
    for kind in ("call", "task", "communication"):
        if not re.fullmatch("[0-9]{1,9}", given[f"{kind}_association"].strip()):
            yield f"{kind}_association must be the number of an association type"
    if not re.fullmatch("[1-9][0-9]{0,5}", given["requests_in_10_seconds"].strip()):
        yield "requests_in_10_seconds must be a whole number, 1 or more"
    if not token or not (token.isascii() and token.isprintable()):
        yield "token must be a private app's access token; it begins with pat-"


def names_in(listed: str) -> list[str]:
    return [each.strip() for each in listed.split(",") if each.strip()]
