"""What fake PMSs have in common that are signed in to by OAuth 2 client credentials."""

from collections.abc import Mapping
from typing import Any

from flask import request


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
