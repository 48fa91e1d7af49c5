"""The contract suite: what every connector is held to, against a stateful fake on a real socket.

A connector's test file subclasses ConnectorContract, names its `connector_class` and gives a `pms`
fixture: an object that keeps what FakePms asks for. What a PMS cannot do, by the capabilities that
its connector declares, is no test of it.
"""

from collections.abc import Iterator
from typing import ClassVar

import pytest

from ..connectors.base import Connector, Note, Task
from ..connectors.declared import missing_methods
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
        for name, test in _tests_of(cls):
            needed = getattr(test, NEEDED)
            setattr(cls, name, test if all(getattr(able, each) for each in needed) else None)

    def test_all_that_is_declared_is_there(self) -> None:
        assert missing_methods(self.connector_class) == []

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


def _tests_of(kind: type) -> Iterator[tuple[str, object]]:
    """The tests that are for some PMSs alone, by name: also those that a class between, of another
    connector, left out. What a class itself sets to None is none of its tests."""
    for name in dir(kind):
        held = [vars(each)[name] for each in kind.__mro__ if name in vars(each)]
        test = next((each for each in held if hasattr(each, NEEDED)), None)
        is_left_out = name in vars(kind) and held[0] is None
        if test is not None and not is_left_out:
            yield name, test
