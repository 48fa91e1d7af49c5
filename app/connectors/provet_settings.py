"""What Provet Cloud's connector is told of an account, and what can be wrong with that.

What Provet Cloud's documentation does not say is a setting.
"""

import re
from collections.abc import Iterator, Mapping

from .base import Setting, SettingType

SETTINGS = (
    Setting(
        "base_url",
        "Its address with its number, e.g. https://us.provetcloud.com/1234",
        type=SettingType.ADDRESS,
    ),
    Setting("client_id", "The client id of the REST API application", tells_account=False),
    Setting("client_secret", "The client secret of that application", is_secret=True),
    Setting("scope", "The scope to ask for", default="restapi", tells_account=False),
    Setting(
        "phone_filter",
        "The filter of client/ by which a number is found",
        default="phone__icontains",
        tells_account=False,
    ),
    Setting(
        "client_filter",
        "The filter of note/ and task/ by which those of one client are found",
        default="client__is",
        tells_account=False,
    ),
    Setting(
        "note_field", "The field of a note that holds its text", default="note", tells_account=False
    ),
    Setting(
        "note_type",
        "The number of the type of its notes",
        default="1",
        tells_account=False,
        type=SettingType.NUMBER,
    ),
    Setting(
        "task_type",
        "The number of the type of its tasks",
        default="5",
        tells_account=False,
        type=SettingType.NUMBER,
    ),
    Setting(
        "open_status",
        "The number of an open task's status",
        default="1",
        tells_account=False,
        type=SettingType.NUMBER,
    ),
    Setting(
        "done_status",
        "The number of a done task's status; without it, callbacks become notes",
        is_required=False,
        tells_account=False,
        type=SettingType.NUMBER,
    ),
    Setting(
        "created_user",
        "The id of the user by whom its tasks are to be created, if Provet Cloud wants one",
        is_required=False,
        tells_account=False,
        type=SettingType.NUMBER,
    ),
)
NAMES = ("phone_filter", "client_filter", "note_field")


def faults(given: Mapping[str, str]) -> Iterator[str]:
    """What their types do not tell, of settings and secrets as they were read."""
    if not re.fullmatch(r"https?://[^@?#\s/]+/[0-9]+/?", given["base_url"]):
        yield "base_url must be an address with a number, such as https://us.provetcloud.com/1234"
    for name in ("client_id", "client_secret", "scope"):
        if not (given[name].isascii() and given[name].isprintable()):
            yield f"{name} must be printable ASCII"
    for name in NAMES:
        if not re.fullmatch(r"[a-z][a-z0-9_.]*", given[name]):
            yield f"{name} must be a name of Provet Cloud's, such as {_default(name)}"
    if given["done_status"] and given["done_status"] == given["open_status"]:
        yield "done_status must be another number than open_status"


def _default(name: str) -> str:
    return next(each.default for each in SETTINGS if each.name == name)
