"""The contract against a real GNU Health server."""

import pytest

from live.gnuhealth_server import LiveGnuHealth
from ringnote.connectors.gnuhealth import GnuHealthConnector
from ringnote.connectors.gnuhealth_parties import LOOK_BACK
from ringnote.http import Http
from ringnote.testing import ConnectorContract, gather


class TestGnuHealthConnector(ConnectorContract):
    connector_class = GnuHealthConnector
    unknown_client = "999999"

    @pytest.fixture(autouse=True)
    def _looks_back_less(self, monkeypatch) -> None:
        # All of a test happens within the minute that a delta looks back.
        monkeypatch.setattr("ringnote.connectors.gnuhealth_parties.LOOK_BACK", LOOK_BACK * 0)


def test_the_clinics_own_party_is_a_client_like_any_other(pms: LiveGnuHealth) -> None:
    http = Http(allow_private=True)

    walked = gather(pms.connector(http), None)

    assert set(walked) == set(pms.others)
    http.close()
