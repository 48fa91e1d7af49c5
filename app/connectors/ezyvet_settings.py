"""What ezyVet's connector is told of an account, and what can be wrong with that.

Field names that ezyVet's public documentation does not tell are settings.
"""

import re
from collections.abc import Iterator, Mapping

from .base import Setting, SettingType

NEVER_SENT = (("5", "phone call log"), ("6", "in person"), ("8", "other"))
"""The types of communication that ezyVet has no way to send to anybody."""
SETTINGS = (
    Setting("site_uid", "The clinic's site UID at ezyVet"),
    Setting("partner_id", "The partner id that ezyVet gave", tells_account=False),
    Setting("client_id", "The client id that the clinic made for it", tells_account=False),
    Setting("client_secret", "The client secret that belongs to it", is_secret=True),
    Setting(
        "base_url",
        "Where ezyVet's API is",
        default="https://api.ezyvet.com",
        type=SettingType.ADDRESS,
    ),
    Setting(
        "scope",
        "The scopes to ask for",
        default="read-contact,read-contactdetail,read-communication,write-communication",
        tells_account=False,
    ),
    Setting(
        "name_fields",
        "The fields of a contact that make up its name, comma-separated",
        default="first_name,last_name,business_name",
        tells_account=False,
    ),
    Setting(
        "contact_field",
        "The field of a communication that names its contact",
        default="contact_id",
        tells_account=False,
    ),
    Setting(
        "subject_field",
        "The field of a communication that holds its subject",
        default="subject",
        tells_account=False,
    ),
    Setting(
        "text_field",
        "The field of a communication that holds its text",
        default="content",
        tells_account=False,
    ),
    Setting(
        "format_field",
        "The field of a communication that tells its format",
        default="format",
        tells_account=False,
    ),
    Setting(
        "status_field",
        "The field of a communication that tells its status",
        default="status",
        tells_account=False,
    ),
    Setting(
        "call_type",
        "The type of communication for calls: others may really be sent to the client",
        default="5",
        tells_account=False,
        type=SettingType.CHOICE,
        choices=NEVER_SENT,
    ),
    Setting(
        "transcript_type",
        "The type of communication for texts: others would really be sent to the client",
        default="8",
        tells_account=False,
        type=SettingType.CHOICE,
        choices=NEVER_SENT,
    ),
)
FIELDS = ("contact_field", "subject_field", "text_field", "format_field", "status_field")


def faults(given: Mapping[str, str]) -> Iterator[str]:
    """What their types do not tell, of settings and secrets as they were read."""
    for name in ("site_uid", "partner_id", "client_id", "client_secret", "scope"):
        if not (given[name].isascii() and given[name].isprintable()):
            yield f"{name} must be printable ASCII"
    for name in (*FIELDS, "name_fields"):
        names = names_in(given[name]) if name == "name_fields" else [given[name]]
        if not names or not all(re.fullmatch(r"[a-z][a-z0-9_]*", each) for each in names):
            yield f"{name} must be a name of ezyVet's, such as contact_id"
    if len({given[name] for name in FIELDS}) < len(FIELDS):
        yield "text_field must, like the other fields of a communication, be a field of its own"


def names_in(listed: str) -> list[str]:
    return [each.strip() for each in listed.split(",") if each.strip()]
