"""Starts a `ringnote` command on a host of its own: one whose clock is off and whose disk is full
for as long as files of the stage say so.

`python -m chaos.launch FOLDER WORDS…`. It alone knows how to break the fence, so that the suite can
be seen to fail.
"""

import contextlib
import errno
import math
import os
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ringnote import clock, spool
from ringnote.cli import main
from ringnote.delivery import claim, finish, hands
from ringnote.delivery.leases import Leases

CLOCK, FULL, UNFENCED = "clock", "full", "unfenced"
"""What lies in a host's folder: seconds that its clock is ahead; that its disk is full; that
neither leases nor their tokens hold anybody back."""


def shift_clock(folder: Path) -> None:
    """Have Ringnote's clock be off by as many seconds as the file says, looked up each time."""

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            try:
                ahead = float((folder / CLOCK).read_text())
            except FileNotFoundError:
                ahead = 0.0
            return datetime.now(tz) + timedelta(seconds=ahead)

    clock.datetime = Shifted  # type: ignore[misc]


def fill_disk(folder: Path) -> None:
    """While the file is there, the spool and SQLite find no space after half of what they write."""
    write = spool._write_all

    def write_half(file: int, line: bytes) -> None:
        is_full = (folder / FULL).exists()
        write(file, line[: len(line) // 2] if is_full else line)
        if is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse(_cursor: Any, statement: str, _values: Any, context: Any) -> None:
        writes = statement.startswith(("INSERT", "UPDATE"))
        if writes and context.dialect.name == "sqlite" and (folder / FULL).exists():
            raise sqlite3.OperationalError("database or disk is full")

    spool._write_all = write_half
    sa.event.listen(sa.Engine, "do_execute", refuse)


def break_fence() -> None:
    """Have workers believe that they hold whatever they once claimed, and the outbox too; nor does
    anybody write again what was written without a lease.

    Nor do they hold back where a PMS is slow: more is under way when one of them is stopped.
    """
    work = claim._work
    claim._work = lambda row, entry: replace(work(row, entry), lease_token=f"entry {entry.id}")
    Leases.is_held = lambda _leases, _work: True
    finish._write_again = lambda *_: None
    hands.SLOW_SECONDS = math.inf


def launch(words: Sequence[str]) -> None:
    folder = Path(words[0])
    shift_clock(folder)
    fill_disk(folder)
    if (folder / UNFENCED).exists():
        break_fence()
    with contextlib.suppress(KeyboardInterrupt):
        main(words[1:], prog_name="ringnote")


if __name__ == "__main__":
    launch(sys.argv[1:])
