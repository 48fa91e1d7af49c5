"""Settle: from a call's stored events to its entries, in one transaction."""

from collections.abc import Callable, Mapping
from functools import partial

import sqlalchemy as sa

from ringnote.ledger.settle import Subject as DueSubject
from ringnote.ledger.settle import settle_subject
from ringnote.models import DueMark, Entry
from ringnote.sandbox.phones import PlannedCall

from . import floors
from .clinic import Invented, add_directory, analyze, invent_clinic, invent_numbers, keep_calls
from .databases import Stage
from .measurement import BenchmarkError, Effort, Floor, Measurement, Sample, Subject, compare, timed
from .pms import connect_clinic

CLIENTS = 5000
NOWHERE = "http://127.0.0.1:9"
"""Settling asks no PMS, it only has to know that there is one."""
Plan = Callable[[], list[PlannedCall]]


def measure(stage: Stage, effort: Effort) -> list[Measurement]:
    """Measure a call that was answered (a note) and one that was missed (a note and a task)."""
    invented = _set_up(stage)
    count = effort.operations(60, 20)
    stories = {
        "an answered call": invented.phones.answered,
        "a missed call": invented.phones.missed,
    }
    for plan in stories.values():
        _settle_some(stage, invented, plan, count)
    analyze(stage.runtime.db)
    rows: list[Measurement] = []
    with floors.inserting(stage.runtime.db) as inserts:
        for what, plan in stories.items():
            rows += compare(
                Subject("settle", what, partial(_settle_some, stage, invented, plan, count)),
                [Floor(floors.INSERT, partial(inserts.run, count))],
                stage.database,
                effort,
                partial(_count_statements, stage, invented, plan),
            )
    return rows


def _set_up(stage: Stage) -> Invented:
    numbers = invent_numbers(CLIENTS)
    invented = invent_clinic(stage.runtime.db, numbers)
    clients = ((f"C{place}", number) for place, number in enumerate(numbers))
    add_directory(stage.runtime.db, invented.clinic, clients)
    connect_clinic(stage.runtime, invented.clinic, NOWHERE)
    return invented


def _settle_some(stage: Stage, invented: Invented, plan: Plan, count: int) -> Sample:
    subjects = _keep_some(stage, invented, plan, count)
    before = _count(stage, Entry)
    sample = timed(partial(settle_subject, stage.runtime), subjects)
    if _count(stage, DueMark) or _count(stage, Entry) < before + count:
        raise BenchmarkError("a call was not settled")
    return sample


def _keep_some(stage: Stage, invented: Invented, plan: Plan, count: int) -> list[DueSubject]:
    """What is due once the events of `count` new calls are kept."""
    db = stage.runtime.db
    keep_calls(db, invented.clinic, [call for _ in range(count) for call in plan()])
    with db.reading() as session:
        query = sa.select(DueMark.clinic_id, DueMark.subject_kind, DueMark.subject_key)
        return [(row[0], row[1], row[2]) for row in session.execute(query)]


def _count(stage: Stage, table: type[DueMark] | type[Entry]) -> int:
    with stage.runtime.db.reading() as session:
        return session.scalars(sa.select(sa.func.count()).select_from(table)).one()


def _count_statements(stage: Stage, invented: Invented, plan: Plan) -> Mapping[str, float]:
    """How many SQL statements it takes to settle one call."""
    [subject] = _keep_some(stage, invented, plan, 1)
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        sent.append(statement)

    engine = stage.runtime.db.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        settle_subject(stage.runtime, subject)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    return {"statements": float(len(sent))}
