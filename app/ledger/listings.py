"""Calls and texts as listings show them, with where each stands. Reads only.

Everything comes as dicts that JSON takes, but for datetimes, which are aware and UTC. A listing
takes the same number of queries however long it is.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..clock import utc_now
from ..models import (
    Call,
    Clinic,
    Connection,
    ConnectionState,
    Conversation,
    DueMark,
    Entry,
    EntryState,
    Event,
    EventStatus,
    OutboxRow,
    Transcript,
)
from ..telephony.summaries import CallSummary, summary_from_json
from .days import within
from .entries import Told, tell_clinic, tell_entry
from .rows import (
    Clinics,
    of_clinics,
    read_attempts,
    read_clinics,
    read_entries,
    read_matches,
    with_entry,
)
from .rules import Names
from .standing import dispose, purged
from .subjects import read_names
from .views import call_title
from .wording import name_people

# In so many words: with a parameter, a prepared statement could not use the index of them.
IS_QUARANTINED = Event.status == sa.literal_column(f"'{EventStatus.QUARANTINED}'")
SHOWN = {"waiting": EntryState.WAITING, "set_aside": EntryState.SET_ASIDE}


def list_recent(
    session: Session, clinics: Clinics = None, show: str | None = None, limit: int = 50
) -> list[Told]:
    """Calls and texts together, the newest first.

    `show` narrows it: 'waiting', 'set_aside' (by their entries) or 'open' (calls not settled yet).
    """
    calls = list_calls(session, clinics, show=show, limit=limit)
    texts = list_conversations(session, clinics, show=show, limit=limit)
    return sorted([*calls, *texts], key=lambda each: each["at"], reverse=True)[:limit]


def list_calls(
    session: Session,
    clinics: Clinics = None,
    *,
    show: str | None = None,
    outcome: str | None = None,
    since: datetime | None = None,
    before: datetime | None = None,
    limit: int = 50,
) -> list[Told]:
    """Calls, the newest first; `since` and `before` are naive, by each clinic's own clock."""
    is_within = within(session, Call.clinic_id, Call.started_at, since, before)
    query = sa.select(Call).where(is_within).order_by(Call.started_at.desc(), Call.id.desc())
    query = query.where(of_clinics(Call.clinic_id, clinics))
    if outcome is not None:
        query = query.where(Call.outcome == outcome)
    if show == "open":
        query = query.where(Call.settled_at.is_(None))
    elif show in SHOWN:
        query = query.where(Call.id.in_(with_entry("call", SHOWN[show])))
    return tell_calls(session, session.scalars(query.limit(limit)).all())


def list_conversations(
    session: Session,
    clinics: Clinics = None,
    *,
    show: str | None = None,
    since: datetime | None = None,
    before: datetime | None = None,
    limit: int = 50,
) -> list[Told]:
    """Windows of texts, the newest first; `since` and `before` (of the last text) as for calls."""
    if show == "open":
        return []
    is_within = within(session, Transcript.clinic_id, Transcript.last_text_at, since, before)
    newest_first = (Transcript.last_text_at.desc(), Transcript.id.desc())
    query = sa.select(Transcript).where(is_within).order_by(*newest_first)
    query = query.where(of_clinics(Transcript.clinic_id, clinics))
    if show in SHOWN:
        query = query.where(Transcript.id.in_(with_entry("transcript", SHOWN[show])))
    return tell_texts(session, session.scalars(query.limit(limit)).all())


def count_backlog(session: Session, clinics: Clinics = None) -> dict[str, int]:
    """How much of everything stands where.

    'waiting' and 'set_aside' count calls and windows, as their listings do.
    """
    now = utc_now()
    counts = {
        "clinics": _count(Clinic.id, clinics),
        "due": _count(DueMark.clinic_id, clinics, DueMark.due_at <= now),
        "outbox": _count(Entry.clinic_id, clinics, Entry.id == OutboxRow.entry_id),
        "waiting": _count_subjects(EntryState.WAITING, clinics),
        "set_aside": _count_subjects(EntryState.SET_ASIDE, clinics),
        "quarantined": _count(Event.clinic_id, clinics, IS_QUARANTINED),
        "paused": _count(
            Connection.clinic_id,
            clinics,
            Connection.state == ConnectionState.PAUSED,
            Connection.ended_at.is_(None),
        ),
    }
    row = session.execute(
        sa.select(*(query.scalar_subquery().label(name) for name, query in counts.items()))
    ).one()
    return dict(row._mapping)


