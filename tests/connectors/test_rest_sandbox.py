"""The sandbox PMS, described by a file instead of written in Python, held to the same contract."""

from collections.abc import Iterator

import pytest
from connectors.test_sandbox import SandboxPms

from ringnote.connectors.base import Connector
from ringnote.connectors.rest.connector import RestConnector
from ringnote.connectors.rest.examples import examples
from ringnote.connectors.sandbox import SandboxConnector
from ringnote.http import Http
from ringnote.testing import ConnectorContract

DESCRIBED = RestConnector.described_by({"file": examples()["sandbox"]})


class DescribedPms(SandboxPms):
    def connector(self, http: Http, *, secret: str | None = None) -> Connector:
        settings = {"base_url": self.server.url + "/"}
        return DESCRIBED(settings, {"token": secret or self.secret}, http)


class TestSandboxDescribed(ConnectorContract):
    connector_class = DESCRIBED

    @pytest.fixture
    def pms(self) -> Iterator[DescribedPms]:
        pms = DescribedPms()
        yield pms
        pms.server.stop()
        pms.store.close()


def test_the_file_comes_to_the_same_capabilities_as_the_code() -> None:
    assert DESCRIBED.capabilities == SandboxConnector.capabilities
