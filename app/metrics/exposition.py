"""All metrics of a scrape, in the text that Prometheus reads. Called by the web's `/metrics`."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from ..logs import get_logger
from ..runtime import Runtime
from ..spool import Spool
from .census import Census, Counting
from .tally import Tally

log = get_logger(__name__)


def expose(runtime: Runtime, accept: str = "") -> tuple[bytes, str]:
    """The metrics and their content type; `accept` is the scraper's header of that name.

    Where the database does not answer in time, `ringnote_database_up` says so, and what is counted
    there is left out.
    """
    registry = CollectorRegistry()
    registry.register(_Installation(runtime))
    if runtime.spool is not None:
        registry.register(_Spool(runtime.spool))
    registry.register(runtime.own(Tally))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Installation(Collector):
    """What the database says, the same whichever process is asked."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[Metric]:
        try:
            census = self._runtime.own(Counting).ask()
        except (SQLAlchemyError, TimeoutError) as error:
            log.warning("metrics.database", error=type(error).__name__)
            census = None
        yield _gauge(
            "database_up", "Whether the database answered, in time and as expected.", bool(census)
        )
        if census:
            yield from _of_census(census)


def _of_census(census: Census) -> Iterator[Metric]:
    entries = (((state.value,), count) for state, count in census.entries.items())
    yield _gauges("entries", "Entries that are not finished, by state.", ["state"], entries)
    yield _gauge(
        "due_entry_age_seconds",
        "How long the entry has been due that has been for longest, of connections in use that are"
        " not paused.",
        census.due_entry_age,
    )
    yield _gauge(
        "due_subjects", "Calls and conversations that are to be settled now.", census.due_subjects
    )
    yield _gauge(
        "due_subject_age_seconds",
        "How long the one has been due that has been for longest.",
        census.due_subject_age,
    )
    yield _gauge(
        "failing_subjects",
        "Calls and conversations of which the last settling failed.",
        census.failing_subjects,
    )
    yield _gauge("due_lookups", "Numbers that a PMS is to be asked for now.", census.due_lookups)
    yield _gauge(
        "due_lookup_age_seconds",
        "How long the look-up has been due that has been for longest.",
        census.due_lookup_age,
    )
    yield _gauges(
        "connections",
        "Connections in use, by connector and state.",
        ["connector", "state"],
        census.connections.items(),
    )
    stopped = (((connector,), count) for connector, count in census.stopped_syncs.items())
    yield _gauges(
        "stopped_syncs",
        "Connections whose last sync of clients ended early, by connector.",
        ["connector"],
        stopped,
    )
    yield _gauge(
        "quarantined_webhooks",
        "Webhooks that are kept and could not be used.",
        census.quarantined_webhooks,
    )
    yield _gauge("open_callbacks", "People who are to be called back.", census.open_callbacks)


class _Spool(Collector):
    """What waits in the data folder, of all processes that share it."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def collect(self) -> Iterator[Metric]:
        held = self._spool.measure()
        yield _gauge("spool_files", "Files in which webhooks wait for the database.", held.files)
        yield _gauge("spool_bytes", "Bytes of webhooks that wait for the database.", held.bytes)
        yield _gauge("spool_age_seconds", "How long the oldest webhook has waited.", held.seconds)
        yield _gauge(
            "spool_refused_bytes",
            "Bytes of webhooks that the database will never take.",
            held.refused,
        )


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(f"ringnote_{name}", says, value=value)


def _gauges(
    name: str, says: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], int]]
) -> Metric:
    family = GaugeMetricFamily(f"ringnote_{name}", says, labels=labels)
    for each, value in sorted(values):
        family.add_metric(each, value)
    return family
