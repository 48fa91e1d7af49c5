"""The whole journey: from the HangupCall that ends a call to its note in the PMS.

Receiver, worker and PMS are processes of their own on loopback sockets, as in use. A journey ends
at the time that the PMS stamps its note with.
"""

import itertools
import statistics
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from http.client import HTTPConnection
from typing import TypeVar

from ringnote.clock import utc_now
from ringnote.sandbox.people import Caller
from ringnote.sandbox.phones import PhoneSystem, PlannedCall

from . import processes
from .clinic import OFFICE
from .databases import Stage
from .measurement import BenchmarkError, Effort, Floor, Measurement, Sample, Subject, compare
from .pms import Pms, connected, invent_note
from .posting import connect, post

BETWEEN_SECONDS = 0.1
CALM_SECONDS = 0.3
WAIT_SECONDS = 30.0
Item = TypeVar("Item")


def measure(stage: Stage, effort: Effort) -> list[Measurement]:
    """Measure calls that end one after another, ten a second, each from a client of its own."""
    count = effort.operations(12, 4)
    with (
        connected(stage, count * (effort.rounds + 1)) as (invented, pms, clients),
        processes.serving(stage) as serve,
        processes.answering(stage) as bare,
        processes.working(stage) as worker,
    ):
        path = f"/webhooks/{invented.token}"
        fresh = iter(clients.items())
        return compare(
            Subject(
                "journey",
                "hangup to note",
                lambda: _travel(serve.url + path, pms, dict(itertools.islice(fresh, count))),
            ),
            [
                Floor(
                    "bare 200 + requests POST",
                    partial(_post_twice, bare.url + path, pms, list(clients)[:count]),
                )
            ],
            stage.database,
            effort,
            worker.peak_mib,
        )


def _travel(address: str, pms: Pms, clients: dict[str, str]) -> Sample:
    """A round of one answered call from each client, whose number (E.164) is told by its id."""
    calls = {client: _plan(number) for client, number in clients.items()}
    ended_at: dict[str, datetime] = {}
    with closing(connect(address)) as connection:
        for call in calls.values():
            for webhook in call.webhooks[:-1]:
                post(connection, address, webhook)
        time.sleep(CALM_SECONDS)
        for client in _paced(calls):
            ended_at[client] = _hang_up(connection, address, calls[client])
    return _sample(_wait_for_note(pms, client) - ended_at[client] for client in clients)


def _post_twice(address: str, pms: Pms, clients: list[str]) -> Sample:
    """A round of the same exchanges with nothing between: each hangup, then a note."""
    taken = []
    call = _plan(OFFICE.line)
    with closing(connect(address)) as connection:
        for client in _paced(clients):
            ended_at = _hang_up(connection, address, call)
            taken.append(pms.add_note(invent_note(client)) - ended_at)
    return _sample(taken)


def _plan(number: str) -> PlannedCall:
    return PhoneSystem(OFFICE, [Caller(number, "DOE JANE")], seed=int(number)).answered()[0]


def _paced(items: Iterable[Item]) -> Iterator[Item]:
    started = time.monotonic()
    for place, item in enumerate(items):
        time.sleep(max(0.0, started + place * BETWEEN_SECONDS - time.monotonic()))
        yield item


def _hang_up(connection: HTTPConnection, address: str, call: PlannedCall) -> datetime:
    ended_at = utc_now()
    post(connection, address, call.webhooks[-1])
    return ended_at


def _wait_for_note(pms: Pms, client: str) -> datetime:
    deadline = time.monotonic() + WAIT_SECONDS
    while (written_at := pms.find_note(client)) is None:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"no note was written within {WAIT_SECONDS:.0f} seconds")
        time.sleep(BETWEEN_SECONDS)
    return written_at


def _sample(taken: Iterable[timedelta]) -> Sample:
    latencies = tuple(each.total_seconds() for each in taken)
    return Sample(statistics.median(latencies), latencies)
