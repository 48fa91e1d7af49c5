"""Whole stories: from a note back to its webhooks, from a webhook forward to the note. Reads only.

As in listings, everything comes as dicts that JSON takes, but for datetimes.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Call, Clinic, Conversation, Event, SubjectKind, Transcript
from ..telephony.changes import tell_changes
from .corrections import read_corrections
from .entries import Told, tell_decisions
from .listings import tell_calls, tell_texts
from .rows import Clinics, of_clinics
from .subjects import as_fact, read_grounds


def tell_call(session: Session, call_uuid: str, clinics: Clinics = None) -> list[Told]:
    """The whole story of each call that had this callUuid, in order; empty if there was none."""
    query = (
        sa.select(Call).where(Call.call_uuid == call_uuid).order_by(Call.clinic_id, Call.ordinal)
    )
    query = query.where(of_clinics(Call.clinic_id, clinics))
    calls = session.scalars(query).all()
    told = tell_calls(session, calls, whole=True)
    for call, each in zip(calls, told, strict=True):
        last = max((n.started_at for n in calls if n.clinic_id == call.clinic_id), default=None)
        each["summary"] = call.summary
        each["evidence"] = call.summary.get("evidence", [])
        each["missing"] = call.summary.get("missing", [])
        each["events"] = _tell_events(session, call, last)
        each["decisions"] = tell_decisions(session, call.clinic_id, "call", call.call_uuid)
    return told


def tell_conversation(session: Session, key: str, clinics: Clinics = None) -> list[Told]:
    """The whole story of each window of this conversationID, in order."""
    query = (
        sa.select(Transcript)
        .join(Conversation, Conversation.id == Transcript.conversation_id)
        .where(Conversation.conversation_key == key)
        .order_by(Transcript.clinic_id, Transcript.starts_at, Transcript.id)
    )
    query = query.where(of_clinics(Transcript.clinic_id, clinics))
    transcripts = session.scalars(query).all()
    told = tell_texts(session, transcripts, whole=True)
    for transcript, each in zip(transcripts, told, strict=True):
        each["decisions"] = tell_decisions(session, transcript.clinic_id, "conversation", key)
        messages = transcript.summary.get("messages", [])
        each["messages"] = messages
        ids = [one for message in messages for one in (message["event_id"], *message["repeats"])]
        kept = [] if transcript.frozen_at else ids
        events = session.scalars(sa.select(Event).where(Event.id.in_(kept)).order_by(Event.id))
        first = {message["event_id"] for message in messages}
        each["events"] = [
            tell_event(event) | {"changed": ["a new text"] if event.id in first else []}
            for event in events
        ]
    return told


def tell_event(event: Event) -> Told:
    """An event with what was read out of it, without its raw bytes."""
    return {
        "id": event.id,
        "clinic": event.clinic_id,
        "at": event.received_at,
        "type": event.event_type,
        "status": event.status.value,
        "reason": event.reason,
        "subject": event.subject_kind.value if event.subject_kind else None,
        "key": event.subject_key,
        "fields": dict(event.fields),
    }


def _tell_events(session: Session, call: Call, last_started_at: datetime | None) -> list[Told]:
    """The call's events and those of its legs, each with what it changed."""
    if call.frozen_at:
        # What is left of them, on its way out, would tell half of it.
        return []
    events = _events(session, call, last_started_at)
    for leg in session.scalars(sa.select(Call).where(Call.leg_of == call.id)):
        events += _events(session, leg, None)
    events.sort(key=lambda event: (event.received_at, event.id))
    corrections = read_corrections(session, call.clinic_id, call.call_uuid)
    changes = tell_changes(
        [fact for event in events if (fact := as_fact(event))],
        [each for each in corrections if each.at >= call.started_at],
        read_grounds(session, session.get_one(Clinic, call.clinic_id)),
    )
    return [
        tell_event(event) | {"changed": list(changes[event.id]) if event.id in changes else None}
        for event in events
    ]


def _events(session: Session, call: Call, last_started_at: datetime | None) -> list[Event]:
    query = sa.select(Event).where(
        Event.clinic_id == call.clinic_id,
        Event.subject_kind == SubjectKind.CALL,
        Event.subject_key == call.call_uuid,
        Event.received_at >= call.started_at,
    )
    if call.started_at != last_started_at and call.summary:
        ended = datetime.fromisoformat(call.summary["last_event_at"])
        query = query.where(Event.received_at <= ended)
    return list(session.scalars(query))
