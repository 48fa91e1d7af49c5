"""A PMS whose pages repeat: each is the first one once more, and tells of another to follow."""

from typing import Any

from ..http import Answer, Http

MOST = 200
"""Requests, after which a connector is taken to ask on for ever."""


class Repeating(Http):
    """Answers what is asked as it was answered when the like was asked first."""

    def __init__(self) -> None:
        super().__init__(allow_private=True)
        # Shared by the copies that connectors make of it.
        self._first: dict[tuple[str, ...], Answer] = {}
        self._asked: list[str] = []

    def request(self, method: str, url: str, **asked: Any) -> Answer:
        path, body = url.partition("?")[0], asked.get("json")
        self._asked.append(path)
        assert len(self._asked) < MOST, "the connector reads pages that repeat for ever"
        what = str(body.get("method", "")) if isinstance(body, dict) else ""
        place = (method, path, what)
        if place not in self._first:
            self._first[place] = super().request(method, url, **asked)
        return self._first[place]
