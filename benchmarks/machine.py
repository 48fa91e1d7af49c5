"""What machine it was: without that, no figure can be read."""

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Mapping

import sqlalchemy as sa

from ringnote.db import Database

SYNCS = 50
BLOCK = bytes(4096)


def describe_machine() -> dict[str, str]:
    """Processors, system and Python, and what an fsync costs where the databases lie."""
    return {
        "processors": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "fsync_ms": f"{_measure_fsync() * 1000:.2f}",
    }


def describe_database(db: Database) -> Mapping[str, str]:
    """The database's version, by its kind."""
    if db.is_sqlite:
        return {"sqlite": sqlite3.sqlite_version}
    with db.reading() as session:
        version = session.scalars(sa.text("SHOW server_version")).one()
    return {"postgresql": str(version)}


def _measure_fsync() -> float:
    """Seconds, the median: 4 KiB are appended to a file and synced each time."""
    taken = []
    with tempfile.TemporaryFile() as file:
        for _ in range(SYNCS):
            file.write(BLOCK)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - started)
    return statistics.median(taken)
