"""After the troubles: everything is worked off, within a bounded time, and the crew goes home."""

import sys
import time
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ringnote.models import DueMark, Lookup, OutboxRow

from .crew import run
from .stage import Stage
from .troubles import Troubles

ACKNOWLEDGED_SECONDS = 90.0
ZOMBIE_SECONDS = 90.0
ZOMBIE_SQLITE_SECONDS = 20.0
"""Who is stopped there may hold the file, and then nobody goes on."""
WORKED_OFF_SECONDS = 60.0
LOOK_SECONDS = 0.25
RESUME_SECONDS = 3.0


def work_off(stage: Stage, troubles: Troubles) -> None:
    """Come to the end of a run: the phones silent, the troubles over, nothing left to do.

    What is left all the same is for the reckoning to find.
    """
    stage.phones.fall_silent()
    troubles.cease()
    _say("troubles over; waiting until the workers that are awake have done all they can")
    # Only when another has gone on from where they were do the frozen workers wake.
    _wait(
        ZOMBIE_SECONDS if stage.postgres else ZOMBIE_SQLITE_SECONDS,
        lambda: _is_worked_off(stage),
        troubles.resume,
    )
    stage.crew.thaw()
    _say("everybody awake; waiting until all is acknowledged")
    _wait(ACKNOWLEDGED_SECONDS, lambda: stage.phones.unacknowledged == 0)
    stage.phones.stop()
    _say("waiting until nothing is left to do")
    _wait(WORKED_OFF_SECONDS, lambda: _is_worked_off(stage), troubles.resume)
    stage.crew.dismiss()
    troubles.resume()
    _ask_now(stage)
    crew = stage.crew
    with (crew.logs / "last.log").open("ab") as log:
        last = run(stage.hosts[0], ("worker", "--until-idle"), crew.environment, log)
        last.wait(WORKED_OFF_SECONDS)


def _say(what: str) -> None:
    print(f"{what} …", file=sys.stderr)


def _wait(seconds: float, is_done: Callable[[], bool], mend: Callable[[], None] | None = None):
    deadline, mend_at = time.monotonic() + seconds, 0.0
    while not is_done() and time.monotonic() < deadline:
        if mend and time.monotonic() > mend_at:
            mend()
            mend_at = time.monotonic() + RESUME_SECONDS
        time.sleep(LOOK_SECONDS)


def _is_worked_off(stage: Stage) -> bool:
    if stage.phones.unacknowledged:
        return False
    try:
        with stage.runtime.db.reading() as session:
            left = [session.scalar(sa.select(table).limit(1)) for table in (DueMark, OutboxRow)]
    except SQLAlchemyError:
        return False
    spool = stage.runtime.spool
    return left == [None, None] and (spool is None or spool.is_empty())


def _ask_now(stage: Stage) -> None:
    """Let the time pass for which a look-up of a killed worker stays taken on."""
    db = stage.runtime.db
    with db.transaction() as session:
        query = sa.update(Lookup).where(Lookup.due_at.is_not(None))
        session.execute(query.values(due_at=db.now()))
