"""Retries of many entries: spread over time, and put back as they stood where cancelled in time.

Each step is a short transaction of its own over some hundreds of entries. None waits for an entry
that somebody has locked: that one is on its way already.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from ..db import Database
from ..errors import InputError
from ..models import Connection, Entry, EntryState, OutboxRow, Retried, Retry
from ..steps import Steps
from .failed import FAILED, REACHED, Chosen

BATCH = 500
IN_TURN = "in its turn, by retry {id}"

NOT_TRIED = sa.and_(
    OutboxRow.entry_id == Retried.entry_id,
    OutboxRow.due_at == Retried.due_at,
    OutboxRow.lease_token.is_(None),
)
"""A retried entry's turn has not come yet, nor was it queued anew: either moves the due time."""

COLUMNS = (
    *("retry_id", "entry_id", "due_at", "was_state", "was_reason"),
    *("was_due_at", "was_queued_at", "was_attempts", "is_put_back"),
)
UNSYNCHRONIZED = {"synchronize_session": False}

Progress = Callable[[int], None]


def begin_retry(
    db: Database, chosen: Chosen, told: Mapping[str, Any], rate: int | None, by: str
) -> int:
    """Keep that these are to be retried, `rate` of them a minute or all at once.

    Returns its id. Commits.
    """
    with db.transaction() as session:
        retry = Retry(
            asked_by=by,
            asked_at=db.present(session),
            told=dict(told),
            rate=rate,
            count=len(chosen.ids),
        )
        session.add(retry)
        session.flush()
        return retry.id


def carry_out(db: Database, retry_id: int, ids: Sequence[int], progress: Progress) -> int:
    """Have these entries tried again, each in its turn; how many. Commits batch by batch.

    Those that have moved on since they were chosen stay as they are. Ends early if the retry is
    cancelled meanwhile.
    """
    steps, done = Steps(db), 0
    for start in range(0, len(ids), BATCH):
        with steps.step() as session:
            retry = session.get_one(Retry, retry_id, with_for_update=True)
            if retry.cancelled_at is not None:
                break
            done += _queue(session, db, retry, list(ids[start : start + BATCH]), done)
        progress(min(start + BATCH, len(ids)))
    return done


def _queue(session: Session, db: Database, retry: Retry, ids: list[int], before: int) -> int:
    """Put those of a batch that still wait into the outbox, after `before` others; how many."""
    entry_ids = _lock(session, ids)
    turn = sa.func.row_number().over(order_by=Entry.id) - 1 + before
    chosen = (
        sa.select(
            sa.literal(retry.id),
            Entry.id,
            db.after(retry.asked_at, turn * (60.0 / retry.rate if retry.rate else 0.0)),
            Entry.state,
            Entry.reason,
            OutboxRow.due_at,
            OutboxRow.queued_at,
            OutboxRow.attempts,
            sa.false(),
        )
        .select_from(Entry)
        .join(Connection, REACHED)
        .outerjoin(OutboxRow, OutboxRow.entry_id == Entry.id)
        .where(_among(session, Entry.id, entry_ids), OutboxRow.lease_token.is_(None))
    )
    insert = sa.insert(Retried).from_select(COLUMNS, chosen).returning(Retried.entry_id)
    queued = session.scalars(insert).all()
    _enqueue(session, db, retry, queued)
    session.execute(
        sa.update(Entry)
        .where(_among(session, Entry.id, queued))
        .values(state=EntryState.DUE, reason=IN_TURN.format(id=retry.id) if retry.rate else None),
        execution_options=UNSYNCHRONIZED,
    )
    return len(queued)


def _enqueue(session: Session, db: Database, retry: Retry, ids: Sequence[int]) -> None:
    names = ("entry_id", "connection_id", "due_at", "queued_at", "attempts", "is_in_doubt")
    queue = (
        sa.select(
            *(Retried.entry_id, Connection.id, Retried.due_at, Retried.due_at),
            *(sa.literal(0), sa.false()),
        )
        .join(Entry, Entry.id == Retried.entry_id)
        .join(Connection, REACHED)
        .where(
            Retried.retry_id == retry.id,
            *(_among(session, column, ids) for column in (Retried.entry_id, Entry.id)),
        )
    )
    insert = db.insert(OutboxRow).from_select(names, queue)
    session.execute(
        insert.on_conflict_do_update(
            index_elements=[OutboxRow.entry_id],
            # What was perhaps written stays in doubt.
            set_={name: insert.excluded[name] for name in names[1:-1]},
        )
    )


