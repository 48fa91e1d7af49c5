"""What a PMS's answer of other than 2xx means: the error of `errors.py` that it is.

`http` raises what is told here.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .errors import (
    ConnectorError,
    CredentialsRejected,
    RateLimited,
    RecordGone,
    RecordRejected,
    Temporary,
)
from .waits import retry_after

CodeOf = Callable[[Any], str]
"""Where in the JSON of an answer its error's code is; may raise ConnectorError."""


def read_refusal(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    wait_headers: Sequence[str],
    code_of: CodeOf | None,
) -> ConnectorError:
    """The error that an answer is, by its status; its `code` is as `code_of` reads it."""
    error = _by_status(status, f"the PMS answered {status}{_word(body)}")
    error.retry_after = retry_after(headers, datetime.now(UTC), wait_headers)
    if code_of is not None:
        error.code = _read_code(body, code_of)
    return error


def _by_status(status: int, said: str) -> ConnectorError:
    if status == 429:
        return RateLimited(said, status=status)
    if status in (401, 403):
        return CredentialsRejected(said, status=status)
    if status in (404, 410):
        return RecordGone(said, status=status)
    if 300 <= status < 400 or status in (408, 425) or status >= 500:
        return Temporary(said, status=status)
    return RecordRejected(said, status=status)


def _word(body: bytes) -> str:
    """The machine-readable code of an error body. Its prose may quote a client, so it is left."""
    try:
        error = json.loads(body).get("error")
        code = error.get("code") if isinstance(error, dict) else None
    except (ValueError, AttributeError, RecursionError):
        return ""
    is_word = isinstance(code, str) and re.fullmatch(r"[A-Za-z_]{1,40}", code)
    return f" ({code})" if is_word else ""


def _read_code(body: bytes, code_of: CodeOf) -> str:
    try:
        return code_of(json.loads(body))
    except (ValueError, RecursionError, ConnectorError):
        return ""
