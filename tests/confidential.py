"""What no log may hold: gathered while a test runs, and looked for in all that it logged.

The names, numbers and texts are those of the webhooks that were read and of the clients that were
stored; the secrets are the random tokens that were made and the passwords that were typed.
"""

import logging
import re
import secrets as randomness
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from ringnote.logs import FIELDS
from ringnote.telephony import ingest
from ringnote.telephony.facts import FREE_TEXT, NUMBER_FIELDS

SHORTEST = 5
"""Characters: what is shorter is found in ordinary words too."""
OF_CLIENTS = re.compile(r"INSERT INTO ringnote_client(_number)?\b")
OF_A_PERSON = re.compile(r".* .*|\+?[0-9]{7,}")
"""A name or a number, and not a client's id or where it came from."""


def logged(caplog: pytest.LogCaptureFixture) -> list[dict]:
    """The events that Ringnote logged, each with its fields."""
    return [getattr(each, FIELDS) for each in caplog.records if hasattr(each, FIELDS)]


class Watch:
    """What was confidential, and what was logged."""

    def __init__(self) -> None:
        self.confidential: set[str] = set()
        self.lines: list[str] = []

    def keep(self, *values: object) -> None:
        plain = (v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values)
        self.confidential |= {value for value in plain if len(value) >= SHORTEST}

    def leaks(self) -> list[tuple[str, str]]:
        """Each line that holds what it may not, and what that is."""
        return [(line, each) for line in self.lines for each in self.confidential if each in line]


@contextmanager
def watching_logs() -> Iterator[Watch]:
    """Watch everything that this process logs, and what passes through it, until the block ends."""
    watch = Watch()

    def see_insert(_connection, _cursor, statement, parameters, *_) -> None:
        if OF_CLIENTS.match(statement):
            watch.keep(*filter(OF_A_PERSON.fullmatch, _texts(parameters)))

    with pytest.MonkeyPatch.context() as patch:
        format_record = logging.Formatter().format
        _tap(
            patch,
            logging.Logger,
            "handle",
            lambda said, _: watch.lines.append(format_record(said[1])),
        )
        for name in ("hash", "verify"):
            _tap(patch, PasswordHasher, name, lambda given, _: watch.keep(given[-1]))
        for name in ("token_urlsafe", "token_hex"):
            _tap(patch, randomness, name, lambda _, made: watch.keep(made))
        _tap(patch, ingest, "read_event", lambda _, reading: watch.keep(*_told_in(reading)))
        sa.event.listen(sa.Engine, "before_cursor_execute", see_insert)
        try:
            yield watch
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", see_insert)


def _tap(
    patch: pytest.MonkeyPatch, owner: object, name: str, hear: Callable[[tuple, object], object]
) -> None:
    """Have `hear` told what is given to a function, and what it returns."""
    original = getattr(owner, name)

    def heard(*given, **named):
        result = original(*given, **named)
        hear(given, result)
        return result

    patch.setattr(owner, name, heard)


def _told_in(reading) -> Iterator[str]:
    kept = FREE_TEXT | NUMBER_FIELDS
    return (value for name, value in reading.fields.items() if name in kept)


def _texts(parameters: object) -> Iterator[str]:
    """The texts among them, of one row or of many."""
    if isinstance(parameters, str):
        yield parameters
    elif isinstance(parameters, dict | list | tuple):
        for each in parameters.values() if isinstance(parameters, dict) else parameters:
            yield from _texts(each)
