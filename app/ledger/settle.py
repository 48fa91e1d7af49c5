"""Settling: a due subject's events are folded, matched and turned into entries, in one transaction.

Called by the worker. No HTTP happens here: a number nobody has is queued for a look-up at the PMS.
"""

import hashlib
import random
import time
from collections.abc import Collection
from datetime import datetime

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
    number = sa.func.unnest(sa.cast(list(numbers), ARRAY(sa.BigInteger))).column_valued()
    taken = session.execute(sa.select(number, sa.func.pg_try_advisory_xact_lock(number)))
    return {numbers[row[0]] for row in taken if row[1]}


def _take(session: Session, db: Database, subject: Subject) -> int | None:
    if not lock_subjects(session, db, [subject]):
        return None
    query = sa.select(DueMark.generation).where(*_where(subject), DueMark.due_at <= db.now())
    return session.scalars(query).first()


def _lock_number(subject: Subject) -> int:
    name = f"{subject[0]} {subject[1].value} {subject[2]}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)


def _finish(session: Session, subject: Subject, generation: int, again_at: datetime | None) -> None:
    mine = [*_where(subject), DueMark.generation == generation]
    if again_at is None:
        session.execute(sa.delete(DueMark).where(*mine))
    else:
        session.execute(sa.update(DueMark).where(*mine).values(due_at=again_at, failures=0))


def _postpone(db: Database, subject: Subject) -> None:
    with db.transaction() as session:
        mark = session.scalars(sa.select(DueMark).where(*_where(subject)).with_for_update()).first()
        if mark:
            pause = min(2.0 ** min(mark.failures, 20), LONGEST_PAUSE_SECONDS)
            mark.failures += 1
            session.flush()
            session.execute(
                sa.update(DueMark).where(*_where(subject)).values(due_at=db.later(pause))
            )


def _where(subject: Subject) -> list[sa.ColumnElement[bool]]:
    return [
        DueMark.clinic_id == subject[0],
        DueMark.subject_kind == subject[1],
        DueMark.subject_key == subject[2],
    ]
