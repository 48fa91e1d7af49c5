"""Asks the database on behalf of those who must not hang with it: `/readyz` and `/metrics`."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from .batches import Batches

PATIENCE_SECONDS = 2.0

Found = TypeVar("Found")


class Asker(Generic[Found]):
    """Asks one thing, for all who ask at once, in a thread of its own.

    A load balancer asks again and again: were each of its requests to wait for a database that
    hangs, none would be left to answer webhooks.
    """

    def __init__(self, find: Callable[[], Found], name: str) -> None:
        def find_once(asked: Sequence[None]) -> list[Found]:
            return [find()] * len(asked)

        self._batches: Batches[None, Found] = Batches(find_once, name)

    def ask(self) -> Found:
        """What `find` finds, or raises; TimeoutError if that takes too long."""
        left = PATIENCE_SECONDS - self._batches.busy_seconds
        return self._batches.bring(None, max(left, 0.0))

    def close(self) -> None:
        self._batches.close()
