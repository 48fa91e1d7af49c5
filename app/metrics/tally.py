"""What this process has done since it began, counted where it happens: its web side, its worker."""

import os
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from ..errors import ConfigError
from ..logs import get_logger
from ..runtime import Runtime

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The client library's own switch: a folder in which the processes of one server count together."""
PREFIX = "ringnote_"
ROOM_BYTES = 1024 * 1024
"""What the client library maps of each kind, many times what our counts take."""
ANSWER_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
TRY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

Given = ParamSpec("Given")

log = get_logger(__name__)


class Answer(StrEnum):
    """How a webhook was answered."""

    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"
    SPOOLED = "spooled"
    """200, and kept in the data folder until the database takes it."""
    UNKNOWN = "unknown_token"
    TOO_LARGE = "too_large"
    UNAVAILABLE = "unavailable"
    """503: kept nowhere."""
    OTHER = "other"
    """Whatever else, a sender that broke off in its midst, say."""


def _surviving(
    count: "Callable[Concatenate[Tally, Given], None]",
) -> "Callable[Concatenate[Tally, Given], None]":
    """Where the shared folder is gone or full, have nothing more counted, rather than cost a
    webhook its answer or an entry its end."""

    @wraps(count)
    def surviving(self: "Tally", /, *given: Given.args, **more: Given.kwargs) -> None:
        if self.has_failed:
            return
        try:
            if self._process != os.getpid():
                self._make_room()
            count(self, *given, **more)
        except OSError as error:
            self.has_failed = True
            log.warning("metrics.counting_ended", error=type(error).__name__)

    return surviving


class Tally(Collector):
    """The counts of one runtime: `runtime.own(Tally)`. Threads share it.

    With PROMETHEUS_MULTIPROC_DIR it tells those of all processes that share that folder. Raises
    ConfigError if nothing can be written there; if that comes later, it counts no more.
    """

    def __init__(self, _runtime: Runtime) -> None:
        self.has_failed = False
        try:
            self._begin()
        except OSError as error:
            raise ConfigError(
                f"{SHARED_FOLDER}: nothing can be written to {os.environ.get(SHARED_FOLDER)}"
                f" ({error.strerror}); name an empty folder that this user may write, or unset it"
            ) from None

    def _begin(self) -> None:
        self._make_room()
        # Not the library's own registry: two of us in one process, or a host's, would collide.
        self._registry = CollectorRegistry()
        self._webhooks = Counter(
            "ringnote_webhooks",
            "Webhooks answered, by answer.",
            ["answer"],
            registry=self._registry,
        )
        self._answer_seconds = Histogram(
            "ringnote_webhook_seconds",
            "Seconds from the arrival of a webhook to its answer.",
            buckets=ANSWER_BUCKETS,
            registry=self._registry,
        )
        self._tries = Counter(
            "ringnote_tries",
            "Tries to write an entry to a PMS, by connector and outcome.",
            ["connector", "outcome"],
            registry=self._registry,
        )
        self._try_seconds = Histogram(
            "ringnote_try_seconds",
            "Seconds that a try took, by connector.",
            ["connector"],
            buckets=TRY_BUCKETS,
            registry=self._registry,
        )
        self._settled = Counter(
            "ringnote_settled_subjects",
            "Calls and conversations settled.",
            registry=self._registry,
        )
        # From the start, so that the first of a kind is seen as an increase.
        for answer in Answer:
            self._webhooks.labels(answer)

    def _make_room(self) -> None:
        """Have the disk give what this process's counts take in the shared folder: once they are
        mapped, a full one would kill it. Raises OSError."""
        self._process = os.getpid()
        if folder := os.environ.get(SHARED_FOLDER):
            for kind in ("counter", "histogram"):
                with (Path(folder) / f"{kind}_{self._process}.db").open("ab") as file:
                    os.posix_fallocate(file.fileno(), 0, ROOM_BYTES)

    @_surviving
    def count_webhook(self, answer: Answer, seconds: float) -> None:
        self._webhooks.labels(answer).inc()
        self._answer_seconds.observe(seconds)

    @_surviving
    def count_try(self, connector: str, outcome: str, seconds: float) -> None:
        """`outcome` is an attempt's; `seconds` is 0 where nothing could be begun."""
        self._tries.labels(connector, outcome).inc()
        if seconds:
            self._try_seconds.labels(connector).observe(seconds)

    @_surviving
    def count_settled(self, subjects: int) -> None:
        self._settled.inc(subjects)

    def collect(self) -> Iterator[Metric]:
        for metric in self._source().collect():
            # A host's own may lie in the same folder.
            if metric.name.startswith(PREFIX):
                # When each was made is of no use to anybody, and would double them.
                metric.samples = [
                    each for each in metric.samples if not each.name.endswith("_created")
                ]
                yield metric

    def close(self) -> None:
        """It holds nothing open."""

    def _source(self) -> Collector:
        folder = os.environ.get(SHARED_FOLDER)
        if not folder:
            return self._registry
        if not Path(folder).is_dir():
            # Rather nothing of it than no scrape.
            return CollectorRegistry()
        found: Collector = MultiProcessCollector(None)  # type: ignore[no-untyped-call]
        return found
