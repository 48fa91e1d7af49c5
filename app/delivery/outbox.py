"""The outbox: what is in it, and what is held of it under leases. Moves rows only."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..ledger.reconcile import enqueue, place
from ..ledger.set_aside import is_left
from ..models import Connection, Doubt, Entry, EntryState, OutboxRow, Pace
from .account_settings import host_of
from .answers import deny_entry, keep_retry
from .claim import claim
from .claim_queries import LEASE_SECONDS, leased, told_now
from .work import Work


def renew(db: Database, work: Sequence[Work]) -> set[str]:
    """Keep what is held of this out of the others' sight; the leases that were renewed. Commits.

    What somebody has locked just now is left for the next time.
    """
    # By their keys: a backlog is not read through, every few seconds, for some leases in it.
    ids, tokens = [each.entry_id for each in work], [each.lease_token for each in work]
    with db.transaction() as session:
        # Whoever is stopped with one of them locked would have all of them run out.
        rows = sa.select(OutboxRow.entry_id).where(OutboxRow.entry_id.in_(ids))
        free = session.scalars(rows.with_for_update(skip_locked=True)).all()
        held = session.scalars(
            sa.update(OutboxRow)
            .where(
                OutboxRow.entry_id.in_(free),
                OutboxRow.lease_token.in_(tokens),
                OutboxRow.due_at > db.now(),
            )
            .values(due_at=db.later(LEASE_SECONDS))
            .returning(OutboxRow.lease_token)
            .execution_options(synchronize_session=False)
        )
        return {token for token in held if token}


def is_any_leased(db: Database) -> bool:
    """Whether any worker, here or elsewhere, holds (or held, when it died) a row just now."""
    with db.reading() as session:
        return session.execute(leased(db.tells_time), told_now(db)).first() is not None


def enqueue_all_due(session: Session, db: Database, connection: Connection) -> int:
    """Have everything the clinic still owes its PMS written through this connection; how many.

    What was written to a former connection stays there as it is. Does not commit.
    """
    now = db.present(session)
    session.execute(
        db.insert(Pace)
        .values(
            connection_id=connection.id, last_served_at=now, failures=0, host=host_of(connection)
        )
        .on_conflict_do_nothing(index_elements=[Pace.connection_id])
    )
    entries = session.scalars(
        sa.select(Entry)
        .where(
            Entry.clinic_id == connection.clinic_id,
            Entry.state.in_([EntryState.DUE, EntryState.RETRYING, EntryState.SET_ASIDE]),
        )
        .order_by(Entry.id)
        .with_for_update()
    ).all()
    for entry in entries:
        place(session, db, entry, connection, now)
        # What is set aside was perhaps written to a former connection, which its row tells.
        if entry.state not in (EntryState.DUE, EntryState.SET_ASIDE):
            session.execute(sa.delete(OutboxRow).where(OutboxRow.entry_id == entry.id))
    return sum(entry.state is EntryState.DUE for entry in entries)


def retry_entries(session: Session, db: Database, entries: Sequence[Entry], by: str) -> int:
    """Have these entries tried again now, whatever their back-off; how many could be. No commit.

    That `by` had it done is kept with what they come of; of those that ask it says that they do not
    stand in the PMS.
    """
    now = db.present(session)
    count = 0
    for entry in entries:
        if entry.state in (EntryState.SET_ASIDE, EntryState.RETRYING) or is_left(entry.reason):
            connection = session.scalars(
                sa.select(Connection).where(
                    Connection.clinic_id == entry.clinic_id, Connection.ended_at.is_(None)
                )
            ).first()
            if entry.doubt is Doubt.ASKED:
                deny_entry(session, entry, by, now)
            else:
                keep_retry(session, entry, by, now)
            place(session, db, entry, connection, now)
            count += 1
    return count


__all__ = [
    "claim",
    "enqueue",
    "enqueue_all_due",
    "is_any_leased",
    "renew",
    "retry_entries",
]
