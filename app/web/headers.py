"""Security headers, set by blueprint so that a host's own pages keep theirs, and ours ours."""

from typing import TYPE_CHECKING, cast

from flask import Blueprint, Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PLAIN_CONTENT = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""A Content-Security-Policy for answers that load nothing."""
PAGE_CONTENT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""One for pages with the look and the script of ours, and no code within."""
OURS_ALONE = "same-origin"
"""A Referrer-Policy that tells no other site, either. By `no-referrer` a browser says no Origin of
the forms that it posts: without TLS, nothing would tell them from those of another site."""


class _Kept(Response):
    """An answer whose `kept` headers are sent as they are.

    What a host does after every request of its application comes after what a blueprint does.
    """

    kept: dict[str, str]

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        headers = super().get_wsgi_headers(environ)
        headers.update(self.kept)
        return headers


def set_headers(
    blueprint: Blueprint,
    content_security_policy: str = PLAIN_CONTENT,
    referrer_policy: str = "no-referrer",
) -> None:
    """Give all answers of `blueprint` the headers of a page that nobody frames, sniffs or keeps.

    Pages with forms need the `referrer_policy` OURS_ALONE.
    """
    headers = {
        "Content-Security-Policy": content_security_policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        # A webhook's address is a secret: no other site may be told where a person came from.
        "Referrer-Policy": referrer_policy,
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Robots-Tag": "noindex",
        "Cache-Control": "no-store",
    }

    @blueprint.after_request
    def add(response: Response) -> Response:
        kept = cast(_Kept, _Kept.force_type(response))
        kept.kept = {name: kept.headers.setdefault(name, value) for name, value in headers.items()}
        return kept
