"""The steps of a trial: each is something tried, what came of it, and what was exchanged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...errors import (
    ConnectorError,
    CredentialsRejected,
    OutcomeUnknown,
    RateLimited,
    RecordGone,
    RecordRejected,
    Temporary,
)
from ...exchanges import Exchange, recording

ADVICE: dict[type[ConnectorError], str] = {
    CredentialsRejected: "look at [auth], the secrets, base_url and what the account may do",
    RecordGone: "look at the path: there is nothing there",
    RecordRejected: "the PMS does not take what was sent: look at path, query and body",
    RateLimited: "wait, then try again",
    OutcomeUnknown: "look at id, and on the client's record for a trial to remove by hand",
    Temporary: "look at items, paging and the paths into the answer, or try again later",
}
LEFT = "left out, since {name} is not described"


@dataclass(frozen=True, slots=True)
class Step:
    """What was tried and what came of it. `is_fine` is None for what was left out."""

    name: str
    said: str
    is_fine: bool | None
    exchanges: Sequence[Exchange] = ()


class Odd(Exception):
    """What a PMS did is not what it should; says what to look at."""


def take_step(name: str, do: Callable[[], str]) -> Step:
    """Do it: it returns what to say of it, or raises Odd or a ConnectorError."""
    with recording() as exchanges:
        try:
            said, is_fine = do(), True
        except Odd as error:
            said, is_fine = str(error), False
        except ConnectorError as error:
            advice = next(text for kind, text in ADVICE.items() if isinstance(error, kind))
            said, is_fine = f"{error}; {advice}", False
    return Step(name, said, is_fine, tuple(exchanges))
