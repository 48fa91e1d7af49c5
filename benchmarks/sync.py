"""Sync: all clients of a PMS read for the first time, over reading the same pages and no more."""

import time

import requests

from ringnote.clock import utc_now
from ringnote.delivery.connections import open_connection
from ringnote.ledger.clinics import ClinicFields, add_clinic
from ringnote.sandbox.people import invent_clients
from ringnote.sandbox.store import Store

from .databases import Stage
from .measurement import BenchmarkError, Effort, Measurement, Sample, measured_once
from .processes import finished, pretending

SIZES = (20_000, 200_000)
QUICK_SIZES = (400, 1200)
INVENTED_AT_ONCE = 800
TOKEN = "bench"  # noqa: S105
TIMEOUT_SECONDS = 30


def measure(stage: Stage, effort: Effort) -> list[Measurement]:
    """Measure `ringnote clients sync` of a clinic with few clients, then of one with ten times as
    many: its memory should be the same."""
    sizes = QUICK_SIZES if effort.is_quick else SIZES
    return [_measure(stage, count) for count in sizes]


def _measure(stage: Stage, count: int) -> Measurement:
    path = stage.folder / f"pms-{count}.sqlite3"
    store = Store(path)
    for seed, start in enumerate(range(0, count, INVENTED_AT_ONCE)):
        store.clients.add(invent_clients(min(INVENTED_AT_ONCE, count - start), seed))
    store.close()
    with pretending(stage, TOKEN, path) as pms:
        name = _connect(stage, count, pms.url)
        started = time.perf_counter()
        peak = finished(stage, "clients", "sync", name)
        ours = Sample((time.perf_counter() - started) / count)
        floor = _read_all(pms.url, count)
    return measured_once(
        "sync",
        f"a client, of {count:,}",
        stage.database,
        ours,
        ("requests GET, the same pages", floor),
        {"peak_mib": peak},
    )


def _connect(stage: Stage, count: int, url: str) -> str:
    """The name of a new clinic whose PMS is at `url`. Commits."""
    name = f"Elm Street Vets {count}"
    fields = ClinicFields(name, str(count), "", "America/New_York", "US")
    with stage.runtime.db.transaction() as session:
        clinic = add_clinic(session, fields, utc_now(), by="benchmark")
        account = ("sandbox", {"base_url": url}, {"token": TOKEN})
        open_connection(session, stage.runtime, clinic.id, *account, now=utc_now())
    return name


def _read_all(url: str, count: int) -> Sample:
    started, read, more = time.perf_counter(), 0, True
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        asked = {"limit": "200"}
        while more:
            answer = session.get(f"{url}/api/v1/clients", params=asked, timeout=TIMEOUT_SECONDS)
            page = answer.json()
            read += len(page["items"])
            asked["cursor"] = more = page["next_cursor"]
    if read != count:
        raise BenchmarkError(f"{read:,} clients were read of {count:,}")
    return Sample((time.perf_counter() - started) / count)
