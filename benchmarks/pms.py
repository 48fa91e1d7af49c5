"""The sandbox PMS as the areas use it: clients put there, notes posted plainly and read back."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import requests

from ringnote.clock import utc_now
from ringnote.delivery.connections import open_connection
from ringnote.models import Clinic
from ringnote.runtime import Runtime

from . import processes
from .clinic import Invented, add_directory, invent_clinic, invent_numbers
from .databases import Stage
from .measurement import BenchmarkError

TOKEN = "benchmark"  # noqa: S105 (no secret: the PMS lasts as long as the run)
TIMEOUT_SECONDS = 30
PLAIN = "plain-"
"""What the references of notes begin with that were posted past Ringnote."""
BODY = """\
Tue 24 Nov 2026, 09:32, waited about 16 s, talked about 3 min
From (212) 555-0142 (DOE JANE)
Line: Main line, (917) 555-0199
It came through ring group 600. Also rang Dana Front Desk (101) and Dr Okafor (105).

Times are those of receipt, so durations are approximate.
"""


class Pms:
    """A plain `requests.Session` at the PMS's API, its connection kept open."""

    def __init__(self, url: str) -> None:
        self._root = f"{url}/api/v1"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {TOKEN}"

    def add_client(self, number: str) -> str:
        """The id of a new client with this number (E.164)."""
        body = {"name": "Jane Doe", "phones": [{"number": number, "label": "mobile"}]}
        return str(self._send("POST", "/clients", json=body)["id"])

    def add_note(self, note: Mapping[str, str]) -> datetime:
        """Write a note, by its reference once; when it was written."""
        headers = {"Idempotency-Key": note["reference"]}
        return _written_at(self._send("POST", "/notes", json=note, headers=headers))

    def find_note(self, client: str) -> datetime | None:
        """When the first of Ringnote's notes was written on a client's record, if one was."""
        notes = self._send("GET", "/notes", params={"client_id": client})["items"]
        ours = [note for note in notes if not note["reference"].startswith(PLAIN)]
        return _written_at(ours[0]) if ours else None

    def close(self) -> None:
        self._session.close()

    def _send(self, method: str, path: str, **more: Any) -> Mapping[str, Any]:
        answer = self._session.request(method, self._root + path, timeout=TIMEOUT_SECONDS, **more)
        if not answer.ok:
            raise BenchmarkError(f"the sandbox PMS answered {answer.status_code} to {path}")
        known: Mapping[str, Any] = answer.json()
        return known


def invent_note(client: str) -> dict[str, str]:
    """A note such as Ringnote writes, under a reference that Ringnote gives to none."""
    reference = PLAIN + secrets.token_hex(8)
    return {
        "client_id": client,
        "title": "Incoming call answered by Dana Front Desk",
        "body": f"{BODY}Ringnote {reference}",
        "occurred_at": utc_now().isoformat(),
        "reference": reference,
    }


def _written_at(note: Mapping[str, str]) -> datetime:
    return datetime.fromisoformat(note["created_at"])


def connect_clinic(runtime: Runtime, clinic: Clinic, url: str) -> None:
    """Make the sandbox PMS at `url`, whether it runs or not, the clinic's. Commits."""
    account = ("sandbox", {"base_url": url}, {"token": TOKEN})
    with runtime.db.transaction() as session:
        open_connection(session, runtime, clinic.id, *account, now=utc_now())


@contextmanager
def connected(stage: Stage, count: int) -> Iterator[tuple[Invented, Pms, dict[str, str]]]:
    """A clinic connected to a sandbox PMS that runs for the block, as a process of its own.

    Both know the same `count` clients, whose numbers (E.164) are told by their ids.
    """
    runtime = stage.runtime
    numbers = invent_numbers(count)
    invented = invent_clinic(runtime.db, numbers)
    with processes.pretending(stage, TOKEN) as sandbox:
        pms = Pms(sandbox.url)
        try:
            clients = {pms.add_client(number): number for number in numbers}
            add_directory(runtime.db, invented.clinic, clients.items())
            connect_clinic(runtime, invented.clinic, sandbox.url)
            yield invented, pms, clients
        finally:
            pms.close()
