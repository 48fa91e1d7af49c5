"""Due marks: "settle this subject then". Ingest, people's decisions and look-ups set them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from ..db import Database
from ..models import DueMark, SubjectKind

Subject = tuple[int, SubjectKind, str]
"""Clinic, kind and key (callUuid or conversationID)."""


def mark_due(
    session: Session,
    db: Database,
    clinic_id: int,
    kind: SubjectKind,
    key: str,
    due_at: datetime | None = None,
) -> None:
    """Have a subject settled at `due_at` (now, if None), or earlier if it already is to be.

    Bumps the generation, so that a settling under way notices. Does not commit.
    """
    values: dict[str, Any] = {"of_clinic": clinic_id, "of_kind": kind, "of_key": key}
    asks_database = due_at is None and db.tells_time
    if not asks_database:
        values["at"] = due_at or db.present(session)
    session.execute(_upsert(db.is_sqlite, asks_database), values)


def mark_all_due(
    session: Session, db: Database, subjects: Iterable[Subject], due_at: datetime
) -> None:
    """As `mark_due`, for many at once. Does not commit."""
    mark_each_due(session, db, dict.fromkeys(subjects, due_at))


def mark_each_due(session: Session, db: Database, due: Mapping[Subject, datetime]) -> None:
    """As `mark_due`, for many, each with a time of its own. Does not commit."""
    # One order for all, so that two who mark the same subjects never lock each other out.
    marks = [
        {"of_clinic": clinic_id, "of_kind": kind, "of_key": key, "at": due_at}
        for (clinic_id, kind, key), due_at in sorted(due.items())
    ]
    if marks:
        session.execute(_upsert(db.is_sqlite, asks_database=False), marks)


@cache
def _upsert(is_sqlite: bool, asks_database: bool) -> sa.Executable:
    """The statement, built once: every webhook needs it, and building it takes longer than it."""
    marks: Any = DueMark.__table__
    kind = marks.c.subject_kind.type
    when = Database.CLOCK if asks_database else sa.bindparam("at", type_=marks.c.due_at.type)
    insert = (sqlite.insert if is_sqlite else postgresql.insert)(marks).values(
        clinic_id=sa.bindparam("of_clinic"),
        subject_kind=sa.bindparam("of_kind", type_=kind),
        subject_key=sa.bindparam("of_key"),
        due_at=when,
        generation=1,
        failures=0,
    )
    return lowering(insert)


def lowering(insert: postgresql.Insert | sqlite.Insert) -> sa.Executable:
    """An INSERT of marks that brings forward those which stand already, and bumps them."""
    marks: Any = DueMark.__table__
    new = insert.excluded.due_at
    return insert.on_conflict_do_update(
        index_elements=[marks.c.clinic_id, marks.c.subject_kind, marks.c.subject_key],
        set_={
            "due_at": sa.case((marks.c.due_at <= new, marks.c.due_at), else_=new),
            "generation": marks.c.generation + 1,
            "failures": 0,
        },
    )
