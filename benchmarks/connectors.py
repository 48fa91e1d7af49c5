"""`python -m benchmarks.connectors`: how much of its own each connector spends on a write.

That is processor time of the writing thread outside `Http.request`, against the fakes of the tests.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ringnote.connectors.base import Connector, Note
from ringnote.http import Answer, Http

FAKES = {
    "cliniko": ("cliniko_fake", "ClinikoPms"),
    "ezyvet": ("ezyvet_fake", "EzyVetPms"),
    "fhir": ("fhir_fake", "FhirPms"),
    "gnuhealth": ("test_gnuhealth", "FakeGnuHealth"),
    "hubspot": ("hubspot_fake", "HubSpotPms"),
    "provet": ("provet_fake", "ProvetPms"),
    "rest": ("test_rest_sandbox", "DescribedPms"),
    "sandbox": ("test_sandbox", "SandboxPms"),
}
WARM_UP = 20
BODY = "Thu 26 Nov 2026, 10:42 am, talked about 3 min\nFrom (212) 555-0142\n\nRingnote R-{number}"
AT = datetime(2026, 11, 26, 15, 42, tzinfo=UTC)


class Watched(Http):
    """Counts the processor time that its requests take the thread that makes them."""

    spent = 0.0

    def request(self, *args: Any, **kwargs: Any) -> Answer:
        started = time.thread_time()
        try:
            return super().request(*args, **kwargs)
        finally:
            Watched.spent += time.thread_time() - started


@contextmanager
def connected(name: str) -> Iterator[tuple[Connector, str]]:
    """A connector to a fake of its PMS, and the id of a client there."""
    module, kind = FAKES[name]
    pms = getattr(importlib.import_module(f"connectors.{module}"), kind)()
    http = Watched(allow_private=True)
    try:
        [client_id] = pms.add_clients([("Jane Doe", ("+12125550142",))])
        yield pms.connector(http), client_id
    finally:
        http.close()
        pms.server.stop()


def tell(name: str, writes: int) -> str:
    """A connector's row of the table, by the mean of so many writes."""
    with connected(name) as (connector, client_id):

        def note(number: int) -> Note:
            body = BODY.format(number=number)
            return Note(client_id, "Missed call", body, AT, f"R-{number}")

        def create(number: int) -> str:
            return connector.create_note(note(number), f"R-{number}").pms_id

        created, changed = _measure(create, writes), "none"
        if connector.capabilities.update_note:
            there = create(WARM_UP + writes)
            changed = _measure(lambda number: connector.update_note(there, note(number)), writes)
    return f"| {name} | {created} | {changed} |"


def _measure(write: Callable[[int], object], writes: int) -> str:
    own, requests = 0.0, 0.0
    for number in range(WARM_UP + writes):
        before, started = Watched.spent, time.thread_time()
        write(number)
        whole, inside = time.thread_time() - started, Watched.spent - before
        if number >= WARM_UP:
            own, requests = own + whole - inside, requests + inside
    return f"**{own / writes * 1000:.3f}**, {requests / writes * 1000:.2f} ms"


def main() -> None:
    """Print the table that docs/benchmarks.md shows."""
    parser = argparse.ArgumentParser(prog="benchmarks.connectors", description=__doc__)
    parser.add_argument("--writes", type=int, default=300, help="how many of each kind")
    asked = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    print("| connector | create a note: its own, its requests | change it: its own, its requests |")
    print("|---|---|---|")
    for name in FAKES:
        print(tell(name, asked.writes))


if __name__ == "__main__":
    main()
