"""What runs in processes of its own, and how they are stopped: each by its own id, in any event."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import ROOT
from .databases import Stage
from .measurement import BenchmarkError

RINGNOTE = (sys.executable, "-c", "from ringnote.cli import main; main()")
BARE = (sys.executable, "-m", "benchmarks.bare")
FATES = (sys.executable, "-m", "benchmarks.fates")
STOP_SECONDS = 20
KIB_A_MIB = 1024


@dataclass(frozen=True, slots=True)
class Running:
    """A process, and the address at which it answers ('' if it serves nothing)."""

    pid: int
    url: str

    def peak_mib(self) -> dict[str, float]:
        """The most memory that it had resident so far, if the system tells."""
        status = Path(f"/proc/{self.pid}/status")
        if not status.exists():
            return {}
        known = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return {"peak_mib": int(known["VmHWM"].split()[0]) / KIB_A_MIB}


@contextmanager
def serving(stage: Stage) -> Iterator[Running]:
    """`ringnote serve` on the stage's database, without a worker in it."""
    words = (*RINGNOTE, "serve", "--port", "0", "--no-worker")
    with _running("serve", words, stage) as running:
        yield running


@contextmanager
def working(stage: Stage, name: str = "worker") -> Iterator[Running]:
    """`ringnote worker` on the stage's database; what it says is kept under `name`."""
    with _running(name, (*RINGNOTE, "worker"), stage, serves=False) as running:
        yield running


@contextmanager
def pretending(stage: Stage, token: str, file: Path | None = None) -> Iterator[Running]:
    """`ringnote sandbox`: a PMS that asks for `token`, with the records in `file`, else none."""
    words = (*RINGNOTE, "sandbox", "--port", "0", "--token", token)
    words += ("--file", str(file)) if file else ()
    with _running("sandbox", words, stage) as running:
        yield running


@contextmanager
def answering(stage: Stage) -> Iterator[Running]:
    """A bare Flask route that answers 200."""
    with _running("bare", BARE, stage) as running:
        yield running


def finished(stage: Stage, *words: str) -> float:
    """Run a `ringnote` command to its end; the most memory it had resident, in MiB.

    Raises BenchmarkError if it fails.
    """
    log = stage.folder / "command.log"
    with log.open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 (commands of our own)
            (*RINGNOTE, *words),
            env=_environment(stage.environment),
            cwd=ROOT,
            stdout=said,
            stderr=said,
        )
    try:
        # Alone of all ways to wait it tells of this one process.
        _, status, used = os.wait4(process.pid, 0)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise _ended(words[0], log)
    return used.ru_maxrss / KIB_A_MIB


@contextmanager
def treating(stage: Stage) -> Iterator[Running]:
    """A PMS that treats clinics differently, by their addresses (`fates.py`)."""
    with _running("fates", FATES, stage) as running:
        yield running


@contextmanager
def _running(
    name: str, words: Sequence[str], stage: Stage, *, serves: bool = True
) -> Iterator[Running]:
    log = stage.folder / f"{name}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 (commands of our own)
            words,
            env=_environment(stage.environment),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
    try:
        yield Running(process.pid, _read_url(process, name, log) if serves else "")
        if process.poll() is not None:
            raise _ended(name, log)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _read_url(process: "subprocess.Popen[str]", name: str, log: Path) -> str:
    line = process.stdout.readline() if process.stdout else ""
    for word in line.split():
        if word.startswith("http://"):
            return word
    raise _ended(name, log)


def _ended(name: str, log: Path) -> BenchmarkError:
    last = log.read_text(errors="replace").strip().splitlines()[-1:]
    return BenchmarkError(f"{name} ended by itself: {''.join(last) or 'it said nothing'}")


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("RINGNOTE_")}
    return {**mine, **settings, "PYTHONUNBUFFERED": "1"}
