"""The threads of a worker that write to PMSs, and how a slow PMS is kept from holding them all."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from ..db import DATABASE_FAULTS, fault_of
from ..errors import ConfigError, OutcomeUnknown
from ..logs import get_logger
from .accounts import Accounts
from .deliver import Tools, deliver
from .finisher import Finisher
from .leases import Leases
from .meter import prepaid
from .retry import judge, judge_untried
from .tries import Try
from .wording import with_story
from .work import Work

SLOW_SECONDS = 1.0
"""A try that has lasted longer is slow: another thread takes its place, and its connection is given
nothing more by this worker until it has ended."""
MOST_SLOW = 64
"""How many slow tries a worker bears beside its threads; a thread that waits costs little."""
MOST_BY_HOST = MOST_SLOW // 4
"""How many tries at one host once that hangs, so that there are threads for the others."""
UNFINISHED_BY_THREAD = 4
NO_THREAD = "the worker could begin no thread for it; see how many its machine allows"
UNREAD = "the account's settings could not be read: the database did not answer"

log = get_logger(__name__)


class Hands:
    """Delivers claimed work, at most `threads` entries at once that are not slow.

    `when_free` is called from a thread whenever a try has ended; below `public_url` the console
    tells the stories that entries lead to.
    """

    def __init__(
        self,
        threads: int,
        accounts: Accounts,
        leases: Leases,
        finisher: Finisher,
        tools: Tools,
        when_free: Callable[[], None],
        public_url: str = "",
    ) -> None:
        self._threads = threads
        self._accounts = accounts
        self._leases = leases
        self._finisher = finisher
        self._tools = tools
        self._when_free = when_free
        self._public_url = public_url
        self._lock = threading.Lock()
        self._begun: dict[str, tuple[Work, float]] = {}
        """By lease: what is being written, and since when (monotonic seconds)."""
        self._untouched: set[str] = set()
        """The leases of those that no thread has begun with yet."""

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Have threads for the block; its end waits for what was begun."""
        with ThreadPoolExecutor(self._threads + MOST_SLOW, "ringnote-deliver") as self._pool:
            yield

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way, or has ended and is not finished."""
        return bool(self._begun) or self._finisher.unfinished > 0

    def free(self) -> int:
        """How many more entries to take on now."""
        if self._finisher.unfinished >= self._threads * UNFINISHED_BY_THREAD:
            return 0
        with self._lock:
            quick = sum(not _is_slow(since) for _, since in self._begun.values())
            return min(self._threads - quick, self._threads + MOST_SLOW - len(self._begun))

    def slow(self) -> set[int]:
        """The connections that are to be given nothing more for now."""
        with self._lock:
            return {work.connection_id for work, since in self._begun.values() if _is_slow(since)}

    def rooms(self) -> dict[str, int]:
        """How many more tries to take on at each host that hangs: where as many are slow as half of
        the threads. Half of the threads stay free for the others, and most of the slow tries."""
        half = max(1, self._threads // 2)
        quick, slow = Counter[str](), Counter[str]()
        with self._lock:
            for work, since in self._begun.values():
                if work.host:
                    (slow if _is_slow(since) else quick)[work.host] += 1
        return {
            host: max(0, min(half, MOST_BY_HOST - count) - quick[host])
            for host, count in slow.items()
            if count >= half
        }

    def seconds_to_next_slow(self) -> float:
        """How soon a thread comes free without a try ending."""
        now = time.monotonic()
        with self._lock:
            ages = [now - since for _, since in self._begun.values()]
        return min(
            (SLOW_SECONDS - age for age in ages if age <= SLOW_SECONDS), default=SLOW_SECONDS
        )

    def take_on(self, claimed: Sequence[Work]) -> None:
        """Begin to deliver these, whose leases are held."""
        now = time.monotonic()
        with self._lock:
            self._begun.update({work.lease_token: (work, now) for work in claimed})
            self._untouched.update(work.lease_token for work in claimed)
        for work in claimed:
            try:
                self._pool.submit(self._run, work)
            except RuntimeError as error:
                # No thread can be begun. One that there is may come to it all the same.
                if self._begin(work):
                    log.warning("delivery.no_thread", error=str(error))
                    # It is this machine's, and no outage of the PMS's.
                    result = replace(
                        _not_begun(work, self._tools.clock(), NO_THREAD), is_outage=False
                    )
                    self._finisher.put((work, result))
                    self._accounts.give_back(work.connection_id, work.prepaid)
                    self._end(work)

    def _begin(self, work: Work) -> bool:
        """Whether nobody has begun with it, nor will."""
        with self._lock:
            is_mine = work.lease_token in self._untouched
            self._untouched.discard(work.lease_token)
        return is_mine

    def _end(self, work: Work) -> None:
        with self._lock:
            del self._begun[work.lease_token]
        self._when_free()

    def _run(self, work: Work) -> None:
        if not self._begin(work):
            return
        has_ended = False
        try:
            has_ended = self._deliver(work)
        except SQLAlchemyError:
            # Its lease runs out by itself; the next try looks before it writes.
            log.exception("delivery.failed", entry_id=work.entry_id)
        except Exception as error:
            # A connector's fault as a rule: another's code may raise anything.
            log.exception("delivery.failed", entry_id=work.entry_id)
            self._finisher.put((work, _broken(work, self._tools.clock(), error)))
            has_ended = True
        finally:
            if not has_ended:
                self._leases.drop(work)
            self._end(work)

    def _deliver(self, work: Work) -> bool:
        with prepaid(work.prepaid) as left:
            try:
                connector = self._accounts.connector(work.connection_id)
            except ConfigError as error:
                log.warning("delivery.no_connector", connection_id=work.connection_id)
                result = _not_begun(work, self._tools.clock(), str(error))
            except DATABASE_FAULTS as error:
                log.warning("delivery.no_connector", error=fault_of(error))
                result = _not_begun(work, self._tools.clock(), UNREAD)
            else:
                if connector is None:
                    return False
                result = deliver(with_story(work, self._public_url), connector, self._tools)
        # Before it is counted as ended, so that the loop never sees it nowhere.
        self._finisher.put((work, result))
        self._accounts.give_back(work.connection_id, left.tokens)
        return True


def _is_slow(since: float) -> bool:
    return time.monotonic() - since > SLOW_SECONDS


def _broken(work: Work, at: datetime, error: Exception) -> Try:
    """A try that came to grief by a fault in the code, with whatever was sent till then."""
    why = f"a fault of the connector's or of Ringnote's, see the log: {type(error).__name__}"
    verdict = judge(
        OutcomeUnknown(why),
        creating=work.pms_id is None and work.is_wanted,
        attempts=work.attempts,
        unanswered=work.unanswered,
        age_seconds=(at - work.queued_at).total_seconds(),
        jitter=random.random(),
    )
    return Try("none", at, 0, verdict, work.pms_id, is_outage=True)


def _not_begun(work: Work, at: datetime, why: str) -> Try:
    """A try of which nothing was sent, since here no connector can be made; another worker, or a
    mended setting, goes on with it. However long that takes, it is no fault of the entry's."""
    verdict = judge_untried(why, work.attempts, random.random())
    return Try("none", at, 0, verdict, work.pms_id, is_outage=True)
