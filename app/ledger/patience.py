"""How long a client's text may wait for an answer before it asks to be called back. Pure."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from .episodes import TRIES, Happening, Kind
from .policy import open_hours
from .rules import Rules

Patience = Callable[[datetime], timedelta | None]
"""After how long without an answer a client's text of that moment asks for a callback; None:
never."""
ANSWERS = (*TRIES, Kind.ANSWERED)
"""What answers a text of theirs."""


def text_patience(rules: Rules, timezone: str) -> Patience:
    """How patient these rules have a client be, whose texts count as calls do: those of the hours
    that callbacks are for. `timezone` is the clinic's."""
    general, hours = rules.callbacks, open_hours(rules.hours, timezone)
    within = timedelta(minutes=general.text_minutes) if general.texts else None

    def patience(at: datetime) -> timedelta | None:
        is_now = general.hours == "always" or hours.is_open(at) == (general.hours == "open")
        return within if is_now else None

    return patience


def was_answered(text: Happening, known: Iterable[Happening], within: timedelta) -> bool:
    """Whether anybody wrote, dialled or spoke to them within that time after a text of theirs."""
    return any(
        each.kind in ANSWERS
        and text.at < each.at <= text.at + within
        and (each.number == text.number or (bool(text.client) and each.client == text.client))
        for each in known
    )
