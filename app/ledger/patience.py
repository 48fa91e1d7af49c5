"""How long a client's text may wait for an answer before it asks to be called back. Pure."""

from collections.abc import Iterable
from datetime import timedelta

from .episodes import TRIES, Happening, Kind
from .rules import Rules

ANSWERS = (*TRIES, Kind.ANSWERED)
"""What answers a text of theirs."""


def text_patience(rules: Rules) -> timedelta | None:
    """After how long without an answer a client's text asks for a callback; None: never."""
    general = rules.callbacks
    return timedelta(minutes=general.text_minutes) if general.texts else None


def was_answered(text: Happening, known: Iterable[Happening], within: timedelta) -> bool:
    """Whether anybody wrote, dialled or spoke to them within that time after a text of theirs."""
    return any(
        each.kind in ANSWERS
        and text.at < each.at <= text.at + within
        and (each.number == text.number or (bool(text.client) and each.client == text.client))
        for each in known
    )
