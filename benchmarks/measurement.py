"""What a measurement is, and how it is taken. Every area calls `compare`.

Rounds of ours and of its floors follow each other, so that whatever else slows the machine down
slows all of them, and each round has a ratio of its own.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

Item = TypeVar("Item")


class BenchmarkError(Exception):
    """What was to be measured did not do its work, so how long it took says nothing."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: rounds that count (one more warms up), and whether they are short."""

    rounds: int
    is_quick: bool
    most_numbers: int = 1_000_000
    """In the largest directory."""

    def operations(self, full: int, quick: int) -> int:
        """How many operations a round has."""
        return quick if self.is_quick else full


FULL = Effort(rounds=5, is_quick=False)
QUICK = Effort(rounds=2, is_quick=True, most_numbers=20_000)


@dataclass(frozen=True, slots=True)
class Sample:
    """One round: seconds by operation, and how long each single one took, where that was told."""

    seconds: float
    latencies: tuple[float, ...] = ()


Round = Callable[[], Sample]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: an area's name for it, what one operation is, and a round of it."""

    name: str
    what: str
    run: Round


@dataclass(frozen=True, slots=True)
class Floor:
    """The least that it could cost: what one operation is, and a round of it."""

    name: str
    run: Round


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row. Times are seconds by operation, medians over the rounds.

    `ratio` is the median of the rounds' own ratios, `ratio_low` and `ratio_high` the outermost.
    `figures` bear their unit in their names.
    """

    name: str
    what: str
    database: str
    seconds: float
    floor: str
    floor_seconds: float
    ratio: float
    ratio_low: float
    ratio_high: float
    rounds: int
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        return 1 / self.seconds


def timed(operation: Callable[[Item], object], items: Iterable[Item]) -> Sample:
    """A round that does `operation` with one item after another."""
    latencies = []
    for item in items:
        started = time.perf_counter()
        operation(item)
        latencies.append(time.perf_counter() - started)
    return Sample(statistics.fmean(latencies), tuple(latencies))


def compare(
    subject: Subject,
    floors: Sequence[Floor],
    database: str,
    effort: Effort,
    figures: Callable[[], Mapping[str, float]] = dict,
) -> list[Measurement]:
    """Measure `subject` and its floors in turn; a measurement for each floor.

    `figures` is asked, once the rounds are over, for what else there is to say.
    """
    runs = [subject.run, *(floor.run for floor in floors)]
    for run in runs:
        run()
    taken: list[list[Sample]] = [[] for _ in runs]
    for number in range(effort.rounds):
        turns = list(zip(taken, runs, strict=True))
        # Whoever goes first may find the machine in another state than who goes last.
        for samples, run in turns if number % 2 else reversed(turns):
            samples.append(run())
    ours, *theirs = taken
    more = {**_percentiles(ours), **figures()}
    return [
        _measurement(subject, floor.name, database, ours, samples, more)
        for floor, samples in zip(floors, theirs, strict=True)
    ]


def measured_once(
    name: str,
    what: str,
    database: str,
    ours: Sample,
    floor: tuple[str, Sample],
    figures: Mapping[str, float],
) -> Measurement:
    """What took a single long round, beside its floor's name and round."""
    floor_name, theirs = floor
    subject = Subject(name, what, lambda: ours)
    more = {**_percentiles([ours]), **figures}
    return _measurement(subject, floor_name, database, [ours], [theirs], more)


def _measurement(
    subject: Subject,
    floor: str,
    database: str,
    ours: Sequence[Sample],
    theirs: Sequence[Sample],
    figures: Mapping[str, float],
) -> Measurement:
    ratios = [a.seconds / b.seconds for a, b in zip(ours, theirs, strict=True)]
    return Measurement(
        name=subject.name,
        what=subject.what,
        database=database,
        seconds=statistics.median(sample.seconds for sample in ours),
        floor=floor,
        floor_seconds=statistics.median(sample.seconds for sample in theirs),
        ratio=statistics.median(ratios),
        ratio_low=min(ratios),
        ratio_high=max(ratios),
        rounds=len(ratios),
        figures={**figures, **_percentiles(theirs, "floor_")},
    )


def _percentiles(samples: Sequence[Sample], prefix: str = "") -> dict[str, float]:
    latencies = [each for sample in samples for each in sample.latencies]
    if len(latencies) < 2:
        return {}
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return {f"{prefix}p{number}_ms": cuts[number - 1] * 1000 for number in (50, 95, 99)}
