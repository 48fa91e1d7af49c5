"""Trying a description out against the real PMS, step by step, each with what was exchanged.

Nothing is written unless a client is named for it, and then everything is removed again.
"""

from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from ...errors import (
    ConnectorError,
    CredentialsRejected,
    OutcomeUnknown,
    RateLimited,
    RecordGone,
    RecordRejected,
    Temporary,
)
from ..base import Connector
from ..trial_reading import try_reading
from ..trial_steps import Odd, Step, leave_out, take_step
from ..trial_writing import try_writing

RECENT = timedelta(days=1)
ADVICE: dict[type[ConnectorError], str] = {
    CredentialsRejected: "look at [auth], the secrets, base_url and what the account may do",
    RecordGone: "look at the path: there is nothing there",
    RecordRejected: "the PMS does not take what was sent: look at path, query and body",
    RateLimited: "wait, then try again",
    OutcomeUnknown: "look at id, and on the client's record for a trial to remove by hand",
    Temporary: "look at items, paging and the paths into the answer, or try again later",
}


def try_out(
    connector: Connector, region: str, number: str | None, client_id: str | None, now: datetime
) -> Iterator[Step]:
    """Sign in, list, search and follow; on a client that is named write, read, change and remove
    what Ringnote writes. `number` (E.164) is searched for, else a number of the first client that
    has one, read as in `region`. What is wrong is said with the key to look at."""
    steps = _try(connector, region, number, client_id, now)
    try:
        yield from map(_advise, steps)
    finally:
        # Whoever looks on may stop: what was written is removed then too, and at once.
        steps.close()


def _try(
    connector: Connector, region: str, number: str | None, client_id: str | None, now: datetime
) -> Generator[Step, None, None]:
    accounts: list[str] = []
    yield take_step("Sign in", lambda: _sign_in(connector, accounts))
    if not accounts:
        return
    yield from try_reading(connector, region, number, may_be_empty=False)
    if connector.capabilities.delta_sync:
        yield take_step("Follow the changes of a day", lambda: _follow(connector, now - RECENT))
    else:
        yield leave_out("Follow the changes", "changed_clients")
    if client_id:
        yield from try_writing(connector, client_id, now)


def _advise(step: Step) -> Step:
    """The step with what to look at in the description."""
    if step.trouble:
        trouble = step.trouble
        advice = next(text for kind, text in ADVICE.items() if isinstance(trouble, kind))
        return replace(step, said=f"{step.said}; {advice}")
    if not step.look_at:
        return step
    if step.is_fine is None:
        return replace(step, said=f"{step.said}, since {step.look_at} is not described")
    return replace(step, said=f"{step.said}: look at {step.look_at}")


def _sign_in(connector: Connector, accounts: list[str]) -> str:
    result = connector.check()
    accounts.append(result.account)
    if result.missing:
        raise Odd(f"signed in, but the account may not {'; nor '.join(result.missing)}")
    return f"signed in to {result.account}"


def _follow(connector: Connector, since: datetime) -> str:
    page = next(iter(connector.iter_clients({"since": since.isoformat()})), None)
    changed = page.clients if page else ()
    stamps = [each.updated_at for each in changed if each.updated_at]
    if stamps and max(stamps) < since - RECENT:
        raise Odd("what it tells changed long before", "since and client.updated_at")
    return f"{len(changed)} on the first page"
