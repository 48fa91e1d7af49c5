"""The contract suite: what every connector is held to, against a stateful fake on a real socket.

A connector's test file subclasses ConnectorContract, names its `connector_class` and gives a `pms`
fixture: an object that keeps what FakePms asks for. What a PMS cannot do, by the capabilities that
its connector declares, is no test of it.
"""

from collections.abc import Iterator
from typing import ClassVar

import pytest

from ..connectors.base import Connector, Note, Task
from ..http import Http
from .clients import ClientsContract
from .connections import ConnectionsContract
from .notes import NotesContract
from .pms import BODY, BODY_2, NAME, NEEDED, TITLE, WHEN, FakePms
from .tasks import TasksContract
from .troubles import TroublesContract


class ConnectorContract(
    ClientsContract, NotesContract, TasksContract, TroublesContract, ConnectionsContract
):
    """Subclass it, with `connector_class`, beside a `pms` fixture that yields a FakePms."""

    connector_class: ClassVar[type[Connector]]

    def __init_subclass__(cls) -> None:
        able = cls.connector_class.capabilities
        for name in dir(cls):
            needed = getattr(getattr(cls, name), NEEDED, ())
            if not all(getattr(able, each) for each in needed):
                setattr(cls, name, None)

    @pytest.fixture
    def http(self) -> Iterator[Http]:
        http = Http(allow_private=True)
        yield http
        http.close()

    @pytest.fixture
    def connector(self, pms: FakePms, http: Http) -> Connector:
        return pms.connector(http)

    @pytest.fixture
    def client_id(self, pms: FakePms) -> str:
        return pms.add_clients([(NAME, ("+12125550142",))])[0]

    @pytest.fixture
    def note(self, client_id: str) -> Note:
        return Note(client_id, TITLE, BODY, WHEN, "R-1")

    @pytest.fixture
    def task(self, client_id: str) -> Task:
        return Task(client_id, "Call back: missed call", BODY_2, WHEN, "R-2")
