"""Ingest: from a webhook's first byte to its 200, and within that what it takes to keep it."""

import itertools
from collections.abc import Iterator
from functools import partial

from ringnote.clock import utc_now
from ringnote.runtime import Runtime
from ringnote.sandbox.phones import Webhook
from ringnote.telephony.ingest import take

from . import floors, processes
from .clinic import invent_clinic, invent_numbers
from .databases import Stage
from .measurement import Effort, Floor, Measurement, Sample, Subject, compare, timed
from .posting import post_all

CALLERS = 1000
AT_ONCE = (8, 32)
BARE = "bare Flask 200"


def measure(stage: Stage, effort: Effort) -> list[Measurement]:
    """Measure the receiver under load, then one webhook after another, then `take` by itself."""
    db = stage.runtime.db
    invented = invent_clinic(db, invent_numbers(CALLERS))
    webhooks = (webhook for call in invented.phones.calls() for webhook in call.webhooks)
    many, few = effort.operations(320, 80), effort.operations(120, 30)
    with (
        floors.inserting(db) as inserts,
        processes.serving(stage) as serve,
        processes.answering(stage) as bare,
    ):
        path = f"/webhooks/{invented.token}"
        ours = partial(_post, webhooks, serve.url + path)
        theirs = partial(_post, webhooks, bare.url + path)
        insert = Floor(floors.INSERT, partial(inserts.run, few))
        taking = partial(_take, webhooks, stage.runtime, invented.token, few)
        at_once = [
            measured
            for connections in AT_ONCE
            for measured in compare(
                Subject(
                    "ingest", f"webhooks, {connections} at once", partial(ours, many, connections)
                ),
                [Floor(BARE, partial(theirs, many, connections))],
                stage.database,
                effort,
                serve.peak_mib,
            )
        ]
        one_by_one = compare(
            Subject("ingest", "webhooks, one by one", partial(ours, few, 1)),
            [Floor(BARE, partial(theirs, few, 1)), insert],
            stage.database,
            effort,
        )
        without_http = compare(
            Subject("ingest", "webhooks, without HTTP", taking), [insert], stage.database, effort
        )
    return [*at_once, *one_by_one, *without_http]


def _post(webhooks: Iterator[Webhook], address: str, count: int, connections: int) -> Sample:
    return post_all(address, list(itertools.islice(webhooks, count)), connections)


def _take(webhooks: Iterator[Webhook], runtime: Runtime, token: str, count: int) -> Sample:
    def keep(webhook: Webhook) -> None:
        take(runtime, token, webhook.body, webhook.content_type, utc_now())

    return timed(keep, list(itertools.islice(webhooks, count)))
