"""What settling one subject after another reads time and again, read once a transaction.

Whoever settles many in one has it so. It is what settling itself never changes.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from sqlalchemy.orm import Session

from ..db import Database
from ..models import Clinic

Read = TypeVar("Read")
KEPT = "ringnote_read_once"


@contextmanager
def reading_once(session: Session) -> Iterator[None]:
    """Have `once` keep what it reads until the block ends."""
    session.info[KEPT] = {}
    try:
        yield
    finally:
        del session.info[KEPT]


def once(session: Session, what: Hashable, read: Callable[[], Read]) -> Read:
    """What `read` returns, or returned before for the same `what`, in such a block."""
    kept = session.info.get(KEPT)
    if kept is None:
        return read()
    if what not in kept:
        kept[what] = read()
    found: Read = kept[what]
    return found


def clinic_and_now(session: Session, db: Database, clinic_id: int) -> tuple[Clinic, datetime]:
    """Where and when it is settled: the clinic, and the database's present."""
    now = once(session, "present", lambda: db.present(session))
    return once(session, ("clinic", clinic_id), lambda: session.get_one(Clinic, clinic_id)), now
