"""Keeps a trial to the rates of a description, before any connection is there whose rates all
workers share. Used by `ringnote connector check`."""

import time
from collections.abc import Callable, Sequence

from ..clock import Clock
from ..connectors.base import Rate
from ..errors import RateLimited
from .bucket import Bucket
from .meter import LONGEST_WAIT_SECONDS, USED_UP, rates_for


class TrialMeter:
    """Lets requests pass at `rates`, counted from none. Of one thread."""

    def __init__(self, clock: Clock, sleep: Callable[[float], None] = time.sleep) -> None:
        self.rates: Sequence[Rate] = ()
        self._clock = clock
        self._sleep = sleep
        self._buckets: dict[str, Bucket] = {}

    def pass_(self, kind: str) -> None:
        """Wait until a request to an endpoint of this kind may be sent. Raises RateLimited where
        that is long."""
        for rate in rates_for(self.rates, kind):
            now = self._clock()
            bucket = self._buckets.get(rate.kind) or Bucket.of(rate, now)
            wait = bucket.seconds_until(1, now)
            if wait > LONGEST_WAIT_SECONDS:
                raise RateLimited(USED_UP, retry_after=wait)
            self._buckets[rate.kind] = bucket.less(1, now)
            self._sleep(wait)
