"""Lookup: who is calling, as a program asks for it over HTTP while the phone rings."""

import itertools
import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from http.client import HTTPException
from urllib.parse import quote

from ringnote.access.identity import Scope
from ringnote.access.tokens import add_token
from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.ledger.settle import settle_due

from . import processes
from .clinic import add_directory, analyze, invent_clinic, invent_numbers, keep_calls
from .databases import Stage
from .measurement import BenchmarkError, Effort, Floor, Measurement, Sample, Subject, compare
from .posting import connect

CLIENTS = 100_000
QUICK_CLIENTS = 10_000
CALLERS = 50


def measure(stage: Stage, effort: Effort) -> list[Measurement]:
    """Measure the look-up of numbers that called before, in a large directory, one by one."""
    db = stage.runtime.db
    numbers = invent_numbers(effort.operations(CLIENTS, QUICK_CLIENTS))
    callers, count = numbers[:CALLERS], effort.operations(120, 30)
    invented = invent_clinic(db, callers)
    add_directory(db, invented.clinic, ((f"C{i}", each) for i, each in enumerate(numbers)))
    calls = itertools.islice(invented.phones.calls(), effort.operations(400, 60))
    keep_calls(db, invented.clinic, list(calls))
    while settle_due(stage.runtime):
        pass
    analyze(db)
    path = f"/api/v1/clinics/{invented.clinic.id}/lookup?number="
    with processes.serving(stage) as serve, processes.answering(stage) as bare:
        ours = partial(_look_up, serve.url, path, callers, count, _tokens(db))
        theirs = partial(_look_up, bare.url, path, callers, count, itertools.repeat(""))
        return compare(
            Subject("lookup", f"among {len(numbers):,} numbers", ours),
            [Floor("bare Flask 200", theirs)],
            stage.database,
            effort,
        )


def _tokens(db: Database) -> Iterator[str]:
    """A token for each round, since none may ask as often as all the rounds together."""
    for number in itertools.count():
        asked = (f"screen {number}", [Scope.CLIENTS], None, utc_now(), None, "benchmark")
        with db.transaction() as session:
            _, secret = add_token(session, *asked)
        yield secret


def _look_up(
    url: str, path: str, callers: Sequence[str], count: int, tokens: Iterator[str]
) -> Sample:
    headers = {"Authorization": f"Bearer {next(tokens)}"}
    latencies = []
    with closing(connect(url)) as connection:
        for number in random.choices(callers, k=count):
            started = time.perf_counter()
            try:
                connection.request("GET", path + quote(number), headers=headers)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, HTTPException) as error:
                raise BenchmarkError(f"a look-up was not answered: {error!r}") from None
            latencies.append(time.perf_counter() - started)
            if answer.status != 200 or json.loads(body)["kind"] != "client":
                raise BenchmarkError(f"nobody was found: {answer.status} {body[:200]!r}")
    return Sample(sum(latencies) / count, tuple(latencies))
