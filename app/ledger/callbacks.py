"""Callbacks: one episode of "somebody must call this person back" by number.

Moves rows for settle: calls join the open callback of their number or open one; a call that turns
out not to ask leaves it.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..models import Callback, CallbackMember, CallbackState

ASKS, LEFT = "asks", "left"
"""What a member is to its callback; one that left keeps the trace of the task it once asked for."""


def join_callback(
    session: Session, db: Database, clinic_id: int, number: str, call_id: int, at: datetime
) -> Callback:
    """The callback that this call belongs to, locked: its own, the open one, or a new one.

    Does not commit.
    """
    if callback := find_callback(session, call_id):
        return callback
    # Two calls of one number may settle at once: the unique index lets one of them open it.
    session.execute(
        db.insert(Callback)
        .values(clinic_id=clinic_id, number=number, state=CallbackState.OPEN, opened_at=at)
        .on_conflict_do_nothing(
            index_elements=[Callback.clinic_id, Callback.number],
            index_where=Callback.closed_at.is_(None),
        )
    )
    callback = session.scalars(
        sa.select(Callback)
        .where(
            Callback.clinic_id == clinic_id,
            Callback.number == number,
            Callback.closed_at.is_(None),
        )
        .with_for_update()
    ).one()
    callback.opened_at = min(callback.opened_at, at)
    session.execute(
        db.insert(CallbackMember)
        .values(
            callback_id=callback.id,
            subject_kind="call",
            subject_id=call_id,
            role=ASKS,
            joined_at=at,
        )
        .on_conflict_do_update(
            index_elements=sa.inspect(CallbackMember).primary_key, set_={"role": ASKS}
        )
    )
    return callback


def leave_callback(session: Session, call_id: int, now: datetime) -> Callback | None:
    """Take a call out of its callback, which is withdrawn if no other asks; None if it was in none.

    Does not commit.
    """
    callback = find_callback(session, call_id)
    if callback is None:
        return None
    session.execute(
        sa.update(CallbackMember)
        .where(
            CallbackMember.callback_id == callback.id,
            CallbackMember.subject_kind == "call",
            CallbackMember.subject_id == call_id,
        )
        .values(role=LEFT)
    )
    if not list_asking(session, callback.id) and callback.closed_at is None:
        close_callback(callback, CallbackState.WITHDRAWN, "no call asks for it any more", now)
    return callback


def find_callback(session: Session, call_id: int) -> Callback | None:
    """The callback that a call asks for, locked."""
    return session.scalars(
        sa.select(Callback)
        .join(CallbackMember, CallbackMember.callback_id == Callback.id)
        .where(
            CallbackMember.subject_kind == "call",
            CallbackMember.subject_id == call_id,
            CallbackMember.role == ASKS,
        )
        .with_for_update(of=Callback)
    ).first()


def list_asking(session: Session, callback_id: int) -> list[int]:
    """The ids of the calls that ask for it."""
    query = sa.select(CallbackMember.subject_id).where(
        CallbackMember.callback_id == callback_id,
        CallbackMember.subject_kind == "call",
        CallbackMember.role == ASKS,
    )
    return list(session.scalars(query))


def close_callback(callback: Callback, state: CallbackState, closed_by: str, now: datetime) -> None:
    """Close it: a later miss opens a new one. Does not commit."""
    callback.state = state
    callback.closed_at = now
    callback.closed_by = closed_by
