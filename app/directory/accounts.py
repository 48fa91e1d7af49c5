"""Which PMS account the directory's clients are of: the one in use, or a former one.

A client is known by its PMS's id, and another account may give the same id to somebody else. So
what was heard of clients while another account was in use decides nothing at this one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..connectors import find_connector, with_defaults
from ..models import Client, Clinic, Connection, Entry, OutboxRow, SyncState
from ..once import once

Span = tuple[datetime | None, datetime]
"""From when (None: since ever) until when another account was in use."""

CONNECTIONS = (
    sa.select(Connection)
    .where(Connection.clinic_id == sa.bindparam("clinic_id"))
    .order_by(Connection.id)
    # One that the session knows may have been ended by others since.
    .execution_options(populate_existing=True)
)


@dataclass(frozen=True, slots=True)
class ForeignTimes:
    """When accounts of a clinic's were in use that are not the one it has now."""

    spans: tuple[Span, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.spans)

    def hold(self, at: datetime) -> bool:
        """Whether what was said or heard of a client `at` that time was of another account."""
        return any((begin is None or begin <= at) and at < end for begin, end in self.spans)

    def end_at(self, at: datetime) -> bool:
        """Whether the account in use took the place of another one `at` that time."""
        return bool(self.spans) and self.spans[-1][1] == at

    def hold_client(self, client: Any) -> bool:
        """Whether a client's row is of another account, by when one last told of it."""
        return self.hold(client.seen_at or client.updated_at)


def find_connection_in_use(session: Session, clinic_id: int) -> Connection | None:
    """The clinic's connection that is in use, paused or not."""
    every = _read_connections(session, clinic_id)
    return next((each for each in every if each.ended_at is None), None)


def read_foreign_times(session: Session, clinic_id: int) -> ForeignTimes:
    """When other accounts than the one in use (or the last one in use) were the clinic's.

    A connection that was opened to reach back to an earlier day than that of its opening is of the
    same PMS at another address: a person said so.
    """
    connections = _read_connections(session, clinic_id)
    if len(connections) < 2:
        return ForeignTimes()
    zone = ZoneInfo(session.get_one(Clinic, clinic_id).timezone)
    accounts: list[list[Connection]] = []
    for each in connections:
        if accounts and _is_one_of(each, accounts[-1]):
            accounts[-1].append(each)
        else:
            accounts.append([each])
        if len(accounts) > 1 and _reaches_back(each, accounts[-1][0].created_at, zone):
            accounts[-2:] = [accounts[-2] + accounts[-1]]
    spans: list[Span] = []
    begins: list[datetime | None] = [None, *(each[0].created_at for each in accounts[1:])]
    for place, (begin, following) in enumerate(zip(begins[:-1], accounts[1:], strict=True)):
        if not any(_is_one_of(each, accounts[-1]) for each in accounts[place]):
            spans.append((begin, following[0].created_at))
    return ForeignTimes(tuple(spans))


def awaits_clients(session: Session, clinic_id: int) -> bool:
    """Whether the clients of an account in place of another one are still to be read, and nothing
    else can tell of them: then nobody knows yet that a number is no client's."""
    if not read_foreign_times(session, clinic_id):
        return False
    row = session.execute(
        sa.select(Connection, SyncState.finished_at, SyncState.every_seconds)
        .outerjoin(SyncState, SyncState.connection_id == Connection.id)
        .where(Connection.clinic_id == clinic_id, Connection.ended_at.is_(None))
    ).first()
    if row is None or row.finished_at is not None or row.every_seconds == 0:
        return False
    kind = find_connector(row.Connection.connector, row.Connection.settings)
    return kind is not None and not kind.capabilities.search_by_phone


def is_same_account(former: Connection, connection: Connection) -> bool:
    """Whether both are of one account: by its own id, where both know one, and by the settings."""
    ids = {former.account_id, connection.account_id} - {None}
    return (
        former.connector == connection.connector
        and len(ids) < 2
        and _account(former) == _account(connection)
    )


def was_let_in(session: Session, connection: Connection) -> bool:
    """Whether it may have been read from or written to: not, if reading it failed each time, and
    nothing came of it otherwise."""
    reading = session.get(SyncState, connection.id)
    has_failed = reading and reading.failures and not (reading.cursor or reading.finished_at)
    if not has_failed or connection.account_id:
        return True
    is_sent = sa.or_(OutboxRow.is_in_doubt.is_(True), OutboxRow.lease_token.is_not(None))
    traces = (
        sa.exists().where(Entry.connection_id == connection.id),
        sa.exists().where(OutboxRow.connection_id == connection.id, is_sent),
        sa.exists().where(Client.clinic_id == connection.clinic_id, Client.source != "import"),
    )
    return session.scalars(sa.select(sa.or_(*traces))).one()


def _read_connections(session: Session, clinic_id: int) -> Sequence[Connection]:
    """All that the clinic ever had, in order."""
    given = {"clinic_id": clinic_id}
    what = "connections", clinic_id
    return once(session, what, lambda: session.scalars(CONNECTIONS, given).all())


def _account(connection: Connection) -> Mapping[str, str]:
    settings = connection.settings
    kind = find_connector(connection.connector, settings)
    return kind.account_of(with_defaults(kind, settings)) if kind else settings


def _is_one_of(connection: Connection, others: list[Connection]) -> bool:
    return any(is_same_account(each, connection) for each in others)


def _reaches_back(connection: Connection, begun_at: datetime, zone: ZoneInfo) -> bool:
    day = begun_at.astimezone(zone).date()
    return connection.since is not None and connection.since < datetime.combine(
        day, time(), tzinfo=zone
    )
