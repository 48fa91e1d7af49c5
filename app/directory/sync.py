"""Follows a PMS's clients through its connector: all of them once, then what changed.

Called by the worker and the commands. The cursor moves only in the transaction that stores the page
it covers, so that a run which dies is resumed where it stood.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..clock import Clock
from ..connectors.base import ClientPage, Connector
from ..db import Database
from ..errors import ConnectorError, InputError, Temporary
from ..models import Clinic, SyncState
from .clients import Tally, store_clients
from .waiting import mark_waiting

LEASE_SECONDS = 300.0
"""Longer than a page may take, its retries included; renewed with every page."""
EVERY_SECONDS = 900.0
AFTER_FAILURE_SECONDS = 300.0
MAX_CLIENTS = 5_000_000
MAX_EMPTY_PAGES = 100
STORED_AT_ONCE = 500


@dataclass(slots=True)
class SyncResult:
    """What a run did. `reason` is why it stopped before the end, None if it did not."""

    is_full: bool
    pages: int = 0
    clients: int = 0
    tally: Tally = field(default_factory=Tally)
    now_due: int = 0
    reason: str | None = None


def sync_clients(
    db: Database,
    clinic: Clinic,
    connection_id: int,
    connector: Connector,
    clock: Clock,
    progress: Callable[[int], None] | None = None,
    *,
    full: bool = False,
) -> SyncResult:
    """Bring the directory to what the PMS has now; commits page by page.

    Goes on from the stored cursor, or from the start if there is none or with `full`. `progress`
    hears the number of clients seen so far. A PMS whose pages repeat or never end stops the run,
    which then has a `reason`; all stored so far stays. Raises InputError if a sync of this
    connection is running already, and whatever ConnectorError the connector raises, with which the
    next run goes on where this one stood.
    """
    lease = uuid.uuid4().hex
    cursor = _claim(db, connection_id, lease, full)
    result = SyncResult(is_full=cursor is None)
    try:
        for page in _guarded(connector.iter_clients(cursor), result):
            _store_page(db, clinic, connection_id, lease, page, clock, result)
            if progress:
                progress(result.clients)
    except ConnectorError as error:
        wait = (error.retry_after if isinstance(error, Temporary) else None) or 0.0
        _release(db, connection_id, lease, str(error), max(wait, AFTER_FAILURE_SECONDS))
        raise
    except BaseException:
        _release(db, connection_id, lease, "it was interrupted", 0.0)
        raise
    restart = result.reason is None and not connector.capabilities.delta_sync
    wait = EVERY_SECONDS if result.reason is None else AFTER_FAILURE_SECONDS
    _release(db, connection_id, lease, result.reason, wait, clock=clock, restart=restart)
    return result


def _claim(db: Database, connection_id: int, lease: str, full: bool) -> Mapping[str, str] | None:
    """Take the lease; returns the cursor to go on from."""
    with db.transaction() as session:
        session.execute(
            db.insert(SyncState)
            .values(connection_id=connection_id, cursor={}, clients_seen=0)
            .on_conflict_do_nothing()
        )
        values: dict[str, Any] = {
            "lease_token": lease,
            "leased_until": db.later(LEASE_SECONDS),
            "started_at": db.now(),
            "finished_at": None,
            "clients_seen": 0,
            "reason": None,
        }
        if full:
            values["cursor"] = {}
        claimed = session.scalars(
            sa.update(SyncState)
            .where(
                SyncState.connection_id == connection_id,
                sa.or_(SyncState.leased_until.is_(None), SyncState.leased_until <= db.now()),
            )
            .values(values)
            .returning(SyncState.cursor),
            execution_options={"synchronize_session": False},
        ).all()
    if not claimed:
        raise InputError("A sync of this clinic is running already; wait until it is through.")
    return claimed[0] or None


def _guarded(pages: Iterable[ClientPage], result: SyncResult) -> Iterator[ClientPage]:
    """The pages, until they end or turn out not to."""
    seen: set[int] = set()
    empty = 0
    for page in pages:
        content = hash(page.clients)
        empty = 0 if page.clients else empty + 1
        if page.clients and content in seen:
            result.reason = "the PMS gave the same page of clients twice"
        elif empty > MAX_EMPTY_PAGES:
            result.reason = f"the PMS gave more than {MAX_EMPTY_PAGES} empty pages in a row"
        elif result.clients + len(page.clients) > MAX_CLIENTS:
            result.reason = f"the PMS gave more than {MAX_CLIENTS:,} clients"
        if result.reason:
            return
        seen.add(content)
        yield page


def _store_page(
    db: Database,
    clinic: Clinic,
    connection_id: int,
    lease: str,
    page: ClientPage,
    clock: Clock,
    result: SyncResult,
) -> None:
    with db.transaction() as session:
        _renew(session, db, connection_id, lease, page)
        for start in range(0, len(page.clients), STORED_AT_ONCE):
            changed = store_clients(
                session,
                db,
                clinic.id,
                page.clients[start : start + STORED_AT_ONCE],
                "sync",
                clock(),
                clinic.region,
                result.tally,
            )
            result.now_due += mark_waiting(session, db, clinic.id, changed)
    result.pages += 1
    result.clients += len(page.clients)


def _renew(
    session: Session, db: Database, connection_id: int, lease: str, page: ClientPage
) -> None:
    held = session.scalars(
        sa.update(SyncState)
        .where(SyncState.connection_id == connection_id, SyncState.lease_token == lease)
        .values(
            cursor=dict(page.cursor),
            clients_seen=SyncState.clients_seen + len(page.clients),
            leased_until=db.later(LEASE_SECONDS),
        )
        .returning(SyncState.connection_id),
        execution_options={"synchronize_session": False},
    ).all()
    if not held:
        raise InputError("Another sync of this clinic took over; this one stops.")


def _release(
    db: Database,
    connection_id: int,
    lease: str,
    reason: str | None,
    wait: float,
    *,
    clock: Clock | None = None,
    restart: bool = False,
) -> None:
    values: dict[str, Any] = {
        "lease_token": None,
        "leased_until": None,
        "reason": reason,
        "due_at": db.later(wait),
    }
    if clock is not None and reason is None:
        values["finished_at"] = clock()
    if restart:
        values["cursor"] = {}
    with db.transaction() as session:
        session.execute(
            sa.update(SyncState)
            .where(SyncState.connection_id == connection_id, SyncState.lease_token == lease)
            .values(values),
            execution_options={"synchronize_session": False},
        )
