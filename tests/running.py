"""Ringnote's commands as processes of their own, as they run on the machines of a deployment."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ringnote.runtime import Runtime

ROOT = Path(__file__).parents[1]
END_SECONDS = 30
RINGNOTE = (sys.executable, "-c", "from ringnote.cli import main; main()")


def environment(runtime: Runtime, **more: str) -> dict[str, str]:
    """What a process needs to know to work on the runtime's database."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "RINGNOTE_DATABASE_URL": runtime.settings.url,
        "RINGNOTE_DATA_DIR": str(runtime.settings.data_dir),
        "RINGNOTE_ENCRYPTION_KEYS": runtime.settings.encryption_keys,
        "RINGNOTE_ALLOW_PRIVATE_PMS": "1",
        **more,
    }


@contextmanager
def running(
    environ: dict[str, str], *words: str, command: tuple[str, ...] = RINGNOTE
) -> Iterator["subprocess.Popen[str]"]:
    """A command until the block ends; it is ended in good order then, if it still runs."""
    with subprocess.Popen(
        [*command, *words],
        env=environ,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
            process.terminate()
            process.communicate(timeout=END_SECONDS)
        finally:
            process.kill()


def run(environ: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    """A command, to its end."""
    return subprocess.run(
        [*RINGNOTE, *words],
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def url_of(process: "subprocess.Popen[str]") -> str:
    """Where a `serve` that was just started answers."""
    return next(word for word in process.stdout.readline().split() if "://" in word)


def wait_for(is_true: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
