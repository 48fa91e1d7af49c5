"""Ends transactions on PostgreSQL in the middle of which a process was stopped.

`idle_in_transaction_session_timeout` does so where the server waits for a statement. It does not
count while the server waits for the rest of a pipeline, which psycopg's `executemany` is: whoever
was stopped there would keep the locks, and all who need them waiting, for as long as it lives.
"""

import contextlib
import threading
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from .db import POSTGRES_IDLE_SECONDS, Database
from .logs import get_logger

LOOK_SECONDS = 5.0

END = sa.text(r"""
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user
AND application_name = current_setting('application_name') AND pid <> pg_backend_pid()
AND query ILIKE '%ringnote\_%' AND xact_start IS NOT NULL AND wait_event = 'ClientRead'
AND state_change < clock_timestamp() - make_interval(secs => :seconds)
""")

log = get_logger(__name__)


def end_abandoned(db: Database, seconds: float = POSTGRES_IDLE_SECONDS) -> int:
    """End Ringnote's transactions whose processes were silent for so long; how many there were.

    None on SQLite, nor on a host's engine, whose sessions are not Ringnote's alone; and none of
    other programs, which may have the same name from their surroundings (PGAPPNAME).
    """
    if db.is_sqlite or not db.owns_engine:
        return 0
    with db.engine.connect() as connection:
        ended: int = connection.execute(END, {"seconds": seconds}).scalar_one()
    return ended


@contextlib.contextmanager
def watching_over(db: Database) -> Iterator[None]:
    """End them every few seconds, from a thread that waits for nobody's locks, until the block
    ends."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(LOOK_SECONDS):
            try:
                if ended := end_abandoned(db):
                    log.warning("database.abandoned_ended", transactions=ended)
            except SQLAlchemyError as error:
                log.warning("database.abandoned_unknown", error=type(error).__name__)

    thread = threading.Thread(target=watch, name="ringnote-abandoned", daemon=True)
    if not db.is_sqlite and db.owns_engine:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if thread.ident:
            thread.join()
