"""The sandbox PMS through connectors that declare less than it can, for what is done instead."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ringnote.connectors.sandbox import SandboxConnector
from ringnote.http import Http
from ringnote.sandbox.faults import Fault, FaultKind, Faults
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store

TOKEN = "token-of-the-clinic-4711"
CALLS = {
    "update_note": ["update_note"],
    "read_notes": ["get_note"],
    "delete_note": ["delete_note"],
    "tasks": ["create_task", "get_task", "update_task", "complete_task", "delete_task"],
    "read_tasks": ["get_task"],
    "delete_task": ["delete_task"],
    "find_by_reference": ["find_by_reference"],
}


class LesserPms:
    """The sandbox PMS on loopback, with one client, and how it is spoken to."""

    def __init__(self, http: Http) -> None:
        self.store, self.faults, self.http = Store(":memory:"), Faults(), http
        self.server = Server(
            create_pms(":memory:", TOKEN, store=self.store, faults=self.faults)
        ).start()
        [self.client] = self.store.clients.add([{"name": "Jane Doe", "phones": [], "patients": []}])

    def without(self, *lacks: str) -> SandboxConnector:
        """A connector that declares these capabilities as lacking, and can't do it either."""

        def refuse(*_args: object) -> None:
            raise AssertionError("the connector said that it can't")

        class Lesser(SandboxConnector):
            capabilities = replace(SandboxConnector.capabilities, **dict.fromkeys(lacks, False))

            def _call(self, method, path, body=None, headers=None, query=None):
                sent = headers if self.capabilities.idempotency_key else None
                return super()._call(method, path, body, sent, query)

        for name in {call for lack in lacks for call in CALLS.get(lack, [])}:
            setattr(Lesser, name, refuse)
        return Lesser({"base_url": self.server.url}, {"token": TOKEN}, self.http)

    def lose_answer(self) -> None:
        """The next write is carried out, and nobody hears of it."""
        self.faults.switch_on(Fault(FaultKind.DROP_AFTER, left=1, only_writes=True))

    def records(self, kind: str = "note") -> list[dict]:
        return [record for _, record in self.store.records.after(kind, 0, 100)]

    def titles(self) -> list[str]:
        return [record["title"] for record in self.records()]


@contextmanager
def lesser_pms() -> Iterator[LesserPms]:
    """A PMS for as long as the block lasts."""
    http = Http(allow_private=True)
    made = LesserPms(http)
    yield made
    made.server.stop()
    made.store.close()
    http.close()
