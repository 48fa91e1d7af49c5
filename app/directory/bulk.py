"""Many rows at once, on either database: asked for by their keys, inserted or updated.

PostgreSQL is given arrays: of long lists of parameters it makes a new, slow plan each time.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from ..db import Database

AT_ONCE = 500
"""How many keys one query names."""


def among(session: Session, column: Any, values: Iterable[Any]) -> sa.ColumnElement[bool]:
    """That `column` is one of `values`."""
    listed = list(values)
    if session.get_bind().dialect.name == "sqlite":
        found: sa.ColumnElement[bool] = column.in_(listed)
    else:
        found = column.in_(sa.select(_unnest(column, listed)))
    return found


def upsert(
    session: Session,
    db: Database,
    table: Any,
    rows: Sequence[Mapping[str, Any]],
    key: Sequence[str],
    returning: Sequence[str] = (),
) -> Sequence[sa.Row[*tuple[Any, ...]]]:
    """Insert `rows`, which all have the same columns, or update those whose `key` is there already.

    Returns the columns `returning` of every row. Does not commit.
    """
    names = list(rows[0])
    insert = db.insert(table)
    if not db.is_sqlite:
        columns = (_unnest(table.c[name], [row[name] for row in rows]) for name in names)
        insert = insert.from_select(names, sa.select(*columns))
    upserting = insert.on_conflict_do_update(
        index_elements=key,
        set_={name: insert.excluded[name] for name in names if name not in key},
    )
    if returning:
        upserting = upserting.returning(*(table.c[name] for name in returning))
    result = session.execute(upserting, rows if db.is_sqlite else None)
    return result.all() if returning else ()


def portions(values: Iterable[str]) -> Iterator[list[str]]:
    """`values` without repetition, in order, some hundreds at a time."""
    ordered = sorted(set(values))
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


def _unnest(column: Any, values: Sequence[Any]) -> sa.ColumnElement[Any]:
    if isinstance(column.type, sa.JSON):
        texts = sa.literal([json.dumps(value) for value in values], ARRAY(sa.Text()))
        return sa.cast(sa.func.unnest(texts), column.type)
    return sa.func.unnest(sa.literal(values, ARRAY(column.type)))
