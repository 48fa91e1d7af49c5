"""Fake PMSs as fixtures, and what those have in common that are signed in to by OAuth 2."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

import pytest
from flask import request

from ringnote.sandbox.server import Server


class Served(Protocol):
    """A fake PMS that is served as soon as it is made."""

    server: Server


Kind = TypeVar("Kind", bound=Served)


def served(kind: Callable[[], Kind]) -> Callable[[], Iterator[Kind]]:
    """The fixture `pms` of a test module: one fake of this kind for each test."""

    @pytest.fixture
    def pms() -> Iterator[Kind]:
        pms = kind()
        yield pms
        pms.server.stop()

    return pms


class Tokens:
    """Gives tokens to one client, who is let in with the newest alone. `given` are all of them,
    `lives_seconds` is what is said of each."""

    def __init__(self, **wanted: str) -> None:
        self.wanted = {"grant_type": "client_credentials", **wanted}
        self.given: list[str] = []
        self.lives_seconds: object = 3600

    def give(self, asked: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        if dict(asked) != self.wanted:
            return {"error": "invalid_client", "error_description": "no such client"}, 401
        self.given.append(f"access-token-{len(self.given) + 1}")
        return {
            "access_token": self.given[-1],
            "token_type": "Bearer",
            "expires_in": self.lives_seconds,
        }, 200

    def is_let_in(self) -> bool:
        """Whether the request at hand carries the newest token."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme == "Bearer" and token in self.given[-1:]
