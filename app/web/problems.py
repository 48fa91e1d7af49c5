"""Errors of the API, as problem+json (RFC 9457)."""

import json
from typing import Any

MEDIA_TYPE = "application/problem+json"

Problem = tuple[str, int, dict[str, str]]


def problem(status: int, title: str, detail: str = "", **more: Any) -> Problem:
    """An answer that says what is wrong and, in `detail`, what to do; `more` goes beside them."""
    body = {"type": "about:blank", "title": title, "status": status}
    if detail:
        body["detail"] = detail
    return json.dumps(body | more), status, {"Content-Type": MEDIA_TYPE}
