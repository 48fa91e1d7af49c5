"""Addresses of PMSs by their names, waited for no longer than is left, however the resolver hangs.

The system's own waits for up to half a minute, and cannot be told to stop.
"""

import os
import socket
import threading
from concurrent.futures import Future

MOST_AT_ONCE = 64
"""Names that are asked for at once; each takes a thread until the resolver answers."""


class Names:
    """Asks the system's resolver, once at a time for each name. Safe to share between threads and
    over a fork."""

    def __init__(self) -> None:
        self._asked: dict[tuple[int, str, int], Future[list[str]]] = {}

    def addresses(self, host: str, port: int, seconds: float) -> list[str]:
        """The addresses of a host, the one to be tried first at the front.

        Raises TimeoutError if they are not known within `seconds`, OSError if there are none,
        UnicodeError if it can be no name.
        """
        # A child has nobody who would answer what its parent asked.
        key = (os.getpid(), host, port)
        if key not in self._asked and len(self._asked) >= MOST_AT_ONCE:
            raise TimeoutError("too many names are being asked for")
        mine: Future[list[str]] = Future()
        asked = self._asked.setdefault(key, mine)
        if asked is mine:
            self._begin(key, mine)
        return asked.result(max(seconds, 0.0))

    def _begin(self, key: tuple[int, str, int], asked: "Future[list[str]]") -> None:
        thread = threading.Thread(
            target=self._ask, args=(key, asked), name="ringnote-resolver", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            del self._asked[key]
            asked.set_exception(OSError(str(error)))

    def _ask(self, key: tuple[int, str, int], asked: "Future[list[str]]") -> None:
        _, host, port = key
        outcome: list[str] | Exception = OSError("the resolver failed")
        try:
            found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
            outcome = [str(each[4][0]) for each in found]
        except (OSError, UnicodeError) as error:
            outcome = error
        finally:
            # Before it is told, so that whoever asks from now on has it asked for anew.
            del self._asked[key]
            if isinstance(outcome, Exception):
                asked.set_exception(outcome)
            else:
                asked.set_result(outcome)
