"""Who may see the console: until there is a sign-in, only somebody at this machine itself."""

import ipaddress
from urllib.parse import urlsplit

from flask import Request

FORWARDED = (
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
)


def is_at_this_machine(request: Request) -> bool:
    """Whether a request was made here, by a person who meant this machine.

    Not if it came through a proxy, which makes strangers look local; nor if it names another host,
    as it does when a foreign page has had its own name point here.
    """
    if any(name in request.headers for name in FORWARDED):
        return False
    return _is_loopback(request.remote_addr or "") and _names_this_machine(request.host)


def _names_this_machine(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
