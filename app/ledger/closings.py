"""What people decide of a callback: that it is done, here or in the PMS, or was closed wrongly.

Appended, so that whatever is folded anew keeps it, and acted on at once.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..errors import InputError
from ..models import (
    Call,
    Callback,
    CallbackMember,
    CallbackState,
    Clinic,
    Conversation,
    Decision,
    Entry,
    SubjectKind,
    Transcript,
)
from ..telephony.marks import mark_due
from .callbacks import ASKS, IN_THE_PMS, settle_callbacks
from .callers import CallersBusy, Cause
from .episodes import Subject

BUSY_TRIES = 40
BUSY_SECONDS = 0.05

Act = Callable[[Session, Database, Callback, str, str, datetime], None]
"""`close_callback` or `reopen_callback`."""


def close_callback(
    session: Session, db: Database, callback: Callback, by: str, why: str, now: datetime
) -> None:
    """Close it: its task is completed in the PMS, and a later miss opens a new one.

    Raises InputError if it is closed already, CallersBusy as settling does. Does not commit.
    """
    if callback.closed_at is not None:
        raise InputError(f"Callback {callback.id} is {callback.state.value} already.")
    _decide(session, callback, "close", _asking(session, callback), by, why, now)
    _settle(session, db, callback, now)


def reopen_callback(
    session: Session, db: Database, callback: Callback, by: str, why: str, now: datetime
) -> None:
    """Have it go on, with its task in the PMS; what closed it counts no more.

    Raises InputError if it is open, was withdrawn, or the caller has a later one that is open;
    CallersBusy as settling does. Does not commit.
    """
    if callback.closed_at is None:
        raise InputError(f"Callback {callback.id} is open.")
    if callback.state is CallbackState.WITHDRAWN:
        raise InputError(
            f"Callback {callback.id} was withdrawn: {callback.closed_by}. If a call was missed"
            " after all, say so: ringnote calls correct UUID --missed"
        )
    _decide(session, callback, "reopen", _asking(session, callback), by, why, now)
    _settle(session, db, callback, now)
    if callback.closed_at is not None:
        raise InputError(
            f"Callback {callback.id} stays closed: the same caller has a later one that is open."
        )


def decide(db: Database, callback_id: int, act: Act, by: str, why: str) -> None:
    """Close or reopen a callback for a person, waiting for workers that are at its caller.

    Raises InputError where it cannot be. Commits.
    """
    for _ in range(BUSY_TRIES):
        with suppress(CallersBusy), db.transaction() as session:
            row = session.get_one(Callback, callback_id)
            act(session, db, row, by, why, db.present(session))
            return
        time.sleep(BUSY_SECONDS)
    raise InputError("The callback is being worked on; try again in a moment.")


def note_closed_there(
    session: Session, db: Database, entry: Entry, reason: str, closed_at: datetime | None
) -> None:
    """Keep that a callback's task was done or deleted in the PMS, and have what follows settled.

    `closed_at` is the PMS's word for when, None if it does not say. `entry` is as it was last
    written: who closed the task knew of nothing later. Does not commit.
    """
    callback = session.get(Callback, entry.subject_id) if entry.subject_kind == "callback" else None
    if callback is None or callback.closed_at is not None or entry.content.get("is_done"):
        return
    now = db.present(session)
    is_current = entry.written_version == entry.version
    seen_at = entry.written_at or entry.created_at
    at = max(min(closed_at or (now if is_current else seen_at), now), seen_at)
    of = [each for each in _asking(session, callback) if _known_at(session, each) <= at]
    if of:
        _decide(session, callback, "close", of, IN_THE_PMS, reason, at)
        _mark_due(session, db, callback.clinic_id, of[0])


def _decide(
    session: Session,
    callback: Callback,
    kind: str,
    of: Sequence[Subject],
    by: str,
    why: str,
    at: datetime,
) -> None:
    session.add(
        Decision(
            clinic_id=callback.clinic_id,
            subject_kind="callback",
            subject_key=callback.number,
            kind=kind,
            value={"callback": callback.id, "of": [list(each) for each in of]},
            made_at=at,
            made_by=by,
            why=why,
        )
    )
    session.flush()


def _settle(session: Session, db: Database, callback: Callback, now: datetime) -> None:
    clinic = session.get_one(Clinic, callback.clinic_id)
    cause = Cause.of(
        ("callback", callback.id), callback.number, callback.client, callback.opened_at
    )
    settle_callbacks(session, db, clinic, cause, False, now)


def _asking(session: Session, callback: Callback) -> list[Subject]:
    query = (
        sa.select(CallbackMember.subject_kind, CallbackMember.subject_id)
        .where(CallbackMember.callback_id == callback.id, CallbackMember.role == ASKS)
        .order_by(CallbackMember.joined_at, CallbackMember.subject_id)
    )
    return [(row.subject_kind, row.subject_id) for row in session.execute(query)]


def _known_at(session: Session, subject: Subject) -> datetime:
    """When it was known that it asks: once settled, or told otherwise since."""
    if subject[0] != "call":
        return session.get_one(Transcript, subject[1]).last_text_at
    call = session.get_one(Call, subject[1])
    ended_at = call.summary.get("ended_at")
    corrected = session.scalars(
        sa.select(sa.func.max(Decision.made_at)).where(
            Decision.clinic_id == call.clinic_id,
            Decision.subject_kind == "call",
            Decision.subject_key == call.call_uuid,
            Decision.kind == "correct",
        )
    ).one()
    known = [call.settled_at or call.started_at, corrected or call.started_at]
    return max([*known, datetime.fromisoformat(ended_at)] if ended_at else known)


def _mark_due(session: Session, db: Database, clinic_id: int, subject: Subject) -> None:
    if subject[0] == "call":
        kind, key = SubjectKind.CALL, session.get_one(Call, subject[1]).call_uuid
    else:
        window = session.get_one(Transcript, subject[1])
        conversation = session.get_one(Conversation, window.conversation_id)
        kind, key = SubjectKind.CONVERSATION, conversation.conversation_key
    mark_due(session, db, clinic_id, kind, key)
