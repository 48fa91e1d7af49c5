"""A token bucket, reckoned by values alone: how many requests may be sent, and from when on."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..connectors.base import Rate

APART_SECONDS = 0.25
"""Requests may reach the PMS by so much closer together, or further apart, than they were bought.
"""
BURST_SHARE = 10
"""A burst may take one in so many of the requests that a rate allows."""

ROUNDING = timedelta(microseconds=5)
"""By so much moments may be off that were reckoned from others."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """`size` tokens at most, `per_second` new ones a second; one at least is there from `ready_at`
    (UTC) on. Each request takes one."""

    size: float
    per_second: float
    ready_at: datetime

    @classmethod
    def of(cls, rate: Rate, now: datetime) -> "Bucket":
        """A bucket with its first token, from which never more than the rate's requests are taken
        in its seconds, nor reach the PMS though they are up to `APART_SECONDS` on their way."""
        size = max(1, rate.requests // BURST_SHARE)
        return cls(size, (rate.requests - size + 1) / (rate.seconds + APART_SECONDS), now)

    def whole_tokens(self, now: datetime) -> int:
        """How many may be taken now."""
        left = 1 + (now + ROUNDING - self.ready_at).total_seconds() * self.per_second
        return max(0, int(min(self.size, left)))

    def seconds_until(self, tokens: int, now: datetime) -> float:
        """How long until so many are there; 0 if they are."""
        at = self.ready_at + _during(tokens - 1, self.per_second)
        return max(0.0, (at - now).total_seconds())

    def less(self, tokens: int, now: datetime) -> "Bucket":
        """What is left once so many are taken, though they may not all be there yet."""
        fullest = now - _during(self.size - 1, self.per_second)
        taken = _during(tokens, self.per_second)
        return replace(self, ready_at=max(self.ready_at, fullest) + taken)

    def more(self, tokens: int) -> "Bucket":
        """With so many of those that were taken given back."""
        return replace(self, ready_at=self.ready_at - _during(tokens, self.per_second))


def _during(tokens: float, per_second: float) -> timedelta:
    return timedelta(seconds=tokens / per_second)
