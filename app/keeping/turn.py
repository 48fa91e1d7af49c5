"""Whose turn it is to keep house: a lease in the database that each step of a run renews.

A worker that is killed loses its turn within a minute, and the next one begins where it stopped:
each step is a short transaction of its own, and what it purged is gone.
"""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..models import Housekeeping

EVERY_SECONDS = 3600.0
LEASE_SECONDS = 60.0
SHORTEST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 1.0
FIRST_AFTER_SECONDS = 60.0
"""Of a new database: its first webhooks come first."""
ONE = Housekeeping.id == 1


class TurnEnded(Exception):
    """The run is to stop: the worker is stopping, or another one has taken over."""


class Turn:
    """One run of housekeeping. `purged` counts what it removed, by what it is."""

    def __init__(self, db: Database, token: str, is_stopping: Callable[[], bool]) -> None:
        self.db = db
        self.purged: Counter[str] = Counter()
        self._token = token
        self._is_stopping = is_stopping

    @contextmanager
    def step(self) -> Iterator[Session]:
        """A transaction of this run, then a pause as long as it took: half the time is others'.

        Raises TurnEnded if another worker has the turn by now, or after it if this one is to stop.
        """
        began = time.monotonic()
        with self.db.transaction() as session:
            mine = sa.update(Housekeeping).where(ONE, Housekeeping.lease_token == self._token)
            renewed = session.execute(mine.values(leased_until=self.db.later(LEASE_SECONDS)))
            if not renewed.rowcount:  # type: ignore[attr-defined]
                raise TurnEnded
            yield session
        took = time.monotonic() - began
        time.sleep(min(max(took, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS))
        if self._is_stopping():
            raise TurnEnded

    def end(self) -> None:
        """Note how it went and when the next one is due. Commits."""
        with self.db.transaction() as session:
            session.execute(
                sa.update(Housekeeping)
                .where(ONE, Housekeeping.lease_token == self._token)
                .values(
                    lease_token=None,
                    leased_until=None,
                    finished_at=self.db.now(),
                    due_at=self.db.later(EVERY_SECONDS),
                    purged=dict(self.purged),
                )
            )


def take_turn(
    db: Database, is_stopping: Callable[[], bool], *, at_once: bool = False
) -> Turn | None:
    """The turn, if housekeeping is due (or wanted `at_once`) and nobody is at it. Commits."""
    now = db.now()
    is_free = sa.or_(Housekeeping.leased_until.is_(None), Housekeeping.leased_until <= now)
    is_due = sa.true() if at_once else Housekeeping.due_at <= now
    if not at_once and not _is_to_be_looked_at(db, sa.and_(is_free, is_due)):
        return None
    token = secrets.token_hex(8)
    with db.transaction() as session:
        session.execute(
            db.insert(Housekeeping)
            .values(id=1, due_at=db.later(FIRST_AFTER_SECONDS), purged={})
            .on_conflict_do_nothing(index_elements=[Housekeeping.id])
        )
        taken = session.execute(
            sa.update(Housekeeping)
            .where(ONE, is_free, is_due)
            .values(lease_token=token, leased_until=db.later(LEASE_SECONDS), started_at=db.now())
        )
        is_taken = bool(taken.rowcount)  # type: ignore[attr-defined]
    return Turn(db, token, is_stopping) if is_taken else None


def _is_to_be_looked_at(db: Database, is_ready: sa.ColumnElement[bool]) -> bool:
    with db.reading() as session:
        row = session.execute(sa.select(is_ready).where(ONE)).first()
    return row is None or bool(row[0])
