"""Batches: what many threads bring, one thread carries out, all that waits at once, in that order.

Ingest commits webhooks so, and `/readyz` asks the database: whoever brings something waits for what
becomes of it, yet never longer than it wants to, however long the thread hangs.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Generic, TypeVar

MOST_AT_ONCE = 100
MOST_WAITING = 1000
"""While the thread hangs, what was given up lies there, and must not come to fill the memory."""
CLOSE_SECONDS = 2.0

Given = TypeVar("Given")
Made = TypeVar("Made")


class Batches(Generic[Given, Made]):
    """Calls `carry_out` with what was brought; it returns what became of each, in that order.

    What became of one may be an exception, which its bringer is raised; what `carry_out` raises,
    all of the batch are. The thread begins with the first that is brought, and belongs to one
    process: after a fork the child has its own.
    """

    def __init__(
        self, carry_out: Callable[[Sequence[Given]], Sequence[Made | Exception]], name: str
    ) -> None:
        self._carry_out = carry_out
        self._name = name
        self._lock = threading.Lock()
        self._process: int | None = None
        self._busy_since: float | None = None

    @property
    def busy_seconds(self) -> float:
        """How long the batch under way has lasted; 0 where there is none."""
        since = self._busy_since
        return time.monotonic() - since if since and self._process == os.getpid() else 0.0

    def bring(self, given: Given, seconds: float) -> Made:
        """What becomes of it. Raises TimeoutError if that isn't known within `seconds`, at once if
        too much waits.

        Then it isn't begun any more; but if it had been, it may still be carried out.
        """
        if self._process != os.getpid():
            self._start()
        if self._waiting.qsize() >= MOST_WAITING:
            raise TimeoutError
        future: Future[Made] = Future()
        self._waiting.put((given, future))
        try:
            return future.result(seconds)
        finally:
            future.cancel()

    def close(self) -> None:
        """Carry out what was brought, and end the thread (or leave it to itself if it hangs)."""
        with self._lock:
            if self._process == os.getpid():
                self._process = None
                self._waiting.put(None)
                self._thread.join(CLOSE_SECONDS)

    def _start(self) -> None:
        with self._lock:
            if self._process != os.getpid():
                self._waiting: SimpleQueue[tuple[Given, Future[Made]] | None] = SimpleQueue()
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
                self._busy_since, self._process = None, os.getpid()

    def _run(self) -> None:
        for batch in _batches(self._waiting):
            begun = [each for each in batch if each[1].set_running_or_notify_cancel()]
            if not begun:
                continue
            with self._busy():
                outcomes = self._outcomes([given for given, _ in begun])
            for (_, future), outcome in zip(begun, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)

    def _outcomes(self, given: Sequence[Given]) -> Sequence[Made | Exception]:
        try:
            return self._carry_out(given)
        except Exception as error:  # noqa: BLE001 - it is raised to those who wait for it
            return [error] * len(given)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        self._busy_since = time.monotonic()
        try:
            yield
        finally:
            self._busy_since = None


def _batches(waiting: "SimpleQueue[Given | None]") -> Iterator[list[Given]]:
    """All that waits, again and again, until a None is found."""
    while (first := waiting.get()) is not None:
        batch = [first]
        while len(batch) < MOST_AT_ONCE and not waiting.empty():
            more = waiting.get()
            if more is None:
                yield batch
                return
            batch.append(more)
        yield batch
