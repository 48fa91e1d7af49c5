"""The loop: settle what is due, deliver what is due, and do the background jobs that are due."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .abandoned import watching_over
from .background import Background
from .db import DATABASE_FAULTS, fault_of
from .delivery.accounts import Accounts
from .delivery.claim import claim, waits_for_tokens
from .delivery.deliver import Tools
from .delivery.finisher import Finisher
from .delivery.hands import Hands
from .delivery.leases import Leases
from .delivery.outbox import is_any_leased
from .delivery.records import Records
from .delivery.tries import Ended
from .jobs import JOBS, Workplace
from .ledger.settle import settle_due
from .logs import get_logger
from .metrics.tally import Tally
from .runtime import Runtime
from .telephony.drain import drain_spool
from .wake import watching

POLL_SECONDS = 0.5
"""The longest that something due goes unnoticed when no wake-up comes."""
PACED_POLL_SECONDS = 0.1
"""The same while a PMS is written to at its rate: what could not be paid for soon can be."""
DATABASE_PAUSE_SECONDS = 1.0
SPOOL_SECONDS = 5.0
SETTLE_BATCH = 5
"""How many subjects are settled before what is due to be written gets a turn."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Crew:
    """Who works while a worker runs."""

    hands: Hands
    background: Background

    @property
    def is_busy(self) -> bool:
        return self.hands.is_busy or self.background.is_busy


class Worker:
    """Works for all clinics of a database. Any number of them may run, on any number of machines.

    `threads` is how many entries it writes at once; slow PMSs do not count (`delivery/hands.py`).
    """

    def __init__(self, runtime: Runtime, threads: int = 8) -> None:
        self._runtime = runtime
        self._threads = threads
        self._woken = threading.Event()
        self._accounts = Accounts(runtime)
        self._leases = Leases(runtime.db)
        self._tally = runtime.own(Tally)
        self._paced_until = 0.0

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then finish what was begun and return."""
        with watching(self._runtime.db, self._woken), self._crew(stop) as crew:
            log.info("worker.started", threads=self._threads)
            look_at = 0.0
            while not stop.is_set():
                self._woken.clear()
                try:
                    is_busy = self._step(crew)
                except DATABASE_FAULTS as error:
                    log.warning("worker.database", error=fault_of(error))
                    stop.wait(DATABASE_PAUSE_SECONDS)
                    continue
                if time.monotonic() >= look_at:
                    drain_spool(self._runtime)
                    look_at = time.monotonic() + SPOOL_SECONDS
                if not is_busy:
                    self._woken.wait(min(self._poll_seconds, crew.hands.seconds_to_next_slow()))
        log.info("worker.stopped")

    def wake(self) -> None:
        """Have the loop look around at once (also to notice that it is to stop)."""
        self._woken.set()

    def run_until_idle(self) -> None:
        """Work off all that is due now, settling included, and return.

        Does not wait for what is due later, for open breakers or for paused connections.
        """
        drain_spool(self._runtime)
        with self._crew(threading.Event()) as crew:
            while True:
                self._woken.clear()
                was_busy = crew.is_busy
                if self._step(crew):
                    continue
                if crew.is_busy:
                    self._woken.wait(self._poll_seconds)
                elif was_busy:
                    # What ended after the claim may have left something that is due now.
                    continue
                elif is_any_leased(self._runtime.db) or waits_for_tokens(self._runtime.db):
                    # What a worker held when it was killed comes free within its lease, and what a
                    # PMS takes no more of for now within a moment.
                    time.sleep(self._poll_seconds)
                else:
                    return

    @property
    def _poll_seconds(self) -> float:
        return PACED_POLL_SECONDS if time.monotonic() < self._paced_until else POLL_SECONDS

    @contextmanager
    def _crew(self, stop: threading.Event) -> Iterator[_Crew]:
        runtime = self._runtime
        finisher = Finisher(runtime.db, self._leases, self.wake, self._count)
        tools = Tools(runtime.clock, self._leases.is_held, Records(runtime.db))
        hands = Hands(
            self._threads,
            self._accounts,
            self._leases,
            finisher,
            tools,
            self.wake,
            runtime.settings.public_url,
        )
        ending = threading.Event()
        place = Workplace(runtime, self._accounts, lambda: stop.is_set() or ending.is_set())
        with (
            watching_over(runtime.db),
            self._leases.kept(),
            finisher.running(),
            hands.ready(),
            Background(place, JOBS, self.wake) as background,
        ):
            try:
                yield _Crew(hands, background)
            finally:
                # Also where the loop broke down: it begins anew once its jobs have ended.
                ending.set()

    def _step(self, crew: _Crew) -> bool:
        """Take on whatever is due and somebody is free for; whether there was anything."""
        settled = settle_due(self._runtime, SETTLE_BATCH)
        self._tally.count_settled(settled)
        claimed = self._claim(crew.hands)
        has_begun = crew.background.step()
        return bool(settled or claimed or has_begun)

    def _count(self, ended: Ended) -> None:
        work, result = ended
        outcome = result.verdict.next.value
        self._tally.count_try(work.connector, outcome, result.duration_ms / 1000)

    def _claim(self, hands: Hands) -> int:
        """Take on due entries; how many."""
        free = hands.free()
        if free <= 0:
            return 0
        claimed_at = time.monotonic()
        claimed = claim(self._runtime.db, free, hands.slow(), hands.rooms())
        self._leases.hold(claimed, claimed_at)
        hands.take_on(claimed)
        if any(work.prepaid for work in claimed):
            self._paced_until = claimed_at + 2 * POLL_SECONDS
        return len(claimed)
