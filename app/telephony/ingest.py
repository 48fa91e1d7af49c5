"""Keeps each webhook as it came, with a due mark, in one transaction. Called by the web's receiver.

Decides nothing about calls: whatever can be kept is kept, and what cannot be read is quarantined.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..errors import InputError, WebhookError
from ..models import Clinic, Event, EventStatus, SubjectKind, new_event_id
from ..runtime import Runtime
from .facts import Reading
from .marks import mark_due
from .parse import read_event, read_tenant, subject_of
from .tokens import find_clinic_by_token


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a webhook: `status` is 'accepted' or 'quarantined' (with `reason`)."""

    status: EventStatus
    reason: str | None
    event_id: str


def take(
    runtime: Runtime, token: str, body: bytes, content_type: str, received_at: datetime
) -> Receipt:
    """Keep one webhook durably; returns after the commit.

    Raises WebhookError(404) for a token that no clinic has.
    """
    with runtime.db.reading() as session:
        clinic = find_clinic_by_token(session, token, received_at)
    if clinic is None:
        raise WebhookError("no clinic has this address", 404)
    reading = read_event(body)
    with runtime.db.transaction() as session:
        receipt = keep(session, runtime.db, clinic, reading, body, content_type, received_at)
    runtime.waker.notify()
    return receipt


def keep(
    session: Session,
    db: Database,
    clinic: Clinic,
    reading: Reading,
    body: bytes,
    content_type: str,
    received_at: datetime,
) -> Receipt:
    """Add the event and have its subject settled. Does not commit."""
    fault = _fault(reading, clinic)
    subject = None if fault else subject_of(reading)
    event = Event(
        id=new_event_id(received_at),
        clinic_id=clinic.id,
        received_at=received_at,
        content_type=content_type.replace("\0", "")[:200],
        body=body,
        status=EventStatus.QUARANTINED if fault else EventStatus.ACCEPTED,
        reason=fault or reading.reason,
        event_type=reading.event_type,
        fields=dict(reading.fields),
        subject_kind=SubjectKind(subject[0]) if subject else None,
        subject_key=subject[1] if subject else None,
    )
    session.add(event)
    if subject:
        mark_due(session, db, clinic.id, SubjectKind(subject[0]), subject[1])
    return Receipt(event.status, fault, event.id)


def replay_event(session: Session, db: Database, event_id: str) -> Event:
    """Read a kept event's raw bytes anew and have its subject settled. Does not commit.

    What was read may change (a better reader, a clinic that was entered wrongly); the bytes and the
    time of receipt never do. Raises InputError if there is no such event.
    """
    event = session.get(Event, event_id, with_for_update=True)
    if event is None:
        raise InputError(f"There is no event {event_id}.")
    clinic = session.scalars(sa.select(Clinic).where(Clinic.id == event.clinic_id)).one()
    reading = read_event(event.body)
    fault = _fault(reading, clinic)
    subject = None if fault else subject_of(reading)
    event.status = EventStatus.QUARANTINED if fault else EventStatus.ACCEPTED
    event.reason = fault or reading.reason
    event.event_type = reading.event_type
    event.fields = dict(reading.fields)
    before = (event.subject_kind, event.subject_key)
    event.subject_kind = SubjectKind(subject[0]) if subject else None
    event.subject_key = subject[1] if subject else None
    for kind, key in {before, (event.subject_kind, event.subject_key)}:
        if kind and key:
            mark_due(session, db, clinic.id, kind, key)
    return event


def _fault(reading: Reading, clinic: Clinic) -> str | None:
    if reading.is_quarantined:
        return reading.reason
    container = reading.fields.get("container_id", "")
    tenant = read_tenant(reading.fields.get("tenant_id"))
    if (container, tenant) != (clinic.container_id, clinic.tenant_id):
        return "it names another clinic: its containerId and tenantId are not this clinic's"
    return None
