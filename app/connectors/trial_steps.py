"""The steps of a trial: each is something tried, what came of it, and what was exchanged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import ConnectorError
from ..exchanges import Exchange, recording


@dataclass(frozen=True, slots=True)
class Step:
    """What was tried and what came of it. `is_fine` is None for what was left out.

    `look_at` is what of a description it comes from, '' where that is not known; `trouble` is the
    error that it ended in, if it was one.
    """

    name: str
    said: str
    is_fine: bool | None
    look_at: str = ""
    trouble: ConnectorError | None = None
    exchanges: Sequence[Exchange] = ()


class Odd(Exception):
    """What a PMS did is not what it should; `look_at` as in a step."""

    def __init__(self, said: str, look_at: str = "") -> None:
        self.look_at = look_at
        super().__init__(said)


def leave_out(name: str, look_at: str) -> Step:
    """A step that is not taken, since the PMS cannot do it."""
    return Step(name, "left out: it cannot", None, look_at)


def take_step(name: str, do: Callable[[], str]) -> Step:
    """Do it: it returns what to say of it, or raises Odd or a ConnectorError."""
    with recording() as exchanges:
        try:
            said, is_fine, look_at, trouble = do(), True, "", None
        except Odd as error:
            said, is_fine, look_at, trouble = str(error), False, error.look_at, None
        except ConnectorError as error:
            said, is_fine, look_at, trouble = str(error), False, "", error
    return Step(name, said, is_fine, look_at, trouble, tuple(exchanges))
