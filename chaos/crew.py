"""The web and worker processes: started, killed, stopped for a while, and started again."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import ROOT
from .hosts import Host

LOOK_SECONDS = 0.05
FAILED_START_SECONDS = 0.5
START_SECONDS = 120
STOP_SECONDS = 30


@dataclass(eq=False)
class Member:
    """One place in the crew, and the process that has it just now."""

    name: str
    host: Host
    words: tuple[str, ...]
    port: int | None = None
    process: "subprocess.Popen[bytes] | None" = None
    is_frozen: bool = False
    started_at: float = 0.0

    @property
    def is_web(self) -> bool:
        return self.port is not None


@dataclass
class Crew:
    """All members. Whoever has ended is started again until the crew is dismissed."""

    members: Sequence[Member]
    environment: Mapping[str, str]
    logs: Path
    signals: Counter[str] = field(default_factory=Counter)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._keep, name="crew", daemon=True)
        self._thread.start()

    def send(self, member: Member, how: signal.Signals) -> None:
        """Send a signal to a member's process, if it has one."""
        with self._lock:
            if member.process is None or member.process.poll() is not None:
                return
            member.process.send_signal(how)
            kind = "web" if member.is_web else "worker"
            self.signals[f"{how.name} {kind}"] += 1
            if how is signal.SIGSTOP:
                member.is_frozen = True
            elif how is signal.SIGCONT:
                member.is_frozen = False

    def awake(self, *, webs: bool | None = None) -> list[Member]:
        """The members that run and are not frozen: webs, workers, or both."""
        return [
            each
            for each in self.members
            if not each.is_frozen
            and webs in (None, each.is_web)
            and each.process
            and each.process.poll() is None
        ]

    def wait_until_up(self) -> None:
        """Return once every web process listens."""
        deadline = time.monotonic() + START_SECONDS
        for port in [each.port for each in self.members if each.port]:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(LOOK_SECONDS)

    def thaw(self) -> None:
        """Wake whoever is frozen, or has stopped itself."""
        for member in self.members:
            self.send(member, signal.SIGCONT)

    def dismiss(self) -> None:
        """End every process by its id, gently first; returns once none is left."""
        self._stop.set()
        self._thread.join()
        self.thaw()
        running = [each.process for each in self.members if each.process]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _keep(self) -> None:
        while not self._stop.is_set():
            for member in self.members:
                with self._lock:
                    self._keep_one(member)
            self._stop.wait(LOOK_SECONDS)

    def _keep_one(self, member: Member) -> None:
        if member.process and member.process.poll() is None:
            return
        # While the database is away a start fails: not over and over without a pause.
        if time.monotonic() - member.started_at < FAILED_START_SECONDS:
            return
        member.is_frozen = False
        member.started_at = time.monotonic()
        with (self.logs / f"{member.name}.log").open("ab") as log:
            member.process = run(member.host, member.words, self.environment, log)


def run(
    host: Host, words: Sequence[str], environment: Mapping[str, str], log: object = None
) -> "subprocess.Popen[bytes]":
    """A `ringnote` command begun on a host; what it says goes to `log`."""
    command = [sys.executable, "-m", "chaos.launch", str(host.folder), *words]
    return subprocess.Popen(  # noqa: S603 (a command of our own)
        command,
        env=dict(environment),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=log,  # type: ignore[call-overload]
        stderr=log,
    )
