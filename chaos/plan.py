"""What goes wrong and when: drawn from a seed before anything starts, so that it repeats."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ringnote.sandbox.faults import FaultKind

from .proxy import WireFault

QUIET_SECONDS = 12.0
"""At the end: all is well but for the workers that were stopped with updates under way."""
FROZEN_SECONDS = (11.0, 16.0)
"""Longer than a lease."""
CLOCK_SECONDS = 300.0
AWAY_SECONDS = (0.5, 4.0)
LOCKED_SECONDS = (1.0, 6.0)
FULL_SECONDS = (1.0, 5.0)
FAULTY_SECONDS = (1.0, 5.0)
FOR_PEOPLE = {FaultKind.UNAUTHORIZED, FaultKind.REFUSED}
"""What pauses a connection, or sets an entry aside, as it should: nothing is written there until a
person has mended it."""


class Trouble(StrEnum):
    """One kind of step."""

    KILL = "SIGKILL"
    TERMINATE = "SIGTERM"
    FREEZE = "SIGSTOP"
    THAW = "SIGCONT"
    STOP_DATABASE = "database stopped"
    START_DATABASE = "database started"
    CUT = "connections cut"
    LOCK = "write lock held"
    PMS_FAULT = "PMS fault"
    WIRE_FAULT = "wire fault"
    MEND = "PMS healthy"
    CLOCK = "clock jump"
    FILL_DISK = "disk full"
    FREE_DISK = "disk free"
    FILL_DATABASE = "PostgreSQL's disk full"
    FREE_DATABASE = "PostgreSQL's disk free"
    RUSH = "every call missed"
    DROWSE = "worker stopped before an update"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens `at` seconds after the start.

    `which` chooses among the processes or hosts there are just then; `how` is a kind of stop or of
    fault; `value` its seconds or its share.
    """

    at: float
    trouble: Trouble
    which: int = 0
    how: str = ""
    value: float = 0.0


def draw_plan(
    seed: int, seconds: float, kills: int, restarts: int, *, is_sqlite: bool
) -> list[Step]:
    """All steps of a run, in order: exactly so many kills and restarts, the rest at their rates."""
    dice = random.Random(seed)
    until = seconds - QUIET_SECONDS
    steps = [*_kills(dice, until, kills), *_freezes(dice, until), *_faults(dice, until)]
    steps += [*_hosts(dice, until), *_finale(seconds)]
    steps += _locks(dice, until) if is_sqlite else _restarts(dice, until, restarts)
    return sorted(steps, key=lambda step: step.at)


def _kills(dice: random.Random, until: float, kills: int) -> Iterator[Step]:
    for number in range(kills):
        at = until * (number + dice.random()) / kills
        yield Step(at, Trouble.KILL, which=dice.getrandbits(16))
    for at in _moments(dice, until, every=12):
        yield Step(at, Trouble.TERMINATE, which=dice.getrandbits(16))


def _freezes(dice: random.Random, until: float) -> Iterator[Step]:
    for at in _moments(dice, until, every=25):
        yield Step(at, Trouble.FREEZE, which=dice.getrandbits(16))
        yield Step(min(at + dice.uniform(*FROZEN_SECONDS), until), Trouble.THAW)


def _restarts(dice: random.Random, until: float, restarts: int) -> Iterator[Step]:
    ways = ["SIGINT", "SIGQUIT", "SIGKILL"]
    for number in range(restarts):
        room = until / restarts
        at = room * (number + 0.6 * dice.random())
        yield Step(at, Trouble.STOP_DATABASE, how=ways[number % len(ways)])
        away = min(dice.uniform(*AWAY_SECONDS), room * 0.4)
        yield Step(at + away, Trouble.START_DATABASE)
    for at in _moments(dice, until, every=8):
        yield Step(at, Trouble.CUT)
    for at in _moments(dice, until, every=20):
        yield Step(at, Trouble.FILL_DATABASE)
        yield Step(min(at + dice.uniform(*FULL_SECONDS), until), Trouble.FREE_DATABASE)


def _locks(dice: random.Random, until: float) -> Iterator[Step]:
    for at in _moments(dice, until, every=15):
        yield Step(at, Trouble.LOCK, value=min(dice.uniform(*LOCKED_SECONDS), until - at))


def _faults(dice: random.Random, until: float) -> Iterator[Step]:
    kinds: list[FaultKind | WireFault] = [kind for kind in FaultKind if kind not in FOR_PEOPLE]
    kinds += list(WireFault)
    dice.shuffle(kinds)
    for number, at in enumerate(_moments(dice, until, every=3)):
        kind = kinds[number % len(kinds)]
        is_wire = isinstance(kind, WireFault)
        trouble = Trouble.WIRE_FAULT if is_wire else Trouble.PMS_FAULT
        yield Step(at, trouble, how=kind.value, value=dice.uniform(0.2, 0.9))
        yield Step(min(at + dice.uniform(*FAULTY_SECONDS), until), Trouble.MEND, how=kind.value)


def _hosts(dice: random.Random, until: float) -> Iterator[Step]:
    for at in _moments(dice, until, every=10):
        ahead = dice.uniform(-CLOCK_SECONDS, CLOCK_SECONDS)
        yield Step(at, Trouble.CLOCK, which=dice.getrandbits(16), value=ahead)
    for at in _moments(dice, until, every=12):
        which = dice.getrandbits(16)
        yield Step(at, Trouble.FILL_DISK, which=which)
        ends_at = min(at + dice.uniform(*FULL_SECONDS), until)
        yield Step(ends_at, Trouble.FREE_DISK, which=which)


def _finale(seconds: float) -> Iterator[Step]:
    """Workers stop just before they send an update, and wake after others have gone on from there:
    as every call is missed, what they are about to write of a caller is soon out of date."""
    begins = seconds - QUIET_SECONDS
    yield Step(begins, Trouble.RUSH)
    yield Step(begins + 1.0, Trouble.DROWSE)


def _moments(dice: random.Random, until: float, every: float) -> Iterator[float]:
    """Moments about `every` so many seconds."""
    at = dice.uniform(0, every)
    while at < until:
        yield at
        at += dice.uniform(0.3, 1.7) * every
