"""Fake PMSs as fixtures."""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import pytest

from ringnote.sandbox.server import Server


class Served(Protocol):
    """A fake PMS that is served as soon as it is made."""

    server: Server


Fake = TypeVar("Fake", bound=Served)


def served(kind: Callable[[], Fake]) -> Callable[[], Iterator[Fake]]:
    """The fixture `pms` of a test module: one fake of this kind for each test."""

    @pytest.fixture
    def pms() -> Iterator[Fake]:
        pms = kind()
        yield pms
        pms.server.stop()

    return pms
