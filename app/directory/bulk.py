"""Asking for many rows by their keys at once, on either database. Used by the rest of this room."""

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

AT_ONCE = 500
"""How many keys one query names."""


def among(session: Session, column: Any, values: Iterable[Any]) -> sa.ColumnElement[bool]:
    """That `column` is one of `values`."""
    listed = list(values)
    if session.get_bind().dialect.name == "sqlite":
        found: sa.ColumnElement[bool] = column.in_(listed)
    else:
        # A list of parameters PostgreSQL compares with every row, one by one; rows it joins.
        found = column.in_(sa.select(sa.func.unnest(sa.literal(listed, ARRAY(column.type)))))
    return found


def portions(values: Iterable[str]) -> Iterator[list[str]]:
    """`values` without repetition, in order, some hundreds at a time."""
    ordered = sorted(set(values))
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]
