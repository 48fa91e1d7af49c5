"""Due marks: "settle this subject then". Ingest, people's decisions and look-ups set them."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..models import DueMark, SubjectKind


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
    when = db.now() if due_at is None else sa.literal(due_at, DueMark.due_at.type)
    insert = db.insert(DueMark).values(
        clinic_id=clinic_id,
        subject_kind=kind,
        subject_key=key,
        due_at=when,
        generation=1,
        failures=0,
    )
    earlier = sa.case(
        (DueMark.due_at <= insert.excluded.due_at, DueMark.due_at),
        else_=insert.excluded.due_at,
    )
    session.execute(
        insert.on_conflict_do_update(
            index_elements=[DueMark.clinic_id, DueMark.subject_kind, DueMark.subject_key],
            set_={"due_at": earlier, "generation": DueMark.generation + 1, "failures": 0},
        )
    )
