"""Pages of listings: the newest first by id, each from where the one before ended.

Ids never change and new rows get higher ones, so that nothing is told twice or left out however
much is added meanwhile.
"""

import base64
import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.orm import Session

from ...runtime import Runtime
from .queries import BadQuery, PageQuery

ID_BYTES = 8
SIGNATURE_BYTES = 13
"""Together a whole number of base64 characters, so that each of them counts."""


def read_page(
    session: Session, query: PageQuery, key: Any, *conditions: sa.ColumnElement[bool]
) -> tuple[Sequence[int], str | None]:
    """The ids (`key` is their column) of one page, and the cursor of the next, None at the end.

    Raises BadQuery for a cursor that this listing has not told with these filters.
    """
    # Ids alone: so the database sorts and skips nothing wide.
    ids = sa.select(key).where(*conditions).order_by(key.desc()).limit(query.limit + 1)
    if query.cursor is not None:
        ids = ids.where(key < _open(query))
    found = session.scalars(ids).all()
    page = found[: query.limit]
    return page, _make(query, page[-1]) if len(found) > len(page) else None


def _make(query: PageQuery, last_id: int) -> str:
    packed = last_id.to_bytes(ID_BYTES, "big")
    return base64.urlsafe_b64encode(packed + _sign(query, packed)).decode()


def _open(query: PageQuery) -> int:
    raw = base64.urlsafe_b64decode(query.cursor or "")
    packed, signature = raw[:ID_BYTES], raw[ID_BYTES:]
    if not hmac.compare_digest(signature, _sign(query, packed)):
        detail = "it is not of this listing with these filters; begin again without it"
        raise BadQuery(("cursor", detail))
    return int.from_bytes(packed, "big")


def _sign(query: PageQuery, packed: bytes) -> bytes:
    runtime: Runtime = current_app.extensions["ringnote"]
    filters = query.model_dump_json(exclude={"limit", "cursor"})
    said = f"cursor|{type(query).__name__}|{filters}|".encode() + packed
    return hmac.digest(runtime.secret_key.encode(), said, sha256)[:SIGNATURE_BYTES]
