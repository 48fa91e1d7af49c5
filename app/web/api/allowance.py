"""How often one token may ask what is asked with every ring: a bucket that refills by the second.

Each process counts for itself; what is counted is gone when it ends.
"""

import threading
import time
from collections.abc import Callable

from flask import current_app
from werkzeug.exceptions import TooManyRequests

from ..access import who

PER_SECOND = 50.0
AT_ONCE = 200.0
NAME = "ringnote.allowance"


class Allowance:
    """Buckets by name. Safe to use from many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> bool:
        """Take one out of the bucket; False if it is empty."""
        with self._lock:
            now = self._clock()
            left, at = self._left.get(name, (AT_ONCE, now))
            left = min(AT_ONCE, left + (now - at) * PER_SECOND)
            self._left[name] = (max(left - 1, 0.0) if left >= 1 else left, now)
            return left >= 1


def take_one() -> None:
    """Count this request; raises TooManyRequests if its token has asked too often."""
    allowance: Allowance = current_app.extensions.setdefault(NAME, Allowance())
    if not allowance.take(who().name):
        raise TooManyRequests(
            f"This token has asked more than {PER_SECOND:.0f} times a second; ask again in one.",
            retry_after=1,
        )
