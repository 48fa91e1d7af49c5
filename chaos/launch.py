"""Starts a `ringnote` command on a host of its own: one whose clock is off and whose disk is full
for as long as files of the stage say so.

`python -m chaos.launch FOLDER WORDS…`. It alone knows how to break the fence, so that the suite can
be seen to fail.
"""

import contextlib
import errno
import os
import signal
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa

from ringnote import clock, spool
from ringnote.cli import main
from ringnote.delivery import claim, finish
from ringnote.delivery.leases import Leases
from ringnote.transport import Adapter

CLOCK, FULL, DROWSY, UNFENCED = "clock", "full", "drowsy", "unfenced"
"""What lies in a host's folder: seconds that its clock is ahead; that its disk is full; that who is
the next to update a task stops before; that neither leases nor their tokens hold anybody back."""


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


def fall_asleep(folder: Path) -> None:
    """Have one process stop itself, if the file is there, when it has asked for its lease the last
    time and is about to send an update of a task: what it sends on waking is out of date."""
    send = Adapter.send

    def send_late(
        adapter: Adapter, request: requests.PreparedRequest, *args: Any, **words: Any
    ) -> requests.Response:
        if request.method == "PATCH" and "/tasks/" in (request.url or ""):
            with contextlib.suppress(FileNotFoundError):
                (folder / DROWSY).unlink()
                os.kill(os.getpid(), signal.SIGSTOP)
        return send(adapter, request, *args, **words)

    Adapter.send = send_late  # type: ignore[method-assign]


def break_fence() -> None:
    """Have workers believe that they hold whatever they once claimed, and the outbox too; nor does
    anybody write again what was written without a lease."""
    work = claim._work
    claim._work = lambda row, entry, now: replace(
        work(row, entry, now), lease_token=f"entry {entry.id}"
    )
    Leases.is_held = lambda _leases, _work: True
    finish.write_again = lambda *_: None


def launch(words: Sequence[str]) -> None:
    folder = Path(words[0])
    shift_clock(folder)
    fill_disk(folder)
    fall_asleep(folder)
    if (folder / UNFENCED).exists():
        break_fence()
    with contextlib.suppress(KeyboardInterrupt):
        main(words[1:], prog_name="ringnote")


if __name__ == "__main__":
    launch(sys.argv[1:])
