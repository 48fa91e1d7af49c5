"""Long work as many short transactions in a row, between which others get their turns."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

from sqlalchemy.orm import Session

from .db import Database

MOST_SECONDS = 0.5
"""So long others wait at most for a pause, and for a step that has begun."""
PAUSE_SECONDS = 0.12
"""SQLite looks every tenth of a second whether the file is free, and lines nobody up."""


class Steps:
    """The transactions of one piece of work, in a row.

    On SQLite whoever begins the next one right after the last would leave hardly a moment to the
    others, and webhooks would wait until all is done.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._paused_at = monotonic()

    @contextmanager
    def step(self) -> Iterator[Session]:
        """One transaction, as `Database.transaction`; after it a pause, if one is due."""
        with self._db.transaction() as session:
            yield session
        if self._db.is_sqlite and monotonic() - self._paused_at > MOST_SECONDS:
            sleep(PAUSE_SECONDS)
            self._paused_at = monotonic()
