"""The leases a worker holds: renewed while it lives, so that a dead one's rows soon come free."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..db import DATABASE_FAULTS, Database, fault_of
from ..logs import get_logger
from .claim_queries import LEASE_SECONDS
from .outbox import renew
from .work import Work

RENEW_SECONDS = 2.5
SLACK_SECONDS = 3.0
"""A lease with less than this left is not relied on any more."""

log = get_logger(__name__)


class Leases:
    """What one worker has claimed and not yet finished. Safe to use from its threads."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._held: dict[str, tuple[Work, float]] = {}
        """By token: until when each is held (monotonic seconds)."""
        self._lock = threading.Lock()

    def hold(self, work: list[Work], claimed_at: float) -> None:
        """Note what was claimed at `claimed_at` (monotonic seconds, read before the claim)."""
        with self._lock:
            until = claimed_at + LEASE_SECONDS
            self._held.update({each.lease_token: (each, until) for each in work})

    def drop(self, work: Work) -> None:
        with self._lock:
            self._held.pop(work.lease_token, None)

    def is_held(self, work: Work) -> bool:
        """Whether nobody else can have claimed it, for long enough to send something."""
        with self._lock:
            _, until = self._held.get(work.lease_token, (work, 0.0))
        return until - time.monotonic() > SLACK_SECONDS

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew all leases in the background until the block ends."""
        stop = threading.Event()
        thread = threading.Thread(
            target=self._keep, args=(stop,), name="ringnote-leases", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _keep(self, stop: threading.Event) -> None:
        while not stop.wait(RENEW_SECONDS):
            with self._lock:
                work = [each for each, _ in self._held.values()]
            if not work:
                continue
            asked_at = time.monotonic()
            try:
                held = renew(self._db, work)
            except DATABASE_FAULTS as error:
                log.warning("delivery.renew_failed", error=fault_of(error))
                continue
            with self._lock:
                for token in held & self._held.keys():
                    self._held[token] = self._held[token][0], asked_at + LEASE_SECONDS
