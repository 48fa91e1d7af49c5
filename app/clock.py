"""Time: the one way to ask for it, so that tests can pass in their own."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present as an aware datetime in UTC."""


def utc_now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)