def _count(column: Any, clinics: Clinics, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(sa.func.count(column)).where(of_clinics(column, clinics), *conditions)


def tell_calls(session: Session, calls: Sequence[Call], whole: bool = False) -> list[Told]:
    """These calls as a listing shows them; `whole` adds each entry's text and tries."""
    known = read_names(session, {call.clinic_id for call in calls})
    told = []
    for call, row in zip(calls, _rows(session, "call", calls, whole), strict=True):
        names = known[call.clinic_id]
        summary = summary_from_json(call.summary) if call.summary else None
        row |= {
            "kind": "call",
            "key": call.call_uuid,
            "call_uuid": call.call_uuid,
            "ordinal": call.ordinal,
            "at": call.started_at,
            "started_at": call.started_at,
            "direction": call.direction,
            "outcome": call.outcome,
            "title": _title(call, summary, names),
            "number": call.number or (summary.number_raw if summary else ""),
            "caller_name": summary.caller_name if summary else "",
            "line": names.lines.get(summary.line, summary.line_name) or summary.line
            if summary
            else "",
        }
        told.append(row)
    return told


def _title(call: Call, summary: CallSummary | None, names: Names) -> str:
    if summary is None:
        return "Call"
    if call.settled_at is None:
        return "Call under way" if summary.ended_at is None else "Call just ended"
    return call_title(name_people(summary, names))


def tell_texts(session: Session, windows: Sequence[Transcript], whole: bool = False) -> list[Told]:
    """These windows as a listing shows them; `whole` as for calls."""
    keys = {
        each.id: each.conversation_key
        for each in session.scalars(
            sa.select(Conversation).where(
                Conversation.id.in_({window.conversation_id for window in windows})
            )
        )
    }
    told = []
    for window, row in zip(windows, _rows(session, "transcript", windows, whole), strict=True):
        count = len(window.summary.get("messages", []))
        row |= {
            "kind": "texts",
            "key": keys[window.conversation_id],
            "ordinal": 1,
            "at": window.last_text_at,
            "day": window.local_day.isoformat(),
            "direction": "both",
            "outcome": "texts",
            "title": f"{count} text{'s' * (count != 1)}",
            "number": window.number,
            "caller_name": "",
            "line": window.summary.get("line", ""),
        }
        told.append(row)
    return told


def _rows(
    session: Session, kind: str, subjects: Sequence[Call | Transcript], whole: bool
) -> list[Told]:
    now = utc_now()
    keys = [(kind, subject.id) for subject in subjects]
    clinics = read_clinics(session, (subject.clinic_id for subject in subjects))
    matches, entries = read_matches(session, keys), read_entries(session, keys)
    every = [standing.entry.id for each in entries.values() for standing in each]
    attempts = read_attempts(session, every) if whole else None
    rows = []
    for subject, key in zip(subjects, keys, strict=True):
        clinic, match = clinics[subject.clinic_id], matches.get(key)
        told = [
            tell_entry(each, clinic, match["rule"] if match else None, now, attempts)
            for each in entries[key]
        ]
        rows.append(
            {
                "id": subject.id,
                "clinic": tell_clinic(clinic),
                "match": match,
                "disposition": (
                    state := dispose(
                        subject.settled_at is not None,
                        subject.filtered_by,
                        (each.entry.state for each in entries[key]),
                    )
                ),
                "standing": _in_words(state, subject.filtered_by, told),
                "filtered_by": subject.filtered_by,
                "purged_at": subject.frozen_at,
                "purged": purged(_began(subject), subject.frozen_at),
                "entries": told,
            }
        )
    return rows


def _began(subject: Call | Transcript) -> datetime:
    return subject.started_at if isinstance(subject, Call) else subject.starts_at


def _in_words(disposition: str, filtered_by: str | None, entries: Sequence[Told]) -> str:
    if disposition == "open":
        return "under way, or about to be settled"
    if disposition == "filtered":
        return f"nothing is written: {filtered_by or 'the policy asks for nothing'}"
    return next(str(each["standing"]) for each in entries if each["state"] == disposition)


def _count_subjects(state: EntryState, clinics: Clinics) -> sa.Select[Any]:
    of_each = (
        sa.select(sa.func.count())
        .select_from(with_entry(kind, state, clinics).subquery())
        .scalar_subquery()
        for kind in ("call", "transcript")
    )
    return sa.select(sum(of_each, sa.literal(0)))
