"""Claim: due entries of a few connections among many, with a backlog behind an open breaker."""

import itertools
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.delivery.outbox import claim
from ringnote.models import Entry, Pace

from .crowd import add_connections, add_due
from .databases import Stage
from .floors import INSERT, inserting
from .measurement import BenchmarkError, Effort, Floor, Measurement, Sample, Subject, compare, timed

CONNECTIONS = 1000
AT_ONCE = 8
NOWHERE = "http://127.0.0.1:9"


def measure(stage: Stage, effort: Effort) -> list[Measurement]:
    """Measure claims of eight entries of eight connections, and those that find nothing due."""
    db = stage.runtime.db
    backlog = effort.operations(200_000, 5_000)
    count = effort.operations(20, 5)
    first, *others = add_connections(db, stage.runtime.vault, [NOWHERE] * CONNECTIONS)
    add_due(db, {first: backlog}, {})
    with db.transaction() as session:
        open_until = utc_now() + timedelta(days=1)
        session.execute(
            sa.update(Pace).where(Pace.connection_id == first).values(blocked_until=open_until)
        )
    turns = itertools.cycle(others)
    with inserting(db) as inserts:
        floors = [Floor(INSERT, partial(inserts.run, count))]
        rows = compare(
            Subject("claim", "nothing due", lambda: timed(partial(_claim, db, 0), range(count))),
            floors,
            stage.database,
            effort,
        )
        return rows + compare(
            Subject("claim", f"{AT_ONCE} entries", lambda: _claim_due(db, turns, count)),
            floors,
            stage.database,
            effort,
        )


def _claim_due(db: Database, turns: "itertools.cycle[int]", count: int) -> Sample:
    """A round of `count` claims, for each of which eight connections have one entry due."""
    chosen = list(itertools.islice(turns, count * AT_ONCE))
    add_due(db, dict.fromkeys(chosen, 1), {})
    sample = timed(partial(_claim, db, AT_ONCE), range(count))
    with db.transaction() as session:
        rest = sa.select(Pace.connection_id).where(Pace.blocked_until.is_not(None))
        session.execute(
            sa.delete(Entry).where(Entry.clinic_id.not_in(rest), Entry.subject_kind == "call")
        )
    return sample


def _claim(db: Database, expected: int, _number: int) -> None:
    if len(claim(db, AT_ONCE)) != expected:
        raise BenchmarkError("not all that was due was claimed")
