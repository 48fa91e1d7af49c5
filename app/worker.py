"""The loop: settle what is due, deliver what is due, ask the PMS what is due."""

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from sqlalchemy.exc import DBAPIError

from .connectors.base import Connector
from .delivery.connections import connector_for, find_connection
from .delivery.deliver import deliver
from .delivery.finish import finish
from .delivery.leases import Leases
from .delivery.outbox import Work, claim, is_any_leased
from .directory.lookup import answer_lookups
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
LOOKUP_BATCH = 5

log = get_logger(__name__)


class Worker:
    """Works for all clinics of a database. Any number of them may run, on any number of machines.

    `threads` is how many entries it writes at once.
    """

    def __init__(self, runtime: Runtime, threads: int = 4) -> None:
        self._runtime = runtime
        self._threads = threads
        self._woken = threading.Event()
        self._connectors: dict[int, Connector] = {}
        self._lock = threading.Lock()
        self._leases = Leases(runtime.db)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then finish what was begun and return."""
        with (
            watching(self._runtime.db, self._woken),
            self._leases.kept(),
            ThreadPoolExecutor(self._threads, "ringnote-deliver") as pool,
        ):
            log.info("worker.started", threads=self._threads)
            under_way: set[Future[None]] = set()
            look_at = 0.0
            while not stop.is_set():
                self._woken.clear()
                under_way = {each for each in under_way if not each.done()}
                try:
                    is_busy = self._step(pool, under_way)
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
        with (
            self._leases.kept(),
            ThreadPoolExecutor(self._threads, "ringnote-deliver") as pool,
        ):
            under_way: set[Future[None]] = set()
            while True:
                is_busy = self._step(pool, under_way)
                if under_way:
                    under_way = wait(under_way, return_when=FIRST_COMPLETED).not_done
                elif not is_busy:
                    # What a worker held when it was killed comes free within its lease.
                    if not is_any_leased(self._runtime.db):
                        return
                    time.sleep(POLL_SECONDS)

    def _step(self, pool: ThreadPoolExecutor, under_way: set[Future[None]]) -> bool:
        settled = settle_due(self._runtime, SETTLE_BATCH)
        free = self._threads - len(under_way)
        claimed_at = time.monotonic()
        claimed = claim(self._runtime.db, free) if free > 0 else []
        self._leases.hold(claimed, claimed_at)
        under_way |= {pool.submit(self._deliver, work) for work in claimed}
        asked = answer_lookups(
            self._runtime.db, self._connector_of_clinic, self._runtime.clock, LOOKUP_BATCH
        )
        return bool(settled or claimed or asked)

    def _deliver(self, work: Work) -> None:
        try:
            connector = self._connector(work.connection_id)
            if connector is not None:
                result = deliver(work, connector, self._runtime.clock, self._leases.is_held)
                finish(self._runtime.db, work, result)
        except Exception:
            # The lease runs out by itself; the next try looks before it writes.
            log.exception("delivery.failed", entry_id=work.entry_id)
        finally:
            self._leases.drop(work)
            self._woken.set()

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
