"""What a worker does besides settling and delivering: its kinds of background jobs.

To add a kind, write a function that takes on one piece of it which is due, under a lease of its own
(committed), or returns None, and put a JobKind of it into JOBS. `background.py` runs them.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from .delivery.accounts import Accounts
from .delivery.read_back import claim_turn, leave_unread, read_back
from .delivery.refused import pause_if_refused
from .directory.lookup import answer_lookup, claim_lookup, put_off
from .directory.sync import follow_clients
from .directory.sync_state import claim_due
from .directory.upload_work import claim_upload
from .errors import ConfigError
from .keeping.house import keep_house
from .keeping.turn import take_turn
from .logs import get_logger
from .runtime import Runtime

SYNC_SECONDS = 5.0
READ_BACK_SECONDS = 10.0
IMPORT_SECONDS = 1.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Workplace:
    """What a job has in hand. One that takes long looks at `is_stopping` between its steps."""

    runtime: Runtime
    accounts: Accounts
    is_stopping: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work that was taken on. `clinic_id` is of the clinic whose PMS it speaks to."""

    act: Callable[[], None]
    clinic_id: int | None = None


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of background job, done in up to `threads` threads of its own.

    `take` is told the clinics that something of this kind is under way for, none of which it may
    take on another for: a PMS that hangs then holds up its own clinic alone. It is asked again
    until it returns None, each time the worker looks around; with `every_seconds` not more often
    than that.
    """

    name: str
    threads: int
    take: Callable[[Workplace, Collection[int]], Job | None]
    every_seconds: float = 0.0


def take_lookup(place: Workplace, besides: Collection[int]) -> Job | None:
    """Ask a clinic's PMS for a number that its directory does not know."""
    db = place.runtime.db
    asked = claim_lookup(db, besides)
    if asked is None:
        return None

    def ask() -> None:
        connection_id = place.accounts.find_id(asked.clinic_id)
        try:
            connector = place.accounts.connector(connection_id) if connection_id else None
        except ConfigError as error:
            # Its plugin is gone, say: of that, entries and the sync tell.
            put_off(db, asked)
            log.warning("lookup.put_off", clinic_id=asked.clinic_id, reason=str(error))
            return
        is_refused = answer_lookup(db, asked, connector, place.runtime.clock)
        if is_refused and connector and connection_id:
            pause_if_refused(db, connection_id, connector)

    return Job(ask, asked.clinic_id)


def take_sync(place: Workplace, besides: Collection[int]) -> Job | None:
    """Follow a clinic's PMS: all its clients at first, then those that changed."""
    db = place.runtime.db
    claimed = claim_due(db, besides)
    if claimed is None:
        return None

    def follow() -> None:
        is_refused = follow_clients(
            db, claimed, place.accounts.connector, place.runtime.clock, place.is_stopping
        )
        if is_refused and (connector := place.accounts.connector(claimed.connection_id)):
            pause_if_refused(db, claimed.connection_id, connector)

    return Job(follow, claimed.clinic_id)


def take_housekeeping(place: Workplace, _besides: Collection[int]) -> Job | None:
    """Purge what is older than the settings keep it; one worker at a time, for all clinics."""
    turn = take_turn(place.runtime.db, place.is_stopping)
    if turn is None:
        return None

    def keep() -> None:
        keep_house(place.runtime, turn)

    return Job(keep)


def take_read_back(place: Workplace, besides: Collection[int]) -> Job | None:
    """Look whether a clinic's open tasks were done or deleted in its PMS."""
    db = place.runtime.db
    turn = claim_turn(db, besides)
    if turn is None:
        return None

    def read() -> None:
        try:
            connector = place.accounts.connector(turn.connection_id)
        except ConfigError as error:
            leave_unread(db, turn, str(error))
            return
        read_back(db, turn, connector, place.runtime.clock, place.is_stopping)

    return Job(read, turn.clinic_id)


def take_import(place: Workplace, _besides: Collection[int]) -> Job | None:
    """Check or import a client list that was uploaded to this worker's data folder."""
    runtime = place.runtime
    work = claim_upload(runtime.db, runtime.settings.data_dir, runtime.clock, place.is_stopping)
    return Job(work) if work else None


JOBS = (
    JobKind("lookup", 4, take_lookup),
    JobKind("sync", 2, take_sync, every_seconds=SYNC_SECONDS),
    JobKind("housekeeping", 1, take_housekeeping, every_seconds=30.0),
    JobKind("import", 1, take_import, every_seconds=IMPORT_SECONDS),
    JobKind("read_back", 2, take_read_back, every_seconds=READ_BACK_SECONDS),
)
