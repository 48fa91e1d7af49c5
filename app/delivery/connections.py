"""Connections: a clinic's account at its PMS is opened, paused, resumed and ended here.

Commands call it; the worker asks it for the connector that speaks to an account.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..directory.accounts import (
    find_connection_in_use,
    is_same_account,
    read_foreign_times,
    was_let_in,
)
from ..directory.waiting import mark_waiting
from ..errors import InputError
from ..ledger.reconcile import (
    FORMER_CONNECTION,
    NO_CONNECTION,
    place,
)
from ..logs import get_logger
from ..models import (
    Connection,
    ConnectionState,
    Entry,
    EntryState,
    Lookup,
    OutboxRow,
    Pace,
    Retried,
    SyncState,
    WhenInDoubt,
)
from ..runtime import Runtime
from ..signals import announce, connection_paused
from .account_settings import make_connector, read_settings
from .meter import declare
from .outbox import enqueue_all_due
from .owed import match_anew

PERSON, REFUSED = "person", "refused"
"""By what a connection was paused: only a refusal ends when the account is let in again."""

log = get_logger(__name__)


def open_connection(
    session: Session,
    runtime: Runtime,
    clinic_id: int,
    connector_name: str,
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    is_watch_only: bool = False,
    since: datetime | None = None,
    when_in_doubt: WhenInDoubt = WhenInDoubt.ASK,
    account_id: str = "",
    now: datetime,
) -> Connection:
    """Make this the clinic's account in place of the former one, and have what is owed written.

    `since` (UTC) leaves alone what happened before. `account_id` is the PMS's own id of the
    account, as `check` told it. Opening an account that the clinic had before, say with another
    token, or after another PMS was tried, takes over what was written to it and how far it was
    synced. Raises InputError for an unknown connector, ConfigError naming every
    setting that is unknown, missing or wrong. Does not commit.
    """
    connector = make_connector(runtime.http, connector_name, settings, secrets)
    connection = Connection(
        clinic_id=clinic_id,
        connector=connector_name,
        settings=read_settings(connector_name, settings),
        secrets=runtime.vault.seal(secrets),
        account_id=account_id or None,
        state=ConnectionState.ACTIVE,
        is_watch_only=is_watch_only,
        since=since,
        when_in_doubt=when_in_doubt,
        created_at=now,
    )
    former = find_connection(session, clinic_id)
    if former:
        former.ended_at = now
        if not was_let_in(session, former):
            # It was mistyped: nobody's ids came from there, and lists that were imported are of
            # the account that was meant.
            former.connector, former.settings = connection.connector, connection.settings
            former.account_id = connection.account_id
        # At most one is in use, which the database holds too: the end must reach it first.
        session.flush()
    session.add(connection)
    session.flush()
    declare(session, runtime.db, connection.id, connector.rates)
    is_changed = read_foreign_times(session, clinic_id).end_at(connection.created_at)
    is_back = _take_over(session, runtime.db, connection, now)
    if is_changed or not is_back:
        _ask_anew(session, runtime.db, clinic_id)
    # Else whoever opens it is asked, by `count_foreign`.
    if is_changed and (is_back or since):
        match_anew(session, runtime.db, clinic_id, now)
    enqueue_all_due(session, runtime.db, connection)
    return connection


def count_foreign(session: Session, connection: Connection) -> int:
    """How many entries due here name their clients by the ids of another account: all, where the
    clinic had others and never this one."""
    others = sa.select(Connection).where(
        Connection.clinic_id == connection.clinic_id, Connection.id != connection.id
    )
    former = session.scalars(others).all()
    if not former or any(is_same_account(each, connection) for each in former):
        return 0
    due = sa.select(sa.func.count()).where(OutboxRow.connection_id == connection.id)
    return session.scalars(due).one()


def _take_over(session: Session, db: Database, connection: Connection, now: datetime) -> bool:
    """Have what was written to the same account before count as written to this connection; what
    changed meanwhile is due. False if the clinic never had this account."""
    ended = session.scalars(
        sa.select(Connection)
        .where(Connection.clinic_id == connection.clinic_id, Connection.id != connection.id)
        .order_by(Connection.id.desc())
    ).all()
    same = [each.id for each in ended if is_same_account(each, connection)]
    if not same:
        return False
    # A run that the former secret was refused for would wait for an hour yet.
    goes_on: dict[str, Any] = {"connection_id": connection.id, "due_at": db.now()}
    if same[0] != ended[0].id:
        # The directory is another account's by now, so what changed since is not enough.
        goes_on |= {"cursor": {}, "finished_at": None}
    session.execute(sa.update(SyncState).where(SyncState.connection_id == same[0]).values(goes_on))
    session.execute(
        sa.update(Entry).where(Entry.connection_id.in_(same)).values(connection_id=connection.id)
    )
    session.execute(
        sa.update(OutboxRow)
        .where(OutboxRow.connection_id.in_(same))
        .values(connection_id=connection.id)
    )
    behind = sa.select(Entry).where(
        Entry.connection_id == connection.id, Entry.reason == FORMER_CONNECTION
    )
    for entry in session.scalars(
        behind.with_for_update().execution_options(populate_existing=True)
    ):
        if entry.version == entry.written_version:
            entry.reason = None
        else:
            place(session, db, entry, connection, now)
    return True


def _ask_anew(session: Session, db: Database, clinic_id: int) -> None:
    """Have an account that is new to the clinic asked for whatever waits: what another one said of
    a number, or made or refused for it, does not hold there."""
    session.execute(sa.delete(Lookup).where(Lookup.clinic_id == clinic_id))
    mark_waiting(session, db, clinic_id)


def end_connection(session: Session, connection_id: int, now: datetime) -> None:
    """End it: what is still owed waits, visibly, for another connection. Does not commit."""
    connection = get_connection(session, connection_id)
    connection.ended_at = connection.ended_at or now
    owed = sa.select(OutboxRow.entry_id).where(OutboxRow.connection_id == connection_id)
    session.execute(
        sa.update(Entry)
        .where(Entry.id.in_(owed), Entry.state.in_([EntryState.DUE, EntryState.RETRYING]))
        .values(state=EntryState.DUE, reason=NO_CONNECTION)
        .execution_options(synchronize_session=False)
    )


def pause_connection(session: Session, connection_id: int, reason: str) -> None:
    """Write nothing through it until it is resumed; what becomes due waits. Does not commit."""
    connection = get_connection(session, connection_id)
    _pause(connection, reason, PERSON)


def _pause(connection: Connection, reason: str | None, by: str) -> None:
    connection.state = ConnectionState.PAUSED
    connection.paused_reason = reason
    connection.paused_by = by


def pause_refused(
    session: Session, connection_id: int, reason: str | None, begun_at: datetime
) -> None:
    """Pause it since the PMS refuses its credentials, and say so once. Does not commit.

    Many tries may be refused at once, on many machines: the first to lock the connection says it.
    One that was taken on before the connection was resumed (`begun_at`, by the database's clock)
    does not count: whether the account is refused still, the next try tells.
    """
    connection = _lock(session, connection_id)
    if connection is None or connection.state is ConnectionState.PAUSED or connection.ended_at:
        return
    if connection.resumed_at and begun_at < connection.resumed_at:
        return
    _pause(connection, reason, REFUSED)
    log.error("connection.paused", connection_id=connection.id)
    announce(
        session,
        connection_paused,
        connection.clinic_id,
        connection_id=connection.id,
        connector=connection.connector,
        reason=reason,
    )


def resume_connection(session: Session, db: Database, connection_id: int) -> int:
    """Write through it again, beginning now with all that is owed; how many. Does not commit."""
    connection = get_connection(session, connection_id)
    connection.state = ConnectionState.ACTIVE
    connection.paused_reason = connection.paused_by = None
    connection.resumed_at = db.present(session)
    session.execute(
        sa.update(Pace)
        .where(Pace.connection_id == connection_id)
        .values(blocked_until=None, blocked_by=None, failures=0)
    )
    # A run that was refused would wait for an hour yet.
    session.execute(
        sa.update(SyncState)
        .where(SyncState.connection_id == connection_id, SyncState.reason.is_not(None))
        .values(due_at=db.now())
    )
    # What a person must look at stays out of sight, what is being written keeps its lease, and what
    # is retried at a rate its turn.
    set_aside = sa.select(Entry.id).where(Entry.state == EntryState.SET_ASIDE)
    is_in_turn = sa.exists().where(
        Retried.entry_id == OutboxRow.entry_id, Retried.due_at == OutboxRow.due_at
    )
    rows = session.scalars(
        sa.update(OutboxRow)
        .where(
            OutboxRow.connection_id == connection_id,
            OutboxRow.lease_token.is_(None),
            OutboxRow.entry_id.not_in(set_aside),
            ~is_in_turn,
        )
        # While it rested nothing could be tried: those days do not count.
        .values(due_at=db.now(), queued_at=db.now())
        .returning(OutboxRow.entry_id)
        .execution_options(synchronize_session=False)
    )
    return len(rows.all())


def learn_account(session: Session, connection_id: int, account_id: str) -> None:
    """Keep the PMS's own id of an account, where it was not known. Does not commit."""
    connection = get_connection(session, connection_id)
    connection.account_id = connection.account_id or account_id or None


def follow_policy(session: Session, db: Database, clinic_id: int) -> None:
    """Have all that is owed written, or only watched, as the policy now says. No commit."""
    if connection := find_connection(session, clinic_id):
        enqueue_all_due(session, db, connection)


def resume_if_refused(session: Session, db: Database, connection_id: int) -> bool:
    """Resume it if it was paused because its credentials were refused; whether it was.

    To be called once its PMS has let it in again. Does not commit.
    """
    connection = get_connection(session, connection_id)
    if connection.state is not ConnectionState.PAUSED or connection.paused_by != REFUSED:
        return False
    resume_connection(session, db, connection_id)
    return True


def find_connection(session: Session, clinic_id: int) -> Connection | None:
    """The clinic's connection that is in use, paused or not."""
    return find_connection_in_use(session, clinic_id)


def get_connection(session: Session, connection_id: int) -> Connection:
    """The connection, locked. Raises InputError if there is none of that id."""
    connection = _lock(session, connection_id)
    if connection is None:
        raise InputError(f"There is no connection {connection_id}.")
    return connection


def _lock(session: Session, connection_id: int) -> Connection | None:
    # Others may go on to refer to it: an attempt that is kept must not wait for a person's command.
    return session.get(Connection, connection_id, with_for_update={"key_share": True})
