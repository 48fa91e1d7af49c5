"""What `ringnote check` says of the database's size and age, and of who cleaned it last."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ..keeping.state import House, read_house
from ..runtime import Runtime

LATE = timedelta(hours=6)
"""Workers clean every hour: after so long none does."""
MONTHS_AHEAD = 1

Said = tuple[str, str]
"""'ok', 'hint' or 'fault', and what was found in words."""


def tell_house(runtime: Runtime) -> Iterator[Said]:
    """Its size, how far back it goes, and when it was last cleaned. Reads only."""
    with runtime.db.reading() as session:
        house = read_house(session, runtime.db)
        now = runtime.db.present(session)
    since = f", webhooks since {house.oldest_event_at:%F}" if house.oldest_event_at else ""
    yield "ok", f"the database holds {megabytes(house.bytes)}{since}"
    yield _of_cleaning(house, now)
    if house.months_ahead is not None and house.months_ahead < MONTHS_AHEAD:
        yield (
            "hint",
            "next month has no partition for webhooks yet; a running worker makes it, or run:"
            " ringnote housekeeping",
        )


def megabytes(size: int) -> str:
    """A size in bytes as people read it: '12.3 MB'."""
    return f"{size / 1e6:,.1f} MB"


def _of_cleaning(house: House, now: datetime) -> Said:
    if house.finished_at is None:
        return "hint", "housekeeping has not run yet; a running worker does it every hour"
    told = f"housekeeping was last done at {house.finished_at:%F %T} UTC"
    if now - house.finished_at > LATE:
        return "fault", f"{told}; see that a worker runs, or run: ringnote housekeeping"
    return "ok", told
