"""Errors of the API, as problem+json (RFC 9457)."""

import json

MEDIA_TYPE = "application/problem+json"

Problem = tuple[str, int, dict[str, str]]


def problem(status: int, title: str, detail: str = "") -> Problem:
    """An answer that says what is wrong and, in `detail`, what to do."""
    body = {"type": "about:blank", "title": title, "status": status}
    if detail:
        body["detail"] = detail
    return json.dumps(body), status, {"Content-Type": MEDIA_TYPE}
