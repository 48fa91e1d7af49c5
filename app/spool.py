"""Webhooks that the database could not take just then, in files of the data folder.

Each process appends to a file of its own, which it holds by a lock. A file that nobody holds was
left by a process that has ended: whoever finds it empties it. What is read twice does no harm,
since each webhook has its event's id from the start.
"""

import contextlib
import fcntl
import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .logs import get_logger
from .spool_lines import Spooled, read_line, read_lines, read_parts, write_line

MAX_BYTES = 256 * 1024 * 1024
"""Of one process's file."""
STORED_AT_ONCE = 100
AWAY_SECONDS = 1.0
"""After the database failed, webhooks go straight to the spool for so long."""
REFUSED = "refused.lines"

log = get_logger(__name__)


Store = Callable[[Sequence[Spooled]], Sequence[Spooled]]
"""Keeps webhooks in the database, durably; returns those that it will never take."""


@dataclass(frozen=True, slots=True)
class Held:
    """What lies in the spools of a folder: files, bytes, and since when (None if there is none).

    `refused` is the bytes of what the database will never take.
    """

    files: int
    bytes: int
    refused: int
    since: float | None

    @property
    def seconds(self) -> int:
        """For how long the oldest webhook has lain there; 0 while a clock was set back."""
        return max(0, round(time.time() - self.since)) if self.since else 0


class SpoolFullError(OSError):
    """The spool has reached its size."""


