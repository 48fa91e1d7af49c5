"""A small disk of PostgreSQL's own that can really be filled, where one may be made."""

import contextlib
import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

MEGABYTES = 2048
FILL = "fill"


class Disk:
    """A file system in memory, mounted at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_full = False

    def fill(self) -> None:
        """Leave no block free."""
        self.is_full = True
        with (self.folder / FILL).open("wb") as file, contextlib.suppress(_NoSpaceError):
            while True:
                _take(file.fileno(), max(4096, shutil.disk_usage(self.folder).free // 2))

    def free(self) -> None:
        self.is_full = False
        (self.folder / FILL).unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk() -> Iterator[Disk | None]:
    """A Disk for the block; None where this user may mount nothing."""
    with tempfile.TemporaryDirectory(prefix="ringnote-disk-") as name:
        options = f"size={MEGABYTES}m,mode=755"
        if not _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", name):
            yield None
            return
        try:
            yield Disk(Path(name))
        finally:
            _run("umount", name)


def _run(program: str, *words: str) -> bool:
    """Whether it could be done."""
    path = shutil.which(program)
    if path is None:
        return False
    done = subprocess.run([path, *words], capture_output=True, check=False)  # noqa: S603
    return done.returncode == 0


class _NoSpaceError(OSError):
    """There is no block left."""


def _take(file: int, size: int) -> None:
    try:
        os.posix_fallocate(file, os.fstat(file).st_size, size)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _NoSpaceError from None
        raise
