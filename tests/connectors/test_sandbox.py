from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import pytest

from ringnote.connectors import CONNECTORS
from ringnote.connectors.base import Connector, Kind, Note, Written
from ringnote.connectors.sandbox import SandboxConnector
from ringnote.errors import ConfigError, CredentialsRejected, OutcomeUnknown
from ringnote.http import Http
from ringnote.sandbox.faults import Fault, Faults
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store
from ringnote.testing import ConnectorContract, Kept


class SandboxPms:
    """The pretend PMS itself, served on loopback."""

    secret = "token-of-the-clinic-4711"

    def __init__(self) -> None:
        self.store = Store(":memory:")
        self.faults = Faults()
        app = create_pms(":memory:", self.secret, store=self.store, faults=self.faults)
        self.server = Server(app).start()

    def connector(self, http: Http, *, secret: str | None = None) -> Connector:
        settings = {"base_url": self.server.url + "/"}
        return SandboxConnector(settings, {"token": secret or self.secret}, http)

    def add_clients(self, clients: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]:
        return self.store.clients.add(
            {
                "name": name,
                "phones": [{"number": number, "label": ""} for number in numbers],
                "patients": [],
            }
            for name, numbers in clients
        )

    def rename_client(self, client_id: str, name: str) -> None:
        self.store.clients.change(client_id, name=name)

    def remove_client(self, client_id: str) -> None:
        self.store.clients.remove(client_id)

    def kept(self, kind: Kind, client_id: str) -> list[Kept]:
        return [
            Kept(
                record["id"],
                record["title"],
                record["body"],
                record.get("status") == "done",
                record.get("assignee", ""),
            )
            for _, record in self.store.records.after(kind.value, 0, 100, client_id=client_id)
        ]

    def remove(self, kind: Kind, pms_id: str) -> None:
        self.store.records.remove(kind.value, pms_id)

    def close(self, pms_id: str) -> None:
        self.store.records.change("task", pms_id, {"status": "done"})

    def fail(self, fault: Fault) -> None:
        self.faults.switch_on(fault)


class TestSandboxConnector(ConnectorContract):
    connector_class = SandboxConnector

    @pytest.fixture
    def pms(self) -> Iterator[SandboxPms]:
        pms = SandboxPms()
        yield pms
        pms.server.stop()
        pms.store.close()


def test_it_is_registered_by_its_name() -> None:
    assert CONNECTORS["sandbox"] is SandboxConnector


def test_every_wrong_setting_is_named_and_none_is_quoted() -> None:
    http = Http()

    with pytest.raises(ConfigError) as raised:
        SandboxConnector({"base_url": "ftp://old-host"}, {"token": "to\nken"}, http)

    assert [fault.split()[0] for fault in raised.value.faults] == ["base_url", "token"]
    assert "old-host" not in str(raised.value)
    http.close()


def test_an_address_of_something_else_is_told_as_such() -> None:
    pms = SandboxPms()
    http = Http(allow_private=True)
    connector = SandboxConnector(
        {"base_url": pms.server.url + "/elsewhere"}, {"token": pms.secret}, http
    )

    with pytest.raises(CredentialsRejected, match="base_url"):
        connector.check()

    pms.server.stop()
    pms.store.close()
    http.close()


def test_ids_may_be_numbers_and_a_note_need_not_say_when_it_changed(httpserver) -> None:
    http = Http(allow_private=True)
    connector = SandboxConnector({"base_url": httpserver.url_for("")}, {"token": "t"}, http)
    httpserver.expect_request("/api/v1/notes", method="POST").respond_with_json(
        {"id": 17}, status=201
    )
    httpserver.expect_request("/api/v1/notes", method="GET").respond_with_json(
        {"items": [{"id": 17}], "next_cursor": None}
    )
    note = Note("C1", "Missed call", "…", datetime(2026, 3, 2, tzinfo=UTC), "rn-1")

    assert connector.create_note(note, "key-1") == Written("17")
    assert connector.find_by_reference(Kind.NOTE, "C1", "rn-1") == "17"
    http.close()


@pytest.mark.parametrize("answer", [[], {"id": ""}, {"id": None}, {"note": {"id": "N1"}}])
def test_an_answer_without_an_id_leaves_open_whether_it_was_written(httpserver, answer) -> None:
    http = Http(allow_private=True)
    connector = SandboxConnector({"base_url": httpserver.url_for("")}, {"token": "t"}, http)
    httpserver.expect_request("/api/v1/notes").respond_with_json(answer, status=201)

    with pytest.raises(OutcomeUnknown):
        connector.create_note(
            Note("C1", "Missed call", "…", datetime(2026, 3, 2, tzinfo=UTC), "rn-1"), "key-1"
        )
    http.close()