class Spool:
    """The spools of one folder, one of them this process's own. Threads share it."""

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._away_until = 0.0
        self._is_told_of_forks = False
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._draining = threading.Lock()
        self._process: int | None = None
        self._path: Path | None = None
        self._file = -1
        self._drained = 0

    def leave_to_parent(self) -> None:
        """In the child after a fork: let go of the parent's file, whose lock would outlive it here,
        and of what its threads were at."""
        if self._file >= 0:
            os.close(self._file)
        self._begin()

    def close(self) -> None:
        """Let go of this process's own file, so that whoever looks next stores what is in it."""
        if self._draining.acquire(blocking=False):
            with self._lock:
                if self._process == os.getpid():
                    os.close(self._file)
                    self._process, self._path, self._file = None, None, -1
            self._draining.release()

    @property
    def is_preferred(self) -> bool:
        """Whether the database failed a moment ago, so that nobody need wait for it again."""
        return time.monotonic() < self._away_until

    @property
    def has_own(self) -> bool:
        """Whether this process has put something there that is not drained yet."""
        return self._process == os.getpid() and os.fstat(self._file).st_size > 0

    def append(self, webhook: Spooled) -> None:
        """Keep a webhook; returns once it is on the disk. Raises OSError where it cannot be."""
        line = write_line(webhook)
        with self._lock:
            if self._process != os.getpid():
                self._open()
            size = os.fstat(self._file).st_size
            if size + len(line) > self._max_bytes:
                raise SpoolFullError("the spool is full")
            try:
                _write_all(self._file, line)
                os.fsync(self._file)
            except OSError:
                # What is half written must not stand before what comes next.
                os.ftruncate(self._file, size)
                raise
            self._away_until = time.monotonic() + AWAY_SECONDS

    def drain(self, store: Store) -> int:
        """Store all that lies here, our own first, in the order it came in; how many there were.

        Raises what `store` raises; then all that it had not returned from stays.
        """
        with self._draining:
            count = self._drain_own(store)
            for path in self._others():
                count += self._adopt(path, store)
        self._away_until = 0.0
        return count

    def is_empty(self) -> bool:
        """Whether there is nothing to drain, ours or others' (whose holders may still live)."""
        return not any(stat.st_size for stat in self._stats())

    def measure(self) -> Held:
        """What lies in the folder."""
        filled, since = [], []
        for path in self._files():
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                if stat.st_size:
                    since.append(_since(path, stat))
                    filled.append(stat.st_size)
        refused = self._folder / REFUSED
        return Held(
            files=len(filled),
            bytes=sum(filled),
            refused=refused.stat().st_size if refused.exists() else 0,
            since=min(since, default=None),
        )

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.spool"))

    def _stats(self) -> Iterator[os.stat_result]:
        for path in self._files():
            # Whoever emptied it may remove it between our finding it and our looking at it.
            with contextlib.suppress(FileNotFoundError):
                yield path.stat()

    def _others(self) -> list[Path]:
        ours = self._path if self._process == os.getpid() else None
        return [path for path in self._files() if path != ours]

    def _open(self) -> None:
        # After a fork the child must not write to its parent's file.
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._is_told_of_forks:
            os.register_at_fork(after_in_child=partial(_leave_to_parent, weakref.ref(self)))
            self._is_told_of_forks = True
        while (own := self._make_file()) is None:
            pass
        self._path, self._file = own
        self._drained = 0
        # At the last: who sees it set may look at the file, without the lock too.
        self._process = os.getpid()

    def _make_file(self) -> tuple[Path, int] | None:
        """A new file, locked; None if somebody took it for an ended process's before it was."""
        path = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}.spool"
        with contextlib.ExitStack() as stack:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            file = os.open(path, flags, 0o600)
            stack.callback(os.close, file)
            if not _lock(file):
                return None
            _sync_folder(self._folder)
            stack.pop_all()
            return path, file

    def _drain_own(self, store: Store) -> int:
        if self._process != os.getpid():
            return 0
        count = 0
        while True:
            with self._lock:
                size = os.fstat(self._file).st_size
                if size == self._drained:
                    if size:
                        os.ftruncate(self._file, 0)
                        os.fsync(self._file)
                        self._drained = 0
                    return count
            for part in read_parts(self._file, self._drained, size):
                count += self._store(part, store)
                self._drained += len(part)

    def _adopt(self, path: Path, store: Store) -> int:
        with contextlib.ExitStack() as stack:
            try:
                file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return 0
            stack.callback(os.close, file)
            if not _lock(file):
                return 0
            # Not by closing it alone: a child that was forked meanwhile has it open, too.
            stack.callback(fcntl.flock, file, fcntl.LOCK_UN)
            size = os.fstat(file).st_size
            count = sum(self._store(part, store) for part in read_parts(file, 0, size))
            path.unlink()
            return count

    def _store(self, found: bytes, store: Store) -> int:
        webhooks = list(read_lines(found))
        for start in range(0, len(webhooks), STORED_AT_ONCE):
            self._put_by(store(webhooks[start : start + STORED_AT_ONCE]))
        return len(webhooks)

    def _put_by(self, refused: Sequence[Spooled]) -> None:
        """Keep what the database will never take, for a person."""
        if not refused:
            return
        log.error("spool.refused", count=len(refused))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        file = os.open(self._folder / REFUSED, flags, 0o600)
        try:
            for webhook in refused:
                _write_all(file, write_line(webhook))
            os.fsync(file)
        finally:
            os.close(file)


def _leave_to_parent(spool: "weakref.ref[Spool]") -> None:
    if (ours := spool()) is not None:
        ours.leave_to_parent()


def _since(path: Path, stat: os.stat_result) -> float:
    """When the first webhook that lies in a file came. The file's own times change with each."""
    first = None
    # Whoever may not read it sees at least when it was last written to.
    with contextlib.suppress(PermissionError), path.open("rb") as file:
        first = read_line(file.readline())
    return first.received_at.timestamp() if first else stat.st_mtime


def _lock(file: int) -> bool:
    """Whether it is held from now on, by nobody else. One that is removed is nobody's."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    # Another may have emptied and removed it between its opening and its locking.
    return os.fstat(file).st_nlink > 0


def _write_all(file: int, line: bytes) -> None:
    while line:
        line = line[os.write(file, line) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
