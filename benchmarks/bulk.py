"""Import: a client list by `ringnote clients import`, over the rows put into a bare table."""

import csv
import itertools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.ledger.clinics import ClinicFields, add_clinic

from .databases import Stage
from .floors import INSERTED_TOGETHER, inserting
from .measurement import Effort, Floor, Measurement, Sample, Subject, compare
from .processes import finished

PHONES = ("Home", "Mobile", "Work")
FORMS = ("({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "+1{}{}{}", "{}{}{}")


def measure(stage: Stage, effort: Effort) -> list[Measurement]:
    """Measure the import of clients with three numbers each into a clinic that has none."""
    count = effort.operations(10_000, 300)
    path = stage.folder / "clients.csv"
    _write_list(path, count)
    peaks: list[float] = []
    with inserting(stage.runtime.db) as inserts:
        return compare(
            Subject(
                "import",
                "a client with three numbers",
                _importing(stage, path, count, peaks),
            ),
            [Floor(INSERTED_TOGETHER, lambda: inserts.run_together(count))],
            stage.database,
            effort,
            lambda: {"peak_mib": max(peaks)},
        )


def _importing(stage: Stage, path: Path, count: int, peaks: list[float]) -> Callable[[], Sample]:
    clinics = _invent_clinics(stage.runtime.db)

    def run() -> Sample:
        words = ("clients", "import", next(clinics), str(path))
        started = time.perf_counter()
        peaks.append(finished(stage, *words))
        return Sample((time.perf_counter() - started) / count)

    return run


def _invent_clinics(db: Database) -> Iterator[str]:
    for number in itertools.count(200_001):
        name = f"Elm Street Vets {number}"
        fields = ClinicFields(name, str(number), "", "America/New_York", "US")
        with db.transaction() as session:
            add_clinic(session, fields, utc_now(), by="benchmark")
        yield name


def _write_list(path: Path, count: int) -> None:
    """Clients whose numbers are written in the ways that people have of it."""
    invented = random.Random(count)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["Client ID", "Name", *PHONES])
        for number in range(count):
            phones = [
                invented.choice(FORMS).format(area, "555", f"{number % 10_000:04d}")
                for area in invented.sample(range(200, 1000), len(PHONES))
            ]
            rows.writerow([f"C{number}", "Jane Doe", *phones])
