"""The loop: settle what is due, deliver what is due, ask the PMS what is due."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from .connectors.base import Connector
from .delivery.connections import connector_for, find_connection
from .delivery.deliver import deliver
from .delivery.finish import finish
from .delivery.leases import Leases
from .delivery.outbox import Work, claim, is_any_leased
from .directory.lookup import Asked, answer_lookup, claim_lookup
from .ledger.settle import settle_due
from .logs import get_logger
from .models import Connection
from .runtime import Runtime
from .telephony.drain import drain_spool
from .wake import watching

POLL_SECONDS = 0.5
"""The longest that something due goes unnoticed when no wake-up comes."""
DATABASE_PAUSE_SECONDS = 1.0
SPOOL_SECONDS = 5.0
SETTLE_BATCH = 20
ASKING_THREADS = 4
"""How many clinics' PMSs are asked for numbers at once."""

log = get_logger(__name__)


Job = TypeVar("Job", Work, Asked)


@dataclass
class _Hands:
    """The threads of a running worker, and what they are at."""

    pool: ThreadPoolExecutor
    delivering: set[Future[None]] = field(default_factory=set)
    asking: dict[Future[None], int] = field(default_factory=dict)
    """Look-ups, with the clinic whose PMS is asked."""

    @property
    def under_way(self) -> set[Future[None]]:
        return self.delivering | self.asking.keys()

    def forget_done(self) -> None:
        self.delivering = {each for each in self.delivering if not each.done()}
        self.asking = {each: clinic for each, clinic in self.asking.items() if not each.done()}


class Worker:
    """Works for all clinics of a database. Any number of them may run, on any number of machines.

    `threads` is how many entries it writes at once.
    """

    def __init__(self, runtime: Runtime, threads: int = 8) -> None:
        self._runtime = runtime
        self._threads = threads
        self._woken = threading.Event()
        self._connectors: dict[int, Connector] = {}
        self._lock = threading.Lock()
        self._leases = Leases(runtime.db)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then finish what was begun and return."""
        with watching(self._runtime.db, self._woken), self._hands() as hands:
            log.info("worker.started", threads=self._threads)
            look_at = 0.0
            while not stop.is_set():
                self._woken.clear()
                try:
                    is_busy = self._step(hands)
                except DBAPIError as error:
                    log.warning("worker.database", error=type(error.orig).__name__)
                    stop.wait(DATABASE_PAUSE_SECONDS)
                    continue
                if time.monotonic() >= look_at:
                    drain_spool(self._runtime)
                    look_at = time.monotonic() + SPOOL_SECONDS
                if not is_busy:
                    self._woken.wait(POLL_SECONDS)
        log.info("worker.stopped")

    def wake(self) -> None:
        """Have the loop look around at once (also to notice that it is to stop)."""
        self._woken.set()

    def run_until_idle(self) -> None:
        """Work off all that is due now, settling included, and return.

        Does not wait for what is due later, for open breakers or for paused connections.
        """
        drain_spool(self._runtime)
        with self._hands() as hands:
            while True:
                is_busy = self._step(hands)
                if hands.under_way:
                    wait(hands.under_way, return_when=FIRST_COMPLETED)
                elif not is_busy:
                    # What a worker held when it was killed comes free within its lease.
                    if not is_any_leased(self._runtime.db):
                        return
                    time.sleep(POLL_SECONDS)

    @contextmanager
    def _hands(self) -> Iterator[_Hands]:
        with (
            self._leases.kept(),
            ThreadPoolExecutor(self._threads + ASKING_THREADS, "ringnote-work") as pool,
        ):
            yield _Hands(pool)

    def _step(self, hands: _Hands) -> bool:
        """Take on whatever is due and somebody is free for; whether there was anything."""
        hands.forget_done()
        settled = settle_due(self._runtime, SETTLE_BATCH)
        free = self._threads - len(hands.delivering)
        claimed_at = time.monotonic()
        claimed = claim(self._runtime.db, free) if free > 0 else []
        self._leases.hold(claimed, claimed_at)
        for work in claimed:
            hands.delivering.add(self._begin(hands, self._deliver, work))
        asked = self._ask_what_is_due(hands)
        return bool(settled or claimed or asked)

    def _begin(self, hands: _Hands, act: Callable[[Job], None], job: Job) -> Future[None]:
        begun = hands.pool.submit(_run, act, job)
        # Not at the end of what it does: the loop must find its thread free.
        begun.add_done_callback(lambda _: self._woken.set())
        return begun

    def _ask_what_is_due(self, hands: _Hands) -> bool:
        """Take on look-ups, one of a clinic at a time: a PMS that hangs holds up its own alone."""
        has_asked = False
        while len(hands.asking) < ASKING_THREADS:
            lookup = claim_lookup(self._runtime.db, list(hands.asking.values()))
            if lookup is None:
                break
            hands.asking[self._begin(hands, self._ask, lookup)] = lookup.clinic_id
            has_asked = True
        return has_asked

    def _ask(self, lookup: Asked) -> None:
        connector = self._connector_of_clinic(lookup.clinic_id)
        answer_lookup(self._runtime.db, lookup, connector, self._runtime.clock)

    def _deliver(self, work: Work) -> None:
        try:
            connector = self._connector(work.connection_id)
            if connector is not None:
                result = deliver(work, connector, self._runtime.clock, self._leases.is_held)
                finish(self._runtime.db, work, result)
        finally:
            self._leases.drop(work)

    def _connector(self, connection_id: int) -> Connector | None:
        with self._lock:
            if connection_id not in self._connectors:
                with self._runtime.db.reading() as session:
                    connection = session.get(Connection, connection_id)
                if connection is None:
                    return None
                self._connectors[connection_id] = connector_for(
                    connection, self._runtime.vault, self._runtime.http
                )
            return self._connectors[connection_id]

    def _connector_of_clinic(self, clinic_id: int) -> Connector | None:
        with self._runtime.db.reading() as session:
            connection = find_connection(session, clinic_id)
        return self._connector(connection.id) if connection else None


def _run(act: Callable[[Job], None], job: Job) -> None:
    try:
        act(job)
    except Exception:
        # What it was taken on under runs out by itself; the next try looks before it writes.
        if isinstance(job, Work):
            log.exception("delivery.failed", entry_id=job.entry_id)
        else:
            log.exception("lookup.failed", clinic_id=job.clinic_id)
