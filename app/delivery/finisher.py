"""The one thread of a worker that finishes tries: what came in meanwhile, in one transaction."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

from ..db import Database, fault_of
from ..logs import get_logger
from .finish import finish_all
from .leases import Leases
from .tries import Ended
from .work import Work

AT_ONCE = 50
LEFT_OVER_SECONDS = 0.02
"""How soon what another has locked is looked at again."""
DATABASE_PAUSE_SECONDS = 0.5
KEPT_SECONDS = 300.0
"""For so long what could not be kept is tried again though its lease has run out meanwhile: unless
another worker has claimed it since, what came of the try is known, and else that it was made."""

log = get_logger(__name__)


class Finisher:
    """Takes ended tries from the threads that made them. `when_done` is called after each commit,
    `tell` of each try as it is put.

    Commits at once what has gathered during the commit before, so that a commit is paid for once by
    many when there are many, and nobody waits when there are few. A lease is given up only when its
    try is finished, or cannot be.
    """

    def __init__(
        self,
        db: Database,
        leases: Leases,
        when_done: Callable[[], None],
        tell: Callable[[Ended], None],
    ) -> None:
        self._db = db
        self._leases = leases
        self._when_done = when_done
        self._tell = tell
        self._waiting: list[Ended] = []
        self._since: dict[str, float] = {}
        """By lease: when what is unfinished was put (monotonic seconds)."""
        self._at_work = 0
        self._is_closing = False
        self._changed = threading.Condition()

    def put(self, ended: Ended) -> None:
        self._tell(ended)
        with self._changed:
            self._waiting.append(ended)
            self._since[ended[0].lease_token] = time.monotonic()
            self._changed.notify()

    @property
    def unfinished(self) -> int:
        """How many tries have ended and are not finished yet."""
        with self._changed:
            return len(self._waiting) + self._at_work

    @contextmanager
    def running(self) -> Iterator[None]:
        """Finish what is put until the block ends, and then what is left."""
        thread = threading.Thread(target=self._run, name="ringnote-finisher", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._is_closing = True
                self._changed.notify()
            thread.join()

    def _run(self) -> None:
        while batch := self._take():
            left = self._finish(batch)
            done = [work for work, _ in batch if all(work is not each for each, _ in left)]
            for work in done:
                self._leases.drop(work)
            with self._changed:
                for work in done:
                    self._since.pop(work.lease_token, None)
                self._waiting += left
                self._at_work = 0
            self._when_done()
            if left:
                time.sleep(LEFT_OVER_SECONDS)

    def _take(self) -> list[Ended]:
        """What is waiting, an entry once at most; waits for it. Nothing only at the end.

        What has failed for as long as a lease goes alone: perhaps it fails the others.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing)
            batch: dict[int, Ended] = {}
            rest = []
            for ended in self._waiting:
                entry_id = ended[0].entry_id
                is_late = not self._is_closing and not self._leases.is_held(ended[0])
                if entry_id in batch or len(batch) >= AT_ONCE or (is_late and batch):
                    rest.append(ended)
                else:
                    batch[entry_id] = ended
                    if is_late:
                        break
            rest += self._waiting[len(batch) + len(rest) :]
            self._waiting = rest
            self._at_work = len(batch)
            return list(batch.values())

    def _finish(self, batch: Sequence[Ended]) -> list[Ended]:
        """Finish all, or each by itself where one fails the others; returns what to try again."""
        try:
            return finish_all(self._db, batch)
        except (OperationalError, InterfaceError, TimeoutError) as error:
            # The database is away, full, or has broken up a deadlock: none of it is their fault.
            log.warning("delivery.finish_database", error=fault_of(error))
            left = [each for each in batch if self._is_kept(each[0])]
            if left:
                time.sleep(DATABASE_PAUSE_SECONDS)
            return left
        except Exception:
            if len(batch) > 1:
                return [left for each in batch for left in self._finish([each])]
            # Its lease runs out by itself; the next try looks before it writes.
            log.exception("delivery.finish_failed", entry_id=batch[0][0].entry_id)
            return []

    def _is_kept(self, work: Work) -> bool:
        """Whether to try again to finish what the database could not take."""
        if self._is_closing:
            return self._leases.is_held(work)
        return time.monotonic() - self._since.get(work.lease_token, 0.0) < KEPT_SECONDS
