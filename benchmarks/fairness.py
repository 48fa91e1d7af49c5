"""Fairness: a thousand connections, four of which are trouble, and how long the others wait.

One has a hundred thousand due entries, one's PMS hangs on every call, one's answers 429 and one's
500 to all. The others have an entry each, due one after another; two workers serve them all.
"""

import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa

from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.models import Entry, OutboxRow

from . import processes
from .crowd import add_connections, add_due
from .databases import Stage
from .fates import BROKEN, BUSY, FINE, HUNG
from .measurement import BenchmarkError, Effort, Measurement, Sample, measured_once, timed

WORKERS = 2
BETWEEN_SECONDS = 1 / 40
START_SECONDS = 1.0
"""From when the workers run, and trouble begins, until the first of the others is due."""
STARTED = "worker.started"
LATER = timedelta(days=1)
WAIT_SECONDS = 30.0
TIMEOUT_SECONDS = 10
POSTS = 100


def measure(stage: Stage, effort: Effort) -> list[Measurement]:
    """Measure how long after they are due the entries of quiet connections are written."""
    db = stage.runtime.db
    backlog, quiet = effort.operations(100_000, 2_000), effort.operations(996, 40)
    # The PMS ends first, so that no worker waits for the calls that it keeps open.
    with ExitStack() as workers, processes.treating(stage) as pms:
        fates = [FINE, HUNG, BUSY, BROKEN] + [FINE] * quiet
        ids = add_connections(db, stage.runtime.vault, [f"{pms.url}/{fate}" for fate in fates])
        add_due(db, dict.fromkeys(ids[4:], 1), {})
        _put_off(db)
        add_due(db, {ids[0]: backlog, **dict.fromkeys(ids[1:4], backlog // 100)}, {})
        names = [f"worker-{number}" for number in range(WORKERS)]
        for name in names:
            workers.enter_context(processes.working(stage, name))
        _wait_for_start([stage.folder / f"{name}.log" for name in names])
        due = _spread(db, ids[4:])
        told = _wait(pms.url, due)
        plain = _post(pms.url)
    waits = [told["written"][each] - at.timestamp() for each, at in due.items()]
    what = f"due to written, {len(due)} connections beside 4 in trouble"
    ours, floor = _median(waits), ("requests POST", plain)
    return [
        measured_once("fairness", what, stage.database, ours, floor, _figures(waits, told, due))
    ]


def _figures(
    waits: Sequence[float], told: Mapping[str, Any], due: Mapping[str, datetime]
) -> dict[str, float]:
    """The longest wait, and what was done for the four in trouble meanwhile."""
    return {
        "max_ms": max(waits) * 1000,
        "backlog_written": len(told["written"].keys() - due.keys()),
        "hung_at_once": told["most_hanging"],
        "answers_429": told["asked"][BUSY],
        "answers_500": told["asked"][BROKEN],
    }


def _put_off(db: Database) -> None:
    with db.transaction() as session:
        session.execute(sa.update(OutboxRow).values(due_at=utc_now() + LATER))


def _wait_for_start(logs: Sequence[Path]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not all(STARTED in log.read_text() for log in logs):
        if time.monotonic() > deadline:
            raise BenchmarkError(f"no worker started within {WAIT_SECONDS:.0f} seconds")
        time.sleep(0.1)


def _spread(db: Database, quiet: Sequence[int]) -> dict[str, datetime]:
    """Have each connection's entry due one after another; by reference, when. Commits."""
    first = utc_now() + timedelta(seconds=START_SECONDS)
    at = {each: first + timedelta(seconds=n * BETWEEN_SECONDS) for n, each in enumerate(quiet)}
    with db.transaction() as session:
        rows = session.execute(
            sa.select(OutboxRow.entry_id, OutboxRow.connection_id, Entry.reference)
            .join(Entry, Entry.id == OutboxRow.entry_id)
            .where(OutboxRow.connection_id.in_(quiet))
        ).all()
        session.execute(
            sa.update(OutboxRow),
            [{"entry_id": row.entry_id, "due_at": at[row.connection_id]} for row in rows],
        )
    return {row.reference: at[row.connection_id] for row in rows}


def _wait(url: str, due: Mapping[str, datetime]) -> dict[str, Any]:
    """What the PMS tells once all that is due was written."""
    last = max(due.values())
    time.sleep(max(0.0, (last - datetime.now(UTC)).total_seconds()))
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        told: dict[str, Any] = requests.get(f"{url}/tally", timeout=TIMEOUT_SECONDS).json()
        if due.keys() <= told["written"].keys():
            return told
        if time.monotonic() > deadline:
            raise BenchmarkError(f"not all was written {WAIT_SECONDS:.0f} seconds after it was due")
        time.sleep(1.0)


def _post(url: str) -> Sample:
    """A note posted plainly to the same PMS, time after time."""
    with requests.Session() as session:
        session.trust_env = False

        def post(number: int) -> None:
            note = {"reference": f"plain-{number}"}
            session.post(f"{url}/{FINE}/api/v1/notes", json=note, timeout=TIMEOUT_SECONDS)

        latencies = timed(post, range(POSTS)).latencies
    return _median(latencies)


def _median(seconds: Sequence[float]) -> Sample:
    return Sample(statistics.median(seconds), tuple(seconds))
