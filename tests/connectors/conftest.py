"""What the tests of all connectors share."""

from collections.abc import Iterator

import pytest

from ringnote.http import Http


@pytest.fixture
def http() -> Iterator[Http]:
    http = Http(allow_private=True)
    yield http
    http.close()
