"""How long a PMS asks to be left alone, in whatever way it says so."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRY_AFTER_CAP_SECONDS = 6 * 3600.0
SECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")
WINDOW_RESET = re.compile(r"(?:^|[;,])\s*(?:t|reset)=([0-9]{1,9})")


def retry_after(headers: Mapping[str, str], now: datetime, own: Sequence[str] = ()) -> float | None:
    """Seconds to wait, from Retry-After, a reset stamp or `RateLimit: …;t=`, or from one of a PMS's
    `own` headers; None if none is told.

    Clamped to between 1 second and 6 hours.
    """
    seconds = _stated_wait(headers, now, own)
    if seconds is None:
        return None
    return min(max(seconds, 1.0), RETRY_AFTER_CAP_SECONDS)


def _stated_wait(headers: Mapping[str, str], now: datetime, own: Sequence[str]) -> float | None:
    value = headers.get("Retry-After", "").strip()
    if SECONDS.fullmatch(value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (moment - now).total_seconds()
    except (ValueError, OverflowError):
        pass
    if resets := WINDOW_RESET.findall(headers.get("RateLimit", "")):
        return max(map(float, resets))
    for name in ("X-RateLimit-Reset", "RateLimit-Reset", *own):
        value = headers.get(name, "").strip()
        if SECONDS.fullmatch(value):
            stamp = float(value) / (1000 if len(value.partition(".")[0]) >= 12 else 1)
            # A stamp in (milli)seconds since 1970, or the seconds left: nobody waits for years.
            return stamp - now.timestamp() if stamp >= 1e8 else stamp
    return None
