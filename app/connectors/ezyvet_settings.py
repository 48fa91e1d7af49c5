"""What ezyVet's connector is told of an account, and what can be wrong with that.

Field names that ezyVet's public documentation does not tell are settings.
"""

import re
from collections.abc import Iterator, Mapping

from .base import Setting

SETTINGS = (
    Setting("site_uid", "The clinic's site UID at ezyVet"),
    Setting("partner_id", "The partner id that ezyVet gave", tells_account=False),
    Setting("client_id", "The client id that the clinic made for it", tells_account=False),
    Setting("client_secret", "The client secret that belongs to it", is_secret=True),
    Setting("base_url", "Where ezyVet's API is", default="https://api.ezyvet.com"),
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
        "The type of communication for calls: 5 phone call log, 6 in person, 8 other",
        default="5",
        tells_account=False,
    ),
    Setting(
        "transcript_type",
        "The type of communication for texts: 5, 6 or 8 too, as others would be sent",
        default="8",
        tells_account=False,
    ),
)
FIELDS = ("contact_field", "subject_field", "text_field", "format_field", "status_field")
NEVER_SENT = ("5", "6", "8")
"""The types of communication that ezyVet has no way to send to anybody."""


def faults(given: Mapping[str, str]) -> Iterator[str]:
    """Of settings and secrets, stripped, with their defaults."""
    if not re.fullmatch(r"https?://[^@?#\s]+", given["base_url"]):
        yield "base_url must be a web address such as https://api.ezyvet.com"
    for name in ("site_uid", "partner_id", "client_id", "client_secret", "scope"):
        value = given.get(name, "")
        if not value or not (value.isascii() and value.isprintable()):
            yield f"{name} must be given, in printable ASCII"
    for name in (*FIELDS, "name_fields"):
        names = names_in(given[name]) if name == "name_fields" else [given[name]]
        if not names or not all(re.fullmatch(r"[a-z][a-z0-9_]*", each) for each in names):
            yield f"{name} must be a name of ezyVet's, such as contact_id"
    if len({given[name] for name in FIELDS}) < len(FIELDS):
        yield "text_field must, like the other fields of a communication, be a field of its own"
    for name in ("call_type", "transcript_type"):
        if given[name] not in NEVER_SENT:
            yield f"{name} must be 5, 6 or 8: other types may really be sent to the client"


def names_in(listed: str) -> list[str]:
    return [each.strip() for each in listed.split(",") if each.strip()]
