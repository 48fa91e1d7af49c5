"""The pretend PMS's own SQLite file: one connection, shared by threads, and what it holds.

The JSON API and the pages of the sandbox use it; times are text in UTC that sorts as it reads.
"""

from pathlib import Path

from ..clock import Clock, utc_now
from .clients import Clients
from .file import File
from .records import Records


class Store:
    """One PMS's records, in the file at `path` (or ':memory:'). Safe to share between threads."""

    def __init__(self, path: Path | str, clock: Clock = utc_now) -> None:
        self._file = File(path, clock)
        self.clients = Clients(self._file)
        self.records = Records(self._file, self.clients)

    def close(self) -> None:
        self._file.close()
