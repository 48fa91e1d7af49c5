"""Callbacks as listings and whole stories show them. Reads only.

As in listings, everything comes as dicts that JSON takes, but for datetimes.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..clock import utc_now
from ..models import (
    Call,
    Callback,
    CallbackMember,
    CallbackState,
    Client,
    Conversation,
    Decision,
    Entry,
    EntryKind,
    Transcript,
)
from .callbacks import ASKS
from .entries import Told, tell_clinic, tell_entry
from .rows import (
    Clinics,
    Standing,
    of_clinics,
    read_attempts,
    read_clinics,
    read_entries_where,
)


def list_callbacks(
    session: Session,
    clinics: Clinics = None,
    state: str | None = None,
    limit: int = 50,
) -> list[Told]:
    """Callbacks: those that nobody has closed, the longest waiting first; or, the newest first,
    those of one state, or all there are ('any')."""
    query = sa.select(Callback).where(of_clinics(Callback.clinic_id, clinics))
    if state is None:
        query = query.where(Callback.closed_at.is_(None)).order_by(Callback.opened_at, Callback.id)
    else:
        query = query.order_by(Callback.opened_at.desc(), Callback.id.desc())
        if state != "any":
            query = query.where(Callback.state == CallbackState(state))
    return tell_callbacks(session, session.scalars(query.limit(limit)).all())


def show_callback_story(session: Session, callback_id: int) -> Told | None:
    """One callback with its task, all that belongs to it and what people decided; None if there is
    no such callback."""
    row = session.get(Callback, callback_id)
    if row is None:
        return None
    [told] = tell_callbacks(session, [row], whole=True)
    decisions = session.scalars(
        sa.select(Decision)
        .where(
            Decision.clinic_id == row.clinic_id,
            Decision.subject_kind == "callback",
            Decision.subject_key.in_({row.number, told["number"]}),
        )
        .order_by(Decision.made_at, Decision.id)
    )
    told["members"] = _tell_members(session, row.id)
    told["decisions"] = [
        {"at": each.made_at, "by": each.made_by, "kind": each.kind, "why": each.why}
        for each in decisions
        if each.value.get("callback") == row.id
    ]
    return told


def tell_callbacks(session: Session, rows: Sequence[Callback], whole: bool = False) -> list[Told]:
    """These callbacks as a listing shows them; `whole` adds the task's text and tries."""
    now, ids = utc_now(), [row.id for row in rows]
    clinics = read_clinics(session, (row.clinic_id for row in rows))
    tasks = _tasks(session, ids)
    entries = [each.entry.id for each in tasks.values()]
    attempts = read_attempts(session, entries) if whole else None
    asked, names = _asked(session, ids), _names(session, rows)
    told = []
    for row in rows:
        count, last_at = asked.get(row.id, (0, row.opened_at))
        task, clinic = tasks.get(row.id), clinics[row.clinic_id]
        client = row.client or (task.entry.client if task else "")
        told.append(
            {
                "id": row.id,
                "clinic": tell_clinic(clinic),
                "number": row.number,
                "client": client,
                "client_name": names.get((row.clinic_id, client), ""),
                "state": row.state.value,
                "is_open": row.closed_at is None,
                "asked": count,
                "opened_at": row.opened_at,
                "last_asked_at": last_at,
                "due_at": _due(task) if row.closed_at is None else None,
                "closed_at": row.closed_at,
                "closed_by": row.closed_by,
                "task": tell_entry(task, clinic, None, now, attempts) if task else None,
            }
        )
    return told


def _due(task: Standing | None) -> datetime | None:
    return datetime.fromisoformat(task.entry.content["due_at"]) if task else None


def _tasks(session: Session, ids: Sequence[int]) -> dict[int, Standing]:
    """Each callback's task: the one that is wanted, else the last that was."""
    is_task = sa.and_(
        Entry.subject_kind == "callback",
        Entry.subject_id.in_(ids),
        Entry.kind == EntryKind.TASK,
    )
    found: dict[int, Standing] = {}
    for each in reversed(read_entries_where(session, is_task, len(ids) * 4 + 1)):
        known = found.get(each.entry.subject_id)
        if known is None or each.entry.is_wanted or not known.entry.is_wanted:
            found[each.entry.subject_id] = each
    return found


def _asked(session: Session, ids: Sequence[int]) -> dict[int, tuple[int, datetime]]:
    query = (
        sa.select(
            CallbackMember.callback_id,
            sa.func.count(),
            sa.func.max(CallbackMember.joined_at),
        )
        .where(CallbackMember.callback_id.in_(ids), CallbackMember.role == ASKS)
        .group_by(CallbackMember.callback_id)
    )
    return {row[0]: (row[1], row[2]) for row in session.execute(query)}


def _names(session: Session, rows: Sequence[Callback]) -> dict[tuple[int, str], str]:
    clients: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        clients[row.clinic_id].add(row.client)
    query = sa.select(Client.clinic_id, Client.external_id, Client.name).where(
        sa.or_(
            sa.false(),
            *(
                sa.and_(Client.clinic_id == clinic_id, Client.external_id.in_(ids))
                for clinic_id, ids in clients.items()
            ),
        )
    )
    return {(row[0], row[1]): row[2] for row in session.execute(query)}


def _tell_members(session: Session, callback_id: int) -> list[Told]:
    """All that belongs to it, in order: as what, and the call's or conversation's key."""
    query = (
        sa.select(CallbackMember, Call.call_uuid, Conversation.conversation_key)
        .outerjoin(
            Call,
            sa.and_(CallbackMember.subject_kind == "call", Call.id == CallbackMember.subject_id),
        )
        .outerjoin(
            Transcript,
            sa.and_(
                CallbackMember.subject_kind == "transcript",
                Transcript.id == CallbackMember.subject_id,
            ),
        )
        .outerjoin(Conversation, Conversation.id == Transcript.conversation_id)
        .where(CallbackMember.callback_id == callback_id)
        .order_by(CallbackMember.joined_at, CallbackMember.subject_id)
    )
    return [
        {
            "at": member.joined_at,
            "role": member.role,
            "kind": member.subject_kind,
            "key": uuid or conversation,
        }
        for member, uuid, conversation in session.execute(query)
    ]
