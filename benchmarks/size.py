"""Size: whose a number is in a directory of a million, over the same in one of ten thousand."""

import random
from functools import partial

import sqlalchemy as sa

from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.directory.match import match_number
from ringnote.models import Clinic

from .clinic import analyze, invent_clinic
from .databases import Stage, staged
from .measurement import BenchmarkError, Effort, Floor, Measurement, Sample, Subject, compare, timed

FEW = 10_000
FIRST = 100_000_000
"""What the first client's number is counted from, under the country code 999, which nobody has."""
COUNTING = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
CLIENTS = (
    "INSERT INTO ringnote_client"
    " (id, clinic_id, external_id, name, patients, source, updated_at) " + COUNTING + " SELECT"
    " i, {clinic}, 'C' || i, 'Jane Doe', '[]', 'import', '2026-01-01 00:00:00.000000' FROM n"
)
NUMBERS = (
    "INSERT INTO ringnote_client_number"
    " (id, clinic_id, client_id, number, national, raw, label) " + COUNTING + " SELECT"
    " i, {clinic}, i, '+999' || CAST({first} + i AS TEXT), CAST({first} + i AS TEXT), '', '' FROM n"
)


def measure(stage: Stage, effort: Effort) -> list[Measurement]:
    """Measure look-ups in a large directory, with a small one in a database of its own as floor."""
    with staged(stage.database, stage.new_database) as other:
        few = min(FEW, effort.most_numbers // 2)
        large = _fill(stage.runtime.db, effort.most_numbers)
        small = _fill(other.runtime.db, few)
        count = effort.operations(1000, 200)
        subject = Subject(
            "size",
            f"match among {effort.most_numbers:,} numbers",
            partial(_match, stage.runtime.db, large, effort.most_numbers, count),
        )
        floor = Floor(
            f"among {few:,} numbers", partial(_match, other.runtime.db, small, few, count)
        )
        return compare(subject, [floor], stage.database, effort)


def _fill(db: Database, count: int) -> Clinic:
    """A clinic with as many clients, each with a number of their own. Commits."""
    clinic = invent_clinic(db, []).clinic
    for statement in (CLIENTS, NUMBERS):
        text = statement.format(count=count, clinic=clinic.id, first=FIRST)
        with db.transaction() as session:
            session.execute(sa.text(text))
    analyze(db)
    return clinic


def _match(db: Database, clinic: Clinic, known: int, count: int) -> Sample:
    asked = random.choices(range(1, known + 1), k=count)
    now = utc_now()
    with db.reading() as session:

        def match(place: int) -> None:
            national = str(FIRST + place)
            decided = match_number(session, clinic.id, f"+999{national}", national, now)
            if decided.client != f"C{place}":
                raise BenchmarkError(f"a number was matched wrongly: {decided.rule}")

        return timed(match, asked)
