"""Entries as listings and whole stories show them, with where each stands. Reads only.

As in listings, everything comes as dicts that JSON takes, but for datetimes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..clock import utc_now
from ..models import (
    Call,
    Clinic,
    Conversation,
    Decision,
    Doubt,
    Entry,
    EntryState,
    Retried,
    Retry,
    Transcript,
)
from .rows import (
    Clinics,
    Standing,
    Subject,
    of_clinics,
    read_attempts,
    read_clinics,
    read_entries_where,
    read_matches,
    read_origins,
)
from .set_aside import is_left, tell_refusal

Told = dict[str, Any]
_DECIDED_AS = {"call": "call", "transcript": "conversation"}
"""What a decision on the origin of an entry is filed under."""


def list_entries(
    session: Session, clinics: Clinics = None, state: str | None = None, limit: int = 50
) -> list[Told]:
    """Entries, the newest first."""
    conditions = [of_clinics(Entry.clinic_id, clinics)]
    if state is not None:
        conditions.append(Entry.state == EntryState(state))
    return tell_entries(session, read_entries_where(session, sa.and_(*conditions), limit))


def show_entry_story(session: Session, entry_id: int) -> Told | None:
    """One entry with its text, every try to write it and what people decided of it and of what it
    comes of; None if there is no such entry."""
    found = read_entries_where(session, Entry.id == entry_id, 1)
    attempts = read_attempts(session, [entry_id])
    told = next(iter(tell_entries(session, found, attempts)), None)
    if told is not None:
        subjects = [(_DECIDED_AS[origin["kind"]], origin["key"]) for origin in told["origins"]]
        clinic_id = told["clinic"]["id"]
        told["decisions"] = [
            *(
                each
                for subject in subjects
                for each in tell_decisions(session, clinic_id, *subject)
            ),
            *_tell_retries(session, entry_id),
        ]
    return told


def _tell_retries(session: Session, entry_id: int) -> list[Told]:
    """The retries of many that an entry was one of, as what people decided is told."""
    query = sa.select(Retry).join(Retried, Retried.retry_id == Retry.id)
    return [
        {
            "at": each.asked_at,
            "by": each.asked_by,
            "kind": "retry",
            "value": {"retry": each.id},
            "why": "",
        }
        for each in session.scalars(query.where(Retried.entry_id == entry_id).order_by(Retry.id))
    ]


def tell_decisions(session: Session, clinic_id: int, kind: str, key: str) -> list[Told]:
    """What people decided of a call (by callUuid) or a conversation (by its id), in order."""
    query = sa.select(Decision).where(
        Decision.clinic_id == clinic_id,
        Decision.subject_kind == kind,
        Decision.subject_key == key,
    )
    return [tell_decision(each) for each in session.scalars(query.order_by(Decision.id))]


def tell_decision(decision: Decision) -> Told:
    """What a person decided, when, and why."""
    return {
        "at": decision.made_at,
        "by": decision.made_by,
        "kind": decision.kind,
        "value": dict(decision.value),
        "why": decision.why,
    }


def tell_entry(
    standing: Standing,
    clinic: Clinic,
    match_rule: str | None,
    now: datetime,
    attempts: Mapping[int, list[Told]] | None = None,
) -> Told:
    """An entry as a listing shows it; given `attempts`, with its text, its tries and, where it is
    set aside, what `tell_refusal` tells."""
    entry = standing.entry
    told = {
        "id": entry.id,
        "clinic": tell_clinic(clinic),
        "kind": entry.kind.value,
        "state": entry.state.value,
        "standing": standing.in_words(match_rule, now),
        "client": entry.client,
        "title": entry.content["title"],
        "reason": entry.reason,
        "asks": entry.doubt is Doubt.ASKED,
        "subject": f"{entry.subject_kind}:{entry.subject_id}",
        "reference": entry.reference,
        "pms_id": entry.pms_id,
        "version": entry.version,
        "written_version": entry.written_version,
        "due_at": standing.row.due_at if standing.row else None,
        "attempts": standing.row.attempts if standing.row else 0,
        "updated_at": entry.updated_at,
    }
    if attempts is not None:
        tries = attempts.get(entry.id, [])
        is_refused = entry.state is EntryState.SET_ASIDE and entry.doubt is None
        refusal = tell_refusal(tries, was_written=bool(entry.pms_id)) if is_refused else None
        told |= {"body": entry.content["body"], "tries": tries, "refusal": refusal}
        # What was perhaps written keeps its outbox row: it has to be looked up, not left.
        told |= {
            "may_be_left": is_refused and (standing.row is None or not entry.is_wanted),
            "is_left": is_left(entry.reason),
        }
    return told


def tell_clinic(clinic: Clinic) -> Told:
    """A clinic as all that is told of it names it."""
    return {"id": clinic.id, "name": clinic.name, "timezone": clinic.timezone}


def tell_entries(
    session: Session,
    found: Sequence[Standing],
    attempts: Mapping[int, list[Told]] | None = None,
) -> list[Told]:
    """These entries as a listing shows them, with what they come of; `attempts` as above."""
    now = utc_now()
    clinics = read_clinics(session, (each.entry.clinic_id for each in found))
    origins = read_origins(session, [each.entry for each in found])
    every = [origin for several in origins.values() for origin in several]
    matches, named = read_matches(session, every), _named(session, every)
    told = []
    for each in found:
        entry, mine = each.entry, origins[each.entry.id]
        rule = next((matches[origin]["rule"] for origin in mine if origin in matches), None)
        row = tell_entry(each, clinics[entry.clinic_id], rule, now, attempts)
        row["origins"] = [{"kind": origin[0], **named[origin]} for origin in mine]
        told.append(row)
    return told


def _named(session: Session, subjects: Sequence[Subject]) -> dict[Subject, Told]:
    """Of each, the call's or conversation's id, and its key: callUuid or conversationID."""
    ids = {kind: {number for each, number in subjects if each == kind} for kind, _ in subjects}
    calls = sa.select(Call.id, Call.id, Call.call_uuid).where(Call.id.in_(ids.get("call", ())))
    windows = (
        sa.select(Transcript.id, Conversation.id, Conversation.conversation_key)
        .join(Conversation, Conversation.id == Transcript.conversation_id)
        .where(Transcript.id.in_(ids.get("transcript", ())))
    )
    return {
        (kind, number): {"id": subject_id, "key": key}
        for kind, query in (("call", calls), ("transcript", windows))
        for number, subject_id, key in session.execute(query)
    }
