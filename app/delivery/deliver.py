"""One try to write one claimed entry through its connector. No transaction is open meanwhile."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..clock import Clock
from ..connectors.base import Connector
from ..errors import ConnectorError, OutcomeUnknown, RateLimited, Temporary
from ..exchanges import last_status, recording
from .doubt import Done, Errand
from .gone import confirm_gone
from .records import LEASE_LOST, Records
from .retry import judge
from .tries import Try
from .work import Work
from .writing import create, delete, update

Action = Callable[[Errand], Done]


@dataclass(frozen=True, slots=True)
class Tools:
    """What tries are made with, besides a connector."""

    clock: Clock
    is_held: Callable[[Work], bool]
    """Whether the lease can still be relied on."""
    records: Records


def deliver(work: Work, connector: Connector, tools: Tools) -> Try:
    """Make the PMS say what the entry says; never raises a ConnectorError, but tells of it.

    Nothing is written once the lease cannot be relied on any more: that is asked before each write,
    since a look-up before it may have taken long.
    """
    started_at, started = tools.clock(), time.monotonic()

    def require_lease() -> None:
        if not tools.is_held(work):
            raise Temporary(LEASE_LOST)

    errand = Errand(work, connector, tools.records, require_lease, started_at)
    action = _plan(work)
    with recording() as exchanges:
        try:
            require_lease()
            done = action(errand)
        except ConnectorError as refused:
            failed = _failed(errand, action, confirm_gone(connector, refused))
            return replace(failed, duration_ms=_since(started), exchanges=exchanges)
    return Try(
        done.action,
        started_at,
        _since(started),
        done.verdict,
        done.pms_id,
        http_status=last_status(exchanges),
        closed_at=done.closed_at,
        exchanges=exchanges,
        text=done.text,
    )


def _failed(errand: Errand, action: Action, error: ConnectorError) -> Try:
    work = errand.work
    verdict = judge(
        error,
        creating=work.pms_id is None and work.is_wanted,
        attempts=work.attempts,
        unanswered=work.unanswered,
        age_seconds=(errand.at - work.queued_at).total_seconds(),
        jitter=random.random(),
    )
    return Try(
        action=action.__name__,
        started_at=errand.at,
        duration_ms=0,
        verdict=verdict,
        pms_id=work.pms_id,
        http_status=error.status,
        is_outage=isinstance(error, Temporary | OutcomeUnknown)
        and not isinstance(error, RateLimited),
    )


def _plan(work: Work) -> Action:
    if not work.is_wanted:
        return delete
    return update if work.pms_id else create


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
