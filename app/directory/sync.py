"""Follows a PMS's clients through its connector: all of them once, then what changed.

Called by the worker and the commands. The cursor moves only in the transaction that stores the page
it covers, so that a run which dies is resumed where it stood.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..clock import Clock
from ..connectors.base import ClientPage, Connector
from ..db import Database
from ..errors import ConfigError, ConnectorError, CredentialsRejected, InputError, Temporary
from ..logs import get_logger
from ..models import Clinic, SyncState
from .accounts import awaits_clients
from .clients import Tally, store_clients
from .merges import repoint_merged
from .missing import count_missing, next_missing
from .sync_state import LONGEST_WAIT_SECONDS, Claimed, claim, finish, renew, stop_early
from .waiting import mark_waiting

MAX_CLIENTS = 5_000_000
MAX_EMPTY_PAGES = 100
STORED_AT_ONCE = 500
FEWEST_TO_DOUBT = 20
"""Of so few clients half may well be gone since the last time."""
log = get_logger(__name__)
FOLLOWED = ("sync", "lookup", "created")
"""Where clients come from that are missed where the PMS no longer tells of them."""


@dataclass(slots=True)
class SyncResult:
    """What a run did. `reason` is why it stopped before the end, None if it did not."""

    is_full: bool
    pages: int = 0
    clients: int = 0
    tally: Tally = field(default_factory=Tally)
    now_due: int = 0
    reason: str | None = None


@dataclass(slots=True)
class _Run:
    """A run under way."""

    db: Database
    claimed: Claimed
    clock: Clock
    result: SyncResult
    remove_missing: bool


def sync_clients(
    db: Database,
    clinic: Clinic,
    connection_id: int,
    connector: Connector,
    clock: Clock,
    progress: Callable[[int], None] | None = None,
    *,
    full: bool = False,
    remove_missing: bool = False,
) -> SyncResult:
    """Bring the directory to what the PMS has now; commits page by page.

    Goes on from the stored cursor, or from the start if there is none or with `full`. Raises
    InputError if a sync of this connection is running already; else see `run_sync`.
    """
    claimed = claim(db, connection_id, full=full)
    if claimed is None:
        raise InputError("A sync of this clinic is running already; wait until it is through.")
    return run_sync(db, claimed, connector, clock, progress, remove_missing=remove_missing)


def follow_clients(
    db: Database,
    claimed: Claimed,
    find_connector: Callable[[int], Connector | None],
    clock: Clock,
    is_stopping: Callable[[], bool],
) -> bool:
    """Do a run that the worker claimed, and log how it went; the next is due by itself. Returns
    whether the PMS refused to be read.

    `find_connector` gives a connection's connector, None for one that is gone; it raises
    ConfigError where none can be made here, say as its plugin is not installed.
    """
    names = {"clinic_id": claimed.clinic_id, "connection_id": claimed.connection_id}
    try:
        connector = find_connector(claimed.connection_id)
    except ConfigError as error:
        stop_early(db, claimed, str(error))
        log.warning("sync.stopped", **names, error=type(error).__name__, reason=str(error))
        return False
    if connector is None:
        return False
    try:
        result = run_sync(db, claimed, connector, clock, is_stopping=is_stopping)
    except (ConnectorError, InputError) as error:
        log.warning("sync.stopped", **names, error=type(error).__name__, reason=str(error))
        return isinstance(error, CredentialsRejected)
    told = {"clients": result.clients, "full": result.is_full, "reason": result.reason}
    log.info("sync.done" if result.reason is None else "sync.stopped", **names, **told)
    return False


def run_sync(
    db: Database,
    claimed: Claimed,
    connector: Connector,
    clock: Clock,
    progress: Callable[[int], None] | None = None,
    *,
    remove_missing: bool = False,
    is_stopping: Callable[[], bool] = lambda: False,
) -> SyncResult:
    """Do the run that was claimed; no transaction is open while the PMS is asked.

    `progress` hears the number of clients seen so far; `is_stopping` is asked after each page. A
    PMS whose pages repeat or never end stops the run, which then has a `reason`; all stored so far
    stays. So does one that tells suddenly of less than half the clients, unless `remove_missing`.
    Whatever ConnectorError the connector raises is raised; the next run goes on where this stood.
    """
    result = SyncResult(is_full=claimed.pass_started_at is not None)
    run = _Run(db, claimed, clock, result, remove_missing)
    try:
        for page in _guarded(connector.iter_clients(claimed.cursor), result):
            _store_page(run, page)
            if progress:
                progress(result.clients)
            if is_stopping():
                stop_early(db, claimed, "it was interrupted", wait=0.0)
                result.reason = "it was interrupted"
                return result
        _end(run, restart=not connector.capabilities.delta_sync)
    except ConnectorError as error:
        stop_early(db, claimed, str(error), wait=_wait_after(error))
        raise
    except BaseException as error:
        is_fault = isinstance(error, Exception)
        reason = "a fault of Ringnote's, see its log" if is_fault else "it was interrupted"
        stop_early(db, claimed, reason, wait=None if is_fault else 0.0)
        raise
    return result


def _wait_after(error: ConnectorError) -> float | None:
    if isinstance(error, Temporary) and error.retry_after:
        return error.retry_after
    # Nothing will pass until a person mends it; whoever does may start a sync at once.
    return LONGEST_WAIT_SECONDS if isinstance(error, CredentialsRejected) else None


def _guarded(pages: Iterable[ClientPage], result: SyncResult) -> Iterator[ClientPage]:
    """The pages, until they end or turn out not to."""
    seen: set[int] = set()
    empty = 0
    for page in pages:
        content = hash(page.clients)
        place = hash(tuple(sorted(page.cursor.items())))
        empty = 0 if page.clients else empty + 1
        if page.clients and content in seen:
            result.reason = "the PMS gave the same page of clients twice"
        elif page.clients and page.cursor and place in seen:
            result.reason = "the PMS led back to a page that it had given"
        elif empty > MAX_EMPTY_PAGES:
            result.reason = f"the PMS gave more than {MAX_EMPTY_PAGES} empty pages in a row"
        elif result.clients + len(page.clients) > MAX_CLIENTS:
            result.reason = f"the PMS gave more than {MAX_CLIENTS:,} clients"
        if result.reason:
            return
        seen |= {content, place}
        yield page


def _store_page(run: _Run, page: ClientPage) -> None:
    db, result = run.db, run.result
    with db.transaction() as session:
        seen = SyncState.clients_seen + len(page.clients)
        renew(session, db, run.claimed, cursor=dict(page.cursor), clients_seen=seen)
        for start in range(0, len(page.clients), STORED_AT_ONCE):
            some = page.clients[start : start + STORED_AT_ONCE]
            changed = store_clients(
                session,
                db,
                run.claimed.clinic_id,
                some,
                "sync",
                run.clock(),
                run.claimed.region,
                result.tally,
                run.claimed.began_at,
            )
            result.now_due += mark_waiting(session, db, run.claimed.clinic_id, changed)
        merged = [client.id for client in page.clients if client.merged_into]
        if merged:
            repoint_merged(session, db, run.claimed.clinic_id, merged)
    result.pages += 1
    result.clients += len(page.clients)


def _end(run: _Run, *, restart: bool) -> None:
    """The pages are at their end, or were cut short."""
    result = run.result
    if result.reason is not None:
        stop_early(run.db, run.claimed, result.reason)
        return
    result.reason = doubt = _remove_missing(run)
    if doubt is None:
        with run.db.transaction() as session:
            is_awaited = awaits_clients(session, run.claimed.clinic_id)
            finish(session, run.db, run.claimed, restart=restart, now=run.clock())
            if is_awaited:
                # Only now is it certain of a number that no client of this account has it.
                result.now_due += mark_waiting(session, run.db, run.claimed.clinic_id)
    else:
        # All pages are in; whom to take for gone, a later reading of all tells.
        again: dict[str, Any] = {"cursor": {}} if restart else {}
        stop_early(run.db, run.claimed, doubt, pass_started_at=None, **again)


def _remove_missing(run: _Run) -> str | None:
    """After a whole reading: mark as deleted whom the PMS no longer tells of.

    Unless what it told is hard to believe: then the reason.
    """
    db, claimed = run.db, run.claimed
    if claimed.pass_started_at is None:
        return None
    missing = (claimed.clinic_id, claimed.pass_started_at, *FOLLOWED)
    with db.transaction() as session:
        state = renew(session, db, claimed)
        gone = count_missing(session, *missing)
        told, before = state.clients_seen, state.clients_total or 0
    if gone and not run.remove_missing and _is_doubtful(told, before):
        number = f"{told:,} client{'' if told == 1 else 's'}" if told else "no client"
        had = f", where it had told of {before:,}" if before else ""
        return (
            f"the PMS told of {number}{had}, so none was marked deleted; if that is right:"
            " ringnote clients sync CLINIC --full --remove-missing"
        )
    while gone:
        with db.transaction() as session:
            renew(session, db, claimed)
            clients = next_missing(session, *missing)
            changed = store_clients(
                session,
                db,
                claimed.clinic_id,
                clients,
                "sync",
                run.clock(),
                claimed.region,
                run.result.tally,
            )
            run.result.now_due += mark_waiting(session, db, claimed.clinic_id, changed)
        gone = len(clients)
    return None


def _is_doubtful(told: int, before: int) -> bool:
    return not told or (before >= FEWEST_TO_DOUBT and told * 2 < before)