def _lock(session: Session, ids: Sequence[int]) -> list[int]:
    """Those of these entries that failed still, locked with their connections and outbox rows.

    The connections first, as those do who open, end and resume them.
    """
    clinics = sa.select(Entry.clinic_id).where(_among(session, Entry.id, ids))
    session.execute(
        sa.select(Connection.id)
        .where(Connection.clinic_id.in_(clinics), Connection.ended_at.is_(None))
        .order_by(Connection.id)
        .with_for_update(key_share=True)
    )
    is_failed = sa.and_(Entry.state.in_(FAILED), Entry.doubt.is_(None))
    entry_ids = session.scalars(
        sa.select(Entry.id)
        .where(_among(session, Entry.id, ids), is_failed)
        .with_for_update(skip_locked=True)
    ).all()
    session.execute(
        sa.select(OutboxRow.entry_id)
        .where(_among(session, OutboxRow.entry_id, entry_ids))
        .order_by(OutboxRow.entry_id)
        .with_for_update()
    )
    return list(entry_ids)


def cancel_retry(db: Database, retry_id: int, by: str, progress: Progress) -> int:
    """Put what a retry has not tried yet back as it stood; how many. Commits batch by batch.

    Raises InputError if there is no such retry. Cancelled again, it goes on where it was stopped.
    """
    with db.transaction() as session:
        retry = session.get(Retry, retry_id, with_for_update=True)
        if retry is None:
            raise InputError(f"There is no retry {retry_id}; see: ringnote entries retries")
        if retry.cancelled_at is None:
            retry.cancelled_at, retry.cancelled_by = db.present(session), by
    steps, done, last = Steps(db), 0, 0
    while True:
        with steps.step() as session:
            ids = _next(session, retry_id, last)
            done += _put_back(session, retry_id, ids) if ids else 0
        if not ids:
            return done
        last = ids[-1]
        progress(done)


def _next(session: Session, retry_id: int, after: int) -> Sequence[int]:
    """The next of a retry's entries, by id, that were not put back."""
    query = sa.select(Retried.entry_id).where(
        Retried.retry_id == retry_id, Retried.entry_id > after, Retried.is_put_back.is_(False)
    )
    return session.scalars(query.order_by(Retried.entry_id).limit(BATCH)).all()


def _put_back(session: Session, retry_id: int, ids: Sequence[int]) -> int:
    """Have those of these entries that are not tried yet stand as they stood; how many."""
    found = session.scalars(
        sa.select(Entry.id)
        .join(OutboxRow, OutboxRow.entry_id == Entry.id)
        .join(Retried, NOT_TRIED)
        .where(
            Retried.retry_id == retry_id,
            *(_among(session, each, ids) for each in (Entry.id, OutboxRow.entry_id)),
            Entry.state == EntryState.DUE,
        )
        .with_for_update(of=[Entry, OutboxRow], skip_locked=True)
    ).all()
    mine = sa.and_(Retried.retry_id == retry_id, _among(session, Retried.entry_id, found))
    their_rows = _among(session, OutboxRow.entry_id, found)
    had_row = sa.exists().where(
        mine, Retried.entry_id == OutboxRow.entry_id, Retried.was_due_at.is_not(None)
    )
    for statement in (
        sa.delete(OutboxRow).where(their_rows, ~had_row),
        sa.update(OutboxRow)
        .where(their_rows, mine, Retried.entry_id == OutboxRow.entry_id)
        .values(
            due_at=Retried.was_due_at,
            queued_at=Retried.was_queued_at,
            attempts=Retried.was_attempts,
        ),
        sa.update(Entry)
        .where(_among(session, Entry.id, found), mine, Retried.entry_id == Entry.id)
        .values(state=Retried.was_state, reason=Retried.was_reason),
        sa.update(Retried).where(mine).values(is_put_back=True),
    ):
        session.execute(statement, execution_options=UNSYNCHRONIZED)
    return len(found)


def _among(session: Session, column: Any, ids: Sequence[int]) -> sa.ColumnElement[bool]:
    """That `column` is one of `ids`. In PostgreSQL as an array, so that its plan is one for all."""
    if session.get_bind().dialect.name == "sqlite":
        found: sa.ColumnElement[bool] = column.in_(ids)
    else:
        found = column == sa.any_(sa.literal(list(ids), ARRAY(sa.BigInteger())))
    return found
