"""Posting webhooks as a phone system does: over connections that are kept open.

Straight on `http.client`, so that what is measured is the receiver and not who calls it.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from ringnote.sandbox.phones import Webhook

from .measurement import BenchmarkError, Sample

POST_SECONDS = 30


def post_all(address: str, webhooks: Sequence[Webhook], connections: int) -> Sample:
    """A round that posts `webhooks` over so many connections at once.

    Its seconds are those of the whole by webhook. Raises BenchmarkError unless all are accepted.
    """
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(connect(address))) for _ in range(connections)]
        pool = stack.enter_context(ThreadPoolExecutor(connections, "phones"))
        shares = [webhooks[number::connections] for number in range(connections)]
        started = time.perf_counter()
        latencies = list(pool.map(_post_share, [address] * connections, opened, shares))
        seconds = time.perf_counter() - started
    return Sample(seconds / len(webhooks), tuple(each for share in latencies for each in share))


def connect(address: str) -> HTTPConnection:
    """An open connection to where `address` leads."""
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=POST_SECONDS)
    connection.connect()
    return connection


def post(connection: HTTPConnection, address: str, webhook: Webhook) -> None:
    """Post one webhook. Raises BenchmarkError unless it is accepted."""
    headers = {"Content-Type": webhook.content_type}
    try:
        connection.request("POST", urlsplit(address).path, webhook.body, headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException) as error:
        raise BenchmarkError(f"a webhook was not answered: {error!r}") from None
    if answer.status != 200 or b'"accepted"' not in body:
        raise BenchmarkError(f"a webhook was not accepted: {answer.status} {body[:200]!r}")


def _post_share(
    address: str, connection: HTTPConnection, webhooks: Sequence[Webhook]
) -> list[float]:
    latencies = []
    for webhook in webhooks:
        started = time.perf_counter()
        post(connection, address, webhook)
        latencies.append(time.perf_counter() - started)
    return latencies
