"""Settling: a due subject's events are folded, matched and turned into entries, in one transaction.

Called by the worker. No HTTP happens here: a number nobody has is queued for a look-up at the PMS.
"""

import hashlib
import random
import time
from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from ..db import DATABASE_FAULTS, Database, fault_of
from ..logs import get_logger
from ..models import DueMark, SubjectKind
from ..once import reading_once
from ..runtime import Runtime
from ..telephony.marks import Subject
from .callers import CallersBusy
from .settle_call import settle_call
from .settle_conversation import settle_conversation
from .settle_digest import settle_digest

LONGEST_PAUSE_SECONDS = 3600.0
BUSY_SECONDS = 0.01

MARKS: Any = DueMark.__table__
# Statements are built once: every settling needs them, and building them takes longer than they do.
MINE = (
    MARKS.c.clinic_id == sa.bindparam("of_clinic"),
    MARKS.c.subject_kind == sa.bindparam("of_kind"),
    MARKS.c.subject_key == sa.bindparam("of_key"),
)
AS_READ = (*MINE, MARKS.c.generation == sa.bindparam("as_read"))
DONE = sa.delete(MARKS).where(*AS_READ)
AGAIN = sa.update(MARKS).where(*AS_READ).values(due_at=sa.bindparam("again_at"), failures=0)
FAILURES = sa.select(MARKS.c.failures).where(*MINE).with_for_update()
LOCKS = sa.func.unnest(sa.bindparam("numbers", type_=ARRAY(sa.BigInteger))).column_valued()
TAKE_LOCKS = sa.select(LOCKS, sa.func.pg_try_advisory_xact_lock(LOCKS))

log = get_logger(__name__)


def settle_due(runtime: Runtime, limit: int = 50) -> int:
    """Settle up to `limit` subjects that are due, each in a transaction of its own; how many were.

    Any number of workers may do so at once: each subject is settled by one of them at a time.
    """
    with runtime.db.reading() as session:
        due = (
            sa.select(DueMark.clinic_id, DueMark.subject_kind, DueMark.subject_key)
            .where(DueMark.due_at <= runtime.db.now())
            .order_by(DueMark.due_at)
            .limit(limit)
        )
        subjects: list[Subject] = [(row[0], row[1], row[2]) for row in session.execute(due)]
    # Workers that woke together would all begin with the same subject.
    random.shuffle(subjects)
    return sum(settle_subject(runtime, subject) for subject in subjects)


def settle_subject(runtime: Runtime, subject: Subject) -> bool:
    """Settle one subject, then delete its mark, move it, or leave it if an event came meanwhile.

    False if another worker is at it or was; True also if it is to be tried again in a moment.
    A subject that cannot be settled is logged and tried
    again later, ever more rarely; it never stops the others.
    """
    clinic_id, kind, _ = subject
    try:
        with runtime.db.transaction() as session, reading_once(session):
            generation = _take(session, runtime.db, subject)
            if generation is None:
                return False
            again_at = settle_held(session, runtime, subject)
            _finish(session, subject, generation, again_at)
    except CallersBusy:
        # It stays due, and whoever is at the caller's callback is done in a moment.
        time.sleep(BUSY_SECONDS)
        return True
    except DATABASE_FAULTS as error:
        log.warning("settle.database", kind=kind.value, error=fault_of(error))
        _postpone(runtime.db, subject)
        return False
    except Exception:
        log.exception("settle.failed", kind=kind.value, clinic_id=clinic_id)
        _postpone(runtime.db, subject)
        return False
    return True


def settle_held(session: Session, runtime: Runtime, subject: Subject) -> datetime | None:
    """Settle a subject whose lock the caller holds; when to settle it again. Does not commit."""
    clinic_id, kind, key = subject
    if kind is SubjectKind.DIGEST:
        settle_digest(session, runtime, clinic_id, key)
        return None
    settle = settle_call if kind is SubjectKind.CALL else settle_conversation
    return settle(session, runtime, clinic_id, key)


def lock_subjects(session: Session, db: Database, subjects: Collection[Subject]) -> set[Subject]:
    """Keep all others from settling these until the transaction ends; those that could be locked.

    Waits for nobody: what somebody else is at is left out.
    """
    # A subject is locked by its name, not by a row of it, so that ingest, which bumps the mark's
    # generation, never waits for a settling. SQLite has one writer at a time anyway.
    if db.is_sqlite or not subjects:
        return set(subjects)
    numbers = {_lock_number(subject): subject for subject in subjects}
    taken = session.execute(TAKE_LOCKS, {"numbers": list(numbers)})
    return {numbers[row[0]] for row in taken if row[1]}


def _take(session: Session, db: Database, subject: Subject) -> int | None:
    if not lock_subjects(session, db, [subject]):
        return None
    given = _mine(subject) if db.tells_time else {**_mine(subject), "now": db.clock()}
    return session.scalars(_due(db.tells_time), given).first()


@cache
def _due(tells_time: bool) -> sa.Select[int]:
    """The generation of a mark that is due."""
    now = Database.CLOCK if tells_time else sa.bindparam("now", type_=MARKS.c.due_at.type)
    return sa.select(MARKS.c.generation).where(*MINE, MARKS.c.due_at <= now)


def _lock_number(subject: Subject) -> int:
    name = f"{subject[0]} {subject[1].value} {subject[2]}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)


def _finish(session: Session, subject: Subject, generation: int, again_at: datetime | None) -> None:
    as_read = {**_mine(subject), "as_read": generation}
    if again_at is None:
        session.execute(DONE, as_read)
    else:
        session.execute(AGAIN, as_read | {"again_at": again_at})


def _postpone(db: Database, subject: Subject) -> None:
    with db.transaction() as session:
        failures = session.scalars(FAILURES, _mine(subject)).first()
        if failures is not None:
            pause = min(2.0 ** min(failures, 20), LONGEST_PAUSE_SECONDS)
            later = {"due_at": db.later(pause), "failures": failures + 1}
            session.execute(sa.update(MARKS).where(*MINE).values(later), _mine(subject))


def _mine(subject: Subject) -> dict[str, Any]:
    return dict(zip(("of_clinic", "of_kind", "of_key"), subject, strict=True))
