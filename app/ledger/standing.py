"""Where things stand, in words and as one disposition. Pure; listings and traces ask it."""

from collections.abc import Iterable
from datetime import datetime

from ..models import EntryState

LEAST_FINISHED = (
    EntryState.SET_ASIDE,
    EntryState.WAITING,
    EntryState.RETRYING,
    EntryState.DUE,
    EntryState.SYNCED,
    EntryState.WITHDRAWN,
)
"""Of several entries, the first of these is what a person should hear of."""


def dispose(is_settled: bool, filtered_by: str | None, states: Iterable[EntryState]) -> str:
    """The disposition of a call or window: 'open', 'filtered', or its least finished entry's."""
    if not is_settled:
        return "open"
    if filtered_by:
        return "filtered"
    known = set(states)
    return next((state.value for state in LEAST_FINISHED if state in known), "filtered")


def stand(
    state: EntryState,
    reason: str | None,
    due_at: datetime | None,
    match_rule: str | None,
    paused_reason: str | None,
    now: datetime,
) -> str:
    """Where an entry stands, as a front desk would say it.

    `due_at` is its outbox row's, `match_rule` why its number is not decided, `paused_reason` why
    its connection is paused; None where there is no such thing.
    """
    match state:
        case EntryState.WAITING:
            return f"waiting: {match_rule}" if match_rule else "waiting for a match"
        case EntryState.DUE:
            if paused_reason:
                return f"due: the connection is paused ({paused_reason})"
            return f"due: {reason}" if reason else "due"
        case EntryState.RETRYING:
            if paused_reason:
                return f"retrying: the connection is paused ({paused_reason})"
            when = f"in {span((due_at - now).total_seconds())}" if due_at else "soon"
            return f"retrying {when}: {reason}" if reason else f"retrying {when}"
        case EntryState.SET_ASIDE:
            return f"set aside: {reason}" if reason else "set aside"
        case EntryState.SYNCED:
            return f"written, but {reason}" if reason else "written"
        case EntryState.WITHDRAWN:
            return f"withdrawn: {reason}" if reason else "withdrawn"


def purged(started_at: datetime, frozen_at: datetime | None) -> str | None:
    """That a call's or window's webhooks are gone, as a front desk would say it; None if not."""
    if frozen_at is None:
        return None
    days = (frozen_at - started_at).days
    return f"its webhooks were purged on {frozen_at:%Y-%m-%d}, after {days} days"


def span(seconds: float) -> str:
    """A wait in words: 'a moment', '40 s', '4 min', '3 h', '9 d'."""
    if seconds < 1:
        return "a moment"
    if round(seconds) < 60:
        return f"{round(seconds)} s"
    if round(seconds / 60) < 60:
        return f"{round(seconds / 60)} min"
    if round(seconds / 3600) < 48:
        return f"{round(seconds / 3600)} h"
    return f"{round(seconds / 86400)} d"
