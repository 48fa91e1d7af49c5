"""The server that all live tests share, and a fresh database of it for each."""

from collections.abc import Iterator

import pytest

from live.gnuhealth_server import GnuHealth, LiveGnuHealth, running


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[GnuHealth]:
    with running(tmp_path_factory.mktemp("gnuhealth")) as server:
        yield server


@pytest.fixture
def pms(server) -> Iterator[LiveGnuHealth]:
    pms = LiveGnuHealth(server)
    yield pms
    pms.server.stop()
