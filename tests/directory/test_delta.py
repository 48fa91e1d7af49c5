"""Following the sandbox PMS over real HTTP while it renames, merges and deletes its clients.

`make delta` does so with 100,000 clients.
"""

import os
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from factories import make_clinic
from ringnote.clock import utc_now
from ringnote.delivery.account_settings import connector_for
from ringnote.delivery.connections import open_connection
from ringnote.directory.sync import SyncResult, sync_clients
from ringnote.errors import Temporary
from ringnote.models import Client, ClientNumber
from ringnote.numbers import read_numbers
from ringnote.runtime import Runtime
from ringnote.sandbox.faults import Fault, FaultKind, Faults
from ringnote.sandbox.people import invent_clients
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store

CLIENTS = int(os.environ.get("RINGNOTE_DELTA_CLIENTS", "2000"))
CHANGES_A_PAGE = 6
AT_ONCE = 800
FAULT_EVERY_PAGES = 7

Known = dict[str, tuple[str, tuple[str, ...], frozenset[str]]]


class Office:
    """The front desk of the PMS, whose people change whatever they like."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self.store = store
        self.faults = faults
        self.pages = 0
        self.ids: list[str] = []
        for seed, start in enumerate(range(0, CLIENTS, AT_ONCE)):
            self.ids += store.clients.add(invent_clients(min(AT_ONCE, CLIENTS - start), seed))
        self.chance = random.Random(1)

    def work(self, _clients: int) -> None:
        """A page's worth of changes, and now and then a fault for the next request."""
        self.pages += 1
        for _ in range(CHANGES_A_PAGE):
            self.change()
        if not self.pages % FAULT_EVERY_PAGES:
            self.faults.switch_on(Fault(FaultKind.SERVER_ERROR, left=1))

    def change(self) -> None:
        clients = self.store.clients
        act, one, other = self.chance.random(), *self.chance.sample(self.ids, 2)
        if act < 0.15:
            self.ids += clients.add(invent_clients(1))
        elif act < 0.4:
            clients.change(one, name=f"Renamed {self.chance.random()}")
        elif act < 0.6:
            number = f"212-555-01{self.chance.randrange(100):02d}"
            clients.change(one, phones=[{"number": number, "label": "new"}])
        else:
            self.ids.remove(one)
            if act < 0.8:
                clients.merge(one, other)
            else:
                clients.remove(one)

    def everybody(self) -> Iterator[dict]:
        after = ("", "")
        while page := self.store.clients.after(after, 1000, with_deleted=True):
            yield from page
            after = (page[-1]["updated_at"], page[-1]["id"])


@pytest.fixture
def office() -> Iterator[Office]:
    store = Store(":memory:")
    yield Office(store, Faults())
    store.close()


@pytest.fixture
def follow(runtime: Runtime, office: Office) -> Iterator[Callable[..., SyncResult]]:
    clinic = make_clinic(runtime.db)
    pms = create_pms(":memory:", "t", store=office.store, faults=office.faults)
    with Server(pms) as server:
        account = ("sandbox", {"base_url": server.url}, {"token": "t"})
        with runtime.db.transaction() as session:
            connection = open_connection(session, runtime, clinic.id, *account, now=utc_now())
        connector = connector_for(connection, runtime)

        def run(progress: Callable[[int], None] | None = None) -> SyncResult:
            return sync_clients(
                runtime.db, clinic, connection.id, connector, runtime.clock, progress
            )

        yield run


def test_the_directory_is_what_the_pms_is_however_it_changes_meanwhile(
    runtime: Runtime, office: Office, follow: Callable[..., SyncResult]
) -> None:
    failures, started_at = 0, time.monotonic()
    runs: list[SyncResult] = []
    while len(runs) < 3:
        try:
            runs.append(follow(office.work))
        except Temporary:
            failures += 1
    office.faults.switch_off()
    follow()

    took, peak = time.monotonic() - started_at, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stderr.write(
        f"\n{CLIENTS:,} clients, {office.pages:,} pages, {failures} faults, {took:.0f} s, peak"
        f" {peak / 1024:.0f} MiB with the PMS in the same process\n"
    )
    told = list(office.everybody())
    living = {each["id"]: as_known(each) for each in told if not each["deleted"]}
    merged = {each["id"]: each["merged_into"] for each in told if each.get("merged_into")}
    assert failures > 0
    assert len(merged) > office.pages / 2
    assert directory(runtime) == living
    assert merges(runtime) == merged


def as_known(client: dict) -> tuple[str, tuple[str, ...], frozenset[str]]:
    fields = [each["number"] for each in client["phones"]]
    numbers = {number.e164 for field in fields for number in read_numbers(field, "US")}
    patients = tuple(each["name"] for each in client["patients"])
    return client["name"], patients, frozenset(numbers - {""})


def directory(runtime: Runtime) -> Known:
    with runtime.db.reading() as session:
        numbers: dict[int, set[str]] = {}
        for row in session.execute(sa.select(ClientNumber.client_id, ClientNumber.number)):
            numbers.setdefault(row.client_id, set()).add(row.number)
        clients = session.execute(
            sa.select(Client.id, Client.external_id, Client.name, Client.patients).where(
                Client.deleted_at.is_(None)
            )
        )
        return {
            row.external_id: (row.name, tuple(row.patients), frozenset(numbers.get(row.id, ())))
            for row in clients
        }


def merges(runtime: Runtime) -> dict[str, str]:
    with runtime.db.reading() as session:
        rows = session.execute(
            sa.select(Client.external_id, Client.merged_into).where(Client.merged_into.is_not(None))
        )
        return {row.external_id: row.merged_into for row in rows}
