"""What a monitor reads at `/metrics`, for tests."""

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from ringnote.runtime import Runtime

METRICS_TOKEN = "a-token-of-the-monitor-alone"
SHOWING = {"Authorization": f"Bearer {METRICS_TOKEN}"}

Samples = Mapping[tuple[str, ...], float]


def watched(runtime: Runtime, **settings: object) -> Runtime:
    """One on the same database, whose metrics may be read by METRICS_TOKEN."""
    chosen = {"metrics_token": METRICS_TOKEN} | settings
    return Runtime(runtime.settings.model_copy(update=chosen), runtime.db)


def read(text: str) -> Samples:
    """Every sample by its name and the values of its labels, in the order of their names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
