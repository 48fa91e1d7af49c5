"""A real GNU Health server on loopback, with a database of its own for each test."""

import itertools
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from connectors.gnuhealth_pms import GnuHealthPms

HOME = Path(__file__).parents[2] / ".live"
SECRET = "password-of-4711"
START_SECONDS = 60.0


class GnuHealth:
    """The server as a process. `databases` are copies of one that was set up once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._configuration = folder / "trytond.conf"
        self._configuration.write_text(
            f"[database]\nuri = sqlite://\npath = {folder}\n"
            f"[web]\nlisten = 127.0.0.1:{self.port}\n[session]\nmax_attempt = 1000\n"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._session = requests.Session()

    def start(self) -> None:
        """Returns once it answers."""
        command = [HOME / "venv/bin/trytond", "-c", self._configuration]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self._folder / "server.log").read_text()) from None
                time.sleep(0.1)

    def kill(self) -> None:
        """End it by SIGKILL, whatever it is at."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def new_database(self) -> str:
        name = f"clinic{next(self._numbers)}"
        shutil.copy(HOME / "data" / "clinic.sqlite", self._folder / f"{name}.sqlite")
        return name

    def call(self, database: str, body: dict[str, Any], authorization: str) -> tuple[int, Any]:
        answer = self._session.post(
            f"http://127.0.0.1:{self.port}/{database}/",
            json=body,
            headers={"Authorization": authorization} if authorization else {},
        )
        return answer.status_code, answer.json() if answer.status_code == 200 else None


class LiveGnuHealth(GnuHealthPms):
    """A fresh database of the real server, behind a socket that goes wrong when told to."""

    def __init__(self, server: GnuHealth) -> None:
        name = server.new_database()
        super().__init__(lambda body, given: server.call(name, body, given), SECRET)
        [currency] = self.rpc(
            "model.currency.currency.create", [{"name": "US Dollar", "code": "USD", "symbol": "$"}]
        )
        [party] = self.rpc("model.party.party.create", [{"name": "Oak Street Clinic"}])
        [company] = self.rpc(
            "model.company.company.create", [{"party": party, "currency": currency}]
        )
        companies = {"companies": [["add", [company]]], "company": company}
        self.rpc("model.res.user.write", [1], companies)
        self.others = (str(party),)


@contextmanager
def running(folder: Path) -> Iterator[GnuHealth]:
    """The server until the block ends."""
    server = GnuHealth(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
