"""Match: whose a number is, looked up in the directory."""

import random
from functools import partial

import sqlalchemy as sa

from ringnote.clock import utc_now
from ringnote.directory.match import match_number
from ringnote.models import ClientNumber, Clinic

from . import floors
from .clinic import add_directory, invent_clinic, invent_numbers, national
from .databases import Stage
from .measurement import BenchmarkError, Effort, Floor, Measurement, Sample, Subject, compare, timed

FEW = 100
MANY = 100_000
QUICK_MANY = 10_000


def measure(stage: Stage, effort: Effort) -> list[Measurement]:
    """Measure a look-up in a small directory, then in the same one grown large."""
    db = stage.runtime.db
    numbers = invent_numbers(effort.operations(MANY, QUICK_MANY))
    clinic = invent_clinic(db, numbers[:1]).clinic
    clients = [(f"C{place}", number) for place, number in enumerate(numbers)]
    add_directory(db, clinic, clients[:FEW])
    rows = _among(stage, effort, clinic, dict(clients[:FEW]))
    add_directory(db, clinic, clients[FEW:])
    return rows + _among(stage, effort, clinic, dict(clients))


def _among(
    stage: Stage, effort: Effort, clinic: Clinic, known: dict[str, str]
) -> list[Measurement]:
    count = effort.operations(1000, 200)
    with floors.selecting(stage.runtime.db) as selects:
        return compare(
            Subject(
                "match",
                f"among {len(known):,} numbers",
                partial(_match, stage, clinic, known, count),
            ),
            [
                Floor("SELECT by key, driver", partial(selects.run, count)),
                Floor("SELECT by key, SQLAlchemy", partial(_select, stage, known, count)),
            ],
            stage.database,
            effort,
        )


def _match(stage: Stage, clinic: Clinic, known: dict[str, str], count: int) -> Sample:
    asked = random.choices(list(known.items()), k=count)
    now = utc_now()
    with stage.runtime.db.reading() as session:

        def match(client: tuple[str, str]) -> None:
            external_id, number = client
            decided = match_number(session, clinic.id, number, national(number), now)
            if decided.client != external_id:
                raise BenchmarkError(f"a number was matched wrongly: {decided.rule}")

        return timed(match, asked)


def _select(stage: Stage, known: dict[str, str], count: int) -> Sample:
    keys = random.choices(range(1, len(known) + 1), k=count)
    with stage.runtime.db.reading() as session:
        return timed(
            lambda key: session.execute(
                sa.select(ClientNumber.client_id).where(ClientNumber.id == key)
            ).one(),
            keys,
        )
