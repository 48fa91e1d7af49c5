"""What HubSpot's connector is told of an account, and what can be wrong with that."""

import re
from collections.abc import Iterator, Mapping

from .base import Setting, SettingType

SETTINGS = (
    Setting("token", "The private app's access token (pat-…)", is_secret=True),
    Setting(
        "base_url",
        "Where its API is",
        default="https://api.hubapi.com",
        type=SettingType.ADDRESS,
    ),
    Setting(
        "phone_properties",
        "The contact properties that hold phone numbers, comma-separated",
        default="phone,mobilephone",
    ),
    Setting(
        "search_properties",
        "The properties by which HubSpot finds a number without country code",
        default="hs_searchable_calculated_phone_number,hs_searchable_calculated_mobile_number",
    ),
    Setting(
        "call_association",
        "Association type of a call with a contact",
        default="194",
        type=SettingType.NUMBER,
    ),
    Setting(
        "task_association",
        "Association type of a task with a contact",
        default="204",
        type=SettingType.NUMBER,
    ),
    Setting(
        "communication_association",
        "Association type of a communication with a contact",
        default="81",
        type=SettingType.NUMBER,
    ),
    Setting(
        "requests_in_10_seconds",
        "How many requests HubSpot takes from this account in 10 seconds",
        default="100",
        tells_account=False,
        type=SettingType.NUMBER,
        least=1,
        most=999_999,
    ),
)


def faults(given: Mapping[str, str]) -> Iterator[str]:
    for name in ("phone_properties", "search_properties"):
        names = names_in(given[name])
        if not names or not all(re.fullmatch(r"[a-z0-9_]+", each) for each in names):
            yield f"{name} must be names of properties, such as phone,mobilephone"
    if not (given["token"].isascii() and given["token"].isprintable()):
        yield "token must be a private app's access token; it begins with pat-"


def names_in(listed: str) -> list[str]:
    return [each.strip() for each in listed.split(",") if each.strip()]
