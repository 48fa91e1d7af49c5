"""Security headers, set by blueprint so that a host's own pages keep theirs."""

from flask import Blueprint, Response

PLAIN_CONTENT = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""A Content-Security-Policy for answers that load nothing."""
PAGE_CONTENT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""One for pages with the look and the script of ours, and no code within."""


def set_headers(blueprint: Blueprint, content_security_policy: str = PLAIN_CONTENT) -> None:
    """Give all answers of `blueprint` the headers of a page that nobody frames, sniffs or keeps."""
    headers = {
        "Content-Security-Policy": content_security_policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        # A webhook's address is a secret: no other site may be told where a person came from.
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Robots-Tag": "noindex",
        "Cache-Control": "no-store",
    }

    @blueprint.after_request
    def add(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response
