"""The rate limit of the pretend PMS: so many requests in any so many seconds."""

import threading
import time
from collections import deque
from collections.abc import Callable


class Limit:
    """Counts requests over a window that slides. `clock` tells seconds that only go on."""

    def __init__(
        self, requests: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._requests = requests
        self._seconds = seconds
        self._clock = clock
        self._taken: deque[float] = deque()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Count a request: 0, or, where that is one too many, the seconds until one is taken."""
        with self._lock:
            now = self._clock()
            while self._taken and now - self._taken[0] >= self._seconds:
                self._taken.popleft()
            if len(self._taken) >= self._requests:
                return self._seconds - (now - self._taken[0])
            self._taken.append(now)
            return 0.0
