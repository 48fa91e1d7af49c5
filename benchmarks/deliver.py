"""Deliver: from a due entry to its note in the PMS, and kept that it stands there."""

import itertools
import time
from functools import partial

import sqlalchemy as sa

from ringnote.ledger.settle import settle_due
from ringnote.models import Entry, EntryState
from ringnote.worker import Worker

from .clinic import Invented, keep_calls
from .databases import Stage
from .measurement import BenchmarkError, Effort, Floor, Measurement, Sample, Subject, compare, timed
from .pms import connected, invent_note

CLIENTS = 50
THREADS = (1, 4)


def measure(stage: Stage, effort: Effort) -> list[Measurement]:
    """Measure a worker that writes one note at a time, then one as it is by default."""
    count = effort.operations(50, 10)
    with connected(stage, CLIENTS) as (invented, pms, clients):
        some = list(itertools.islice(clients, count))
        rows: list[Measurement] = []

        def post() -> Sample:
            return timed(pms.add_note, [invent_note(client) for client in some])

        for threads in THREADS:
            worker = Worker(stage.runtime, threads)
            rows += compare(
                Subject(
                    "deliver",
                    f"notes, {threads} at once",
                    partial(_deliver, stage, invented, worker, count),
                ),
                [Floor("requests loop", post)],
                stage.database,
                effort,
            )
        return rows


def _deliver(stage: Stage, invented: Invented, worker: Worker, count: int) -> Sample:
    """A round that writes `count` new notes; settling their calls is not counted."""
    calls = [call for _ in range(count) for call in invented.phones.answered()]
    keep_calls(stage.runtime.db, invented.clinic, calls)
    while settle_due(stage.runtime):
        pass
    before = _count_written(stage)
    started = time.perf_counter()
    worker.run_until_idle()
    seconds = time.perf_counter() - started
    if _count_written(stage) != before + count:
        raise BenchmarkError("a note was not written")
    return Sample(seconds / count)


def _count_written(stage: Stage) -> int:
    with stage.runtime.db.reading() as session:
        query = sa.select(sa.func.count()).where(Entry.state == EntryState.SYNCED)
        return session.scalars(query).one()
