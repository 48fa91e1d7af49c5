"""How a database goes about what it is asked, and enough rows for it to matter."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ringnote.db import Database
from ringnote.models import Base

NUMBER = sa.column("nth", sa.Integer())
"""In `multiply`: which copy it is, from 1 on."""

Plans = list[tuple[str, str]]


@contextmanager
def planning(db: Database) -> Iterator[Plans]:
    """The database's plans of all that is asked of it within the block: (statement, plan)."""
    plans: Plans = []
    how = "EXPLAIN QUERY PLAN " if db.is_sqlite else "EXPLAIN "

    def explain(connection, _cursor, statement, parameters, _context, _is_many):
        cursor = connection.connection.cursor()
        cursor.execute(how + statement, parameters[0] if type(parameters) is list else parameters)
        plans.append((statement, "\n".join(str(row[-1]) for row in cursor.fetchall())))
        cursor.close()

    sa.event.listen(db.engine, "before_cursor_execute", explain)
    yield plans
    sa.event.remove(db.engine, "before_cursor_execute", explain)


def multiply(session: Session, model: type[Base], count: int, **over) -> None:
    """Add as many copies of the table's first row, which differ in what is `over`."""
    numbers = sa.select(sa.literal(1).label("nth")).cte("numbers", recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.nth + 1).where(numbers.c.nth < count))
    table = model.__table__
    names = [column.name for column in table.c]
    row = sa.select(*table.c).order_by(*table.primary_key).limit(1).subquery()
    copies = sa.select(*(over.get(name, row.c[name]) for name in names))
    copies = copies.select_from(row.join(numbers, sa.true()))
    session.execute(table.insert().from_select(names, copies, include_defaults=False))
