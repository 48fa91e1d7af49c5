"""Kennelbook: the contract, and what is special to it."""

from collections.abc import Iterator

import pytest
from kennelbook import Kennelbook
from ringnote_kennelbook import KennelbookConnector

from ringnote.errors import ConfigError
from ringnote.http import Http
from ringnote.testing import ConnectorContract


class TestKennelbook(ConnectorContract):
    connector_class = KennelbookConnector

    @pytest.fixture
    def pms(self) -> Iterator[Kennelbook]:
        pms = Kennelbook()
        yield pms
        pms.server.stop()


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="base_url"):
        KennelbookConnector({"base_url": "oakstreet"}, {"api_key": "k"}, Http())
