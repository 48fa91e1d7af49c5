"""What settling a subject, or one after another, reads time and again: read once a transaction.

It is what settling itself never changes.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.orm import Session

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
