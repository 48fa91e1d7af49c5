"""What a failed try means: pure decisions, from an error to what happens next."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ..errors import (
    ConnectorError,
    CredentialsRejected,
    OutcomeUnknown,
    RateLimited,
    RecordGone,
    RecordRejected,
    Temporary,
)

FIRST_RETRY_SECONDS = 4.0
GROWTH = 3.0
LONGEST_RETRY_SECONDS = 3600.0 * 4
GIVE_UP_SECONDS = 3600.0 * 24 * 3
LOOK_AGAIN_SECONDS = 2.0
RATE_LIMIT_SECONDS = 30.0
BREAKER_FAILURES = 5
BREAKER_SECONDS = 30.0
LONGEST_BREAK_SECONDS = 300.0


class Next(StrEnum):
    """What becomes of the entry."""

    WRITTEN = "written"
    AGAIN = "again"
    SNOOZED = "snoozed"
    PAUSED = "paused"
    SET_ASIDE = "set_aside"
    UNKNOWN = "unknown"
    CLOSED_THERE = "closed_there"
    """Done or deleted in the PMS by its users, so it is left as they have it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens after a try. `seconds` until the next one; `reason` in words."""

    next: Next
    seconds: float = 0.0
    reason: str | None = None
    is_in_doubt: bool = False
    """Whether a create may have been carried out."""
    asks: bool = False
    """Whether a person is asked if it was."""
    is_untried: bool = False
    """Whether nothing could be tried here, as there is no connector."""


DELETED_THERE = Verdict(Next.CLOSED_THERE, reason="it was deleted in the PMS, so it is left alone")


def judge(
    error: ConnectorError,
    *,
    creating: bool,
    attempts: int,
    age_seconds: float,
    jitter: float,
    unanswered: int = 0,
) -> Verdict:
    """What a ConnectorError means for an entry that failed `attempts` times before, the last
    `unanswered` of them with an unknown outcome.

    `age_seconds` is how long it has been tried for, as `tried_since` counts it, `jitter` a random
    number in [0, 1). `creating`: a create was (perhaps) sent.
    """
    said = str(error)
    match error:
        case RateLimited():
            return Verdict(Next.SNOOZED, error.retry_after or RATE_LIMIT_SECONDS, said)
        case CredentialsRejected():
            return Verdict(Next.PAUSED, 0.0, said)
        case RecordGone() if not creating:
            return DELETED_THERE
        case RecordRejected() | RecordGone():
            return Verdict(Next.SET_ASIDE, 0.0, said)
    in_doubt = creating and may_be_carried_out(error)
    if attempts and age_seconds > GIVE_UP_SECONDS:
        return Verdict(Next.SET_ASIDE, 0.0, f"given up after 3 days: {said}", in_doubt)
    if isinstance(error, OutcomeUnknown):
        # Soon after the first, as it was probably written; a PMS that never answers is let be.
        soon = LOOK_AGAIN_SECONDS * (0.5 + jitter)
        seconds = retry_seconds(unanswered - 1, jitter) if unanswered else soon
        return Verdict(Next.UNKNOWN, seconds, said, in_doubt)
    seconds = retry_seconds(attempts, jitter)
    if isinstance(error, Temporary) and error.retry_after:
        seconds = max(seconds, error.retry_after)
    return Verdict(Next.AGAIN, seconds, said, in_doubt)


def may_be_carried_out(error: ConnectorError) -> bool:
    """Whether what was answered so was perhaps written all the same."""
    if isinstance(error, RateLimited | CredentialsRejected | RecordRejected | RecordGone):
        return False
    # A 5xx proves nothing: some gateways answer 502 for what was carried out.
    return isinstance(error, OutcomeUnknown) or error.status is not None


def judge_untried(why: str, attempts: int, jitter: float) -> Verdict:
    """What follows where no connector can be made: it is no fault of the entry's, however long."""
    return Verdict(Next.AGAIN, retry_seconds(attempts, jitter), why, is_untried=True)


def tried_since(verdict: Verdict, attempts: int, since: datetime, now: datetime) -> datetime:
    """From when on the days are counted after which an entry is given up, once this try ended.

    They begin with the first of the failures in a row; those before it were `attempts`. Time in
    which the PMS asked to wait is left out, and they begin anew after what could not be tried.
    """
    if verdict.next is Next.SNOOZED:
        return min(since + timedelta(seconds=verdict.seconds), now)
    if not attempts or verdict.is_untried or verdict.next is Next.PAUSED:
        return now
    return since


def retry_seconds(attempts: int, jitter: float) -> float:
    """Seconds until the next try after `attempts` earlier failures: at first within 5, then ever
    longer, spread by `jitter` in [0, 1)."""
    longest = min(FIRST_RETRY_SECONDS * GROWTH ** min(attempts, 20), LONGEST_RETRY_SECONDS)
    return longest * (0.5 + jitter / 2)


def breaker_seconds(failures: int, jitter: float) -> float | None:
    """How long to leave a connection alone after `failures` in a row; None to go on."""
    if failures < BREAKER_FAILURES:
        return None
    doubled = min(failures - BREAKER_FAILURES, 20)
    longest = min(BREAKER_SECONDS * 2.0**doubled, LONGEST_BREAK_SECONDS)
    return longest * (0.5 + jitter / 2)
