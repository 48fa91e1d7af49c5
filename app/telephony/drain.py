"""Empties the spool once the database is back.

Called by the receiver after each webhook, and by the worker every few seconds.
"""

import os
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from ..logs import get_logger
from ..runtime import Runtime
from .ingest import keep_spooled

EVERY_SECONDS = 1.0

log = get_logger(__name__)


class Drain:
    """A thread that lives while there is something of this process's to drain."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._process: int | None = None
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Begin if there is something to do; cheap enough for every webhook.

        What processes that have ended left is looked for once in each process's life: later ones
        are the worker's.
        """
        spool = self._runtime.spool
        if spool is None:
            return
        if self._process == os.getpid() and not spool.has_own:
            return
        with self._lock:
            is_begun = self._thread is not None and self._thread.is_alive()
            if not is_begun or self._process != os.getpid():
                thread = threading.Thread(target=self._run, name="ringnote-drain", daemon=True)
                # One that cannot be begun is begun with a later webhook.
                thread.start()
                self._process, self._thread = os.getpid(), thread

    def _run(self) -> None:
        spool = self._runtime.spool
        while spool is not None:
            drain_spool(self._runtime)
            with self._lock:
                if not spool.has_own:
                    self._thread = None
                    return
            time.sleep(EVERY_SECONDS)


def drain_spool(runtime: Runtime) -> int:
    """Store all that lies in the spool, if the database can be reached; how many there were."""
    spool = runtime.spool
    if spool is None:
        return 0
    try:
        if spool.is_empty():
            return 0
        count = spool.drain(lambda webhooks: keep_spooled(runtime, webhooks))
    except (SQLAlchemyError, OSError) as error:
        log.warning("spool.waits", error=type(error).__name__)
        return 0
    if count:
        log.info("spool.drained", count=count)
    return count
