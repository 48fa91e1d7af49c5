"""One run of housekeeping: everything that is older than the settings keep it, in small steps; and
whatever went astray is brought back."""

from datetime import datetime, timedelta

from ..logs import get_logger
from ..models import lowest_event_id
from ..runtime import Runtime
from .astray import bring_back
from .ended import purge_attempts, purge_ended, purge_sign_ins
from .events import purge_events, walk
from .partitions import drop_partition, list_partitions, make_partitions, month_of
from .records import purge_records
from .turn import Turn, TurnEnded

CARRIED_MOST = 5_000
"""Events that are kept back and moved while the table is locked; about 0.1 s on PostgreSQL."""

log = get_logger(__name__)


def keep_house(runtime: Runtime, turn: Turn) -> dict[str, int] | None:
    """Purge what the settings keep no longer; how many of what went, or was brought back.

    None if it was stopped before its end, which the next run goes on to. Commits in small steps;
    raises what the database raises, and then the turn runs out by itself.
    """
    try:
        _keep(runtime, turn)
        turn.end()
    except TurnEnded:
        log.info("housekeeping.stopped", **turn.purged)
        return None
    purged = {what: count for what, count in sorted(turn.purged.items()) if count}
    log.info("housekeeping.finished", **purged)
    return purged


def _keep(runtime: Runtime, turn: Turn) -> None:
    settings, db = runtime.settings, runtime.db
    with db.reading() as session:
        now = db.present(session)

    def before(days: int) -> datetime:
        return now - timedelta(days=days)

    if not db.is_sqlite:
        make_partitions(turn, now)
    bring_back(turn)
    purge_sign_ins(turn, now)
    if settings.keep_ended_days:
        purge_ended(turn, before(settings.keep_ended_days))
    if settings.keep_attempts_days:
        purge_attempts(turn, before(settings.keep_attempts_days))
    if settings.keep_records_days:
        purge_records(turn, before(settings.keep_records_days))
    if settings.keep_events_days:
        _purge_events(turn, before(settings.keep_events_days), now)


def _purge_events(turn: Turn, before: datetime, now: datetime) -> None:
    if not turn.db.is_sqlite:
        # Whole months alone, so that they can be dropped.
        before = month_of(before)
        with turn.step() as session:
            found = list_partitions(session)
        for partition in found:
            if partition.high <= lowest_event_id(before):
                held = walk(turn, partition.low, partition.high, before, deletes=False)
                if len(held) <= CARRIED_MOST:
                    drop_partition(turn, partition, held)
    purge_events(turn, before, now)
