"""The lines of a spool's files: one webhook each, with a check by which a torn one is known."""

import base64
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .logs import get_logger

PART_BYTES = 4 * 1024 * 1024
"""Of a file that is read at once; many times the longest line."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Spooled:
    """One webhook as it came, with the id that its event is to have."""

    event_id: str
    received_at: datetime
    token_hash: str
    content_type: str
    body: bytes


def write_line(webhook: Spooled) -> bytes:
    """The line that holds it."""
    content: dict[str, Any] = {
        "id": webhook.event_id,
        "at": webhook.received_at.isoformat(),
        "token": webhook.token_hash,
        "type": webhook.content_type,
        "body": base64.b64encode(webhook.body).decode(),
    }
    text = json.dumps(content).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def read_parts(file: int, start: int, end: int) -> Iterator[bytes]:
    """What lies between two places of a file, in parts of whole lines (a torn last one aside)."""
    while start < end:
        part = os.pread(file, min(PART_BYTES, end - start), start)
        whole = part[: part.rfind(b"\n") + 1] or part
        yield whole
        start += len(whole)


def read_lines(found: bytes) -> Iterator[Spooled]:
    """The webhooks, but for what was being written when its process died: nobody heard a 200."""
    for line in found.splitlines(keepends=True):
        webhook = read_line(line)
        if webhook is None:
            log.warning("spool.torn", bytes=len(line))
        else:
            yield webhook


def read_line(line: bytes) -> Spooled | None:
    """The webhook that it holds; None if it is torn."""
    check, _, text = line.partition(b" ")
    if not line.endswith(b"\n") or check != b"%08x" % zlib.crc32(text.removesuffix(b"\n")):
        return None
    content = json.loads(text)
    return Spooled(
        content["id"],
        datetime.fromisoformat(content["at"]),
        content["token"],
        content["type"],
        base64.b64decode(content["body"]),
    )
