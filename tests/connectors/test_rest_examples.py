"""The shipped descriptions of PMSs that nobody here has an account at, held to the contract."""

from collections.abc import Iterator
from typing import ClassVar

import pytest
from connectors.described_fakes import DescribedPms, EspoPms, OpenDentalPms

from ringnote.connectors.rest.connector import RestConnector
from ringnote.connectors.rest.examples import examples
from ringnote.testing import ConnectorContract


class Described(ConnectorContract):
    connector_class = RestConnector
    unknown_client = "999999"
    pms_class: ClassVar[type[DescribedPms]]

    @pytest.fixture
    def pms(self) -> Iterator[DescribedPms]:
        pms = self.pms_class()
        yield pms
        pms.server.stop()


class TestEspoCrm(Described):
    connector_class = RestConnector.described_by({"file": examples()["espocrm"]})
    pms_class = EspoPms


class TestOpenDental(Described):
    connector_class = RestConnector.described_by({"file": examples()["opendental"]})
    pms_class = OpenDentalPms
    assignee = "75"
    tells_of_changes = False
