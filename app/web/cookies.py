"""Cookies of Ringnote's own: bound to the host by name, Secure wherever the browser speaks TLS."""

from urllib.parse import urlsplit

from flask import Request, Response, current_app
from werkzeug.http import dump_cookie

from ..runtime import Runtime

PREFIX = "ringnote-"
HOST_ONLY = "__Host-"
"""A browser takes such a cookie over TLS alone, and from this host alone, not from a sibling."""


def read_cookie(request: Request, name: str) -> str | None:
    """What the browser holds under our name, if anything."""
    return request.cookies.get(_name(request, name)) or None


def set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """Have the browser keep `value` until it is closed or the cookie is dropped."""
    response.headers.add("Set-Cookie", _dump(request, name, value))


def drop_cookie(request: Request, response: Response, name: str) -> None:
    response.headers.add("Set-Cookie", _dump(request, name, "", max_age=0))


def is_over_tls(request: Request) -> bool:
    """Whether the browser speaks TLS, to us or to a proxy before us."""
    runtime: Runtime = current_app.extensions["ringnote"]
    public = urlsplit(runtime.settings.public_url)
    return request.is_secure or (public.scheme, public.netloc) == ("https", request.host)


def _name(request: Request, name: str) -> str:
    return (HOST_ONLY if is_over_tls(request) else "") + PREFIX + name


def _dump(request: Request, name: str, value: str, max_age: int | None = None) -> str:
    return dump_cookie(
        _name(request, name),
        value,
        max_age=max_age,
        path="/",
        secure=is_over_tls(request),
        httponly=True,
        samesite="Lax",
    )
