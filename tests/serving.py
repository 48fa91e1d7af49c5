"""A real socket in front of an application, for as long as a test needs it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ringnote.web.server import Server


@contextmanager
def served(app: object) -> Iterator[str]:
    """The URL at which `app` answers until the block ends."""
    server = Server(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.url
    finally:
        server.stop()
        thread.join()
