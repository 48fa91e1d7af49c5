"""Entries that missed a change of their clinic's connection go on at the one in use.

A call that is settled in the very moment in which a clinic is connected, or connected anew, may go
by the connection that was there before. To rule that out would cost each settling a lock.
"""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..delivery.owed import match_anew
from ..directory.accounts import find_connection_in_use, read_foreign_times
from ..ledger.reconcile import NO_CONNECTION, place
from ..models import Connection, Entry, EntryState, OutboxRow
from .turn import Turn


def bring_back(turn: Turn) -> None:
    """Have whatever is due, and on its way to no connection in use, written; what names a client of
    another account is matched anew."""
    with turn.step() as session:
        clinics = session.scalars(_astray().with_only_columns(Entry.clinic_id).distinct()).all()
    for clinic_id in clinics:
        with turn.step() as session:
            turn.purged["brought_back"] += _bring_back(session, turn.db, clinic_id)


def _bring_back(session: Session, db: Database, clinic_id: int) -> int:
    now, count = db.present(session), 0
    connection = find_connection_in_use(session, clinic_id)
    if connection is None:
        return 0
    astray = _astray().where(Entry.clinic_id == clinic_id).order_by(Entry.id)
    if read_foreign_times(session, clinic_id).end_at(connection.created_at):
        ids = session.scalars(astray.with_only_columns(Entry.id)).all()
        count = match_anew(session, db, clinic_id, now, ids)
    found = session.scalars(
        astray.with_for_update(of=Entry).execution_options(populate_existing=True)
    ).all()
    for entry in found:
        place(session, db, entry, connection, now)
        if entry.state is not EntryState.DUE:
            session.execute(sa.delete(OutboxRow).where(OutboxRow.entry_id == entry.id))
    return count + len(found)


def _astray() -> sa.Select[Entry]:
    is_in_use = sa.and_(Connection.clinic_id == Entry.clinic_id, Connection.ended_at.is_(None))
    is_idle = sa.and_(OutboxRow.lease_token.is_(None), OutboxRow.is_in_doubt.is_(False))
    is_left_out = sa.and_(OutboxRow.entry_id.is_(None), Entry.reason == NO_CONNECTION)
    is_elsewhere = sa.and_(OutboxRow.connection_id != Connection.id, is_idle)
    return (
        sa.select(Entry)
        .join(Connection, is_in_use)
        .outerjoin(OutboxRow, OutboxRow.entry_id == Entry.id)
        .where(
            Entry.state.in_([EntryState.DUE, EntryState.RETRYING]),
            sa.or_(is_left_out, is_elsewhere),
        )
    )
