"""Keeps each webhook as it came, with a due mark, in one transaction. Called by the web's receiver.

Decides nothing about calls: whatever can be kept is kept, and what cannot be read is quarantined.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from ..db import Database, UtcDateTime
from ..errors import InputError, WebhookError
from ..logs import get_logger
from ..models import Clinic, Event, EventStatus, SubjectKind, new_event_id
from ..runtime import Runtime
from ..spool import Spool, Spooled
from .facts import Reading
from .marks import mark_due
from .parse import read_event, read_tenant, subject_of
from .tokens import find_clinic_by_hash, hash_token

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a webhook: `status` is 'accepted' or 'quarantined' (with `reason`)."""

    status: EventStatus
    reason: str | None
    event_id: str


def take(
    runtime: Runtime, token: str, body: bytes, content_type: str, received_at: datetime
) -> Receipt:
    """Keep one webhook durably: in the database, else in the spool if the deployment has one.

    Raises WebhookError(404) for a token that no clinic has; what the database raises where there is
    no spool, and OSError where that fails too.
    """
    webhook = Spooled(
        new_event_id(received_at),
        received_at,
        hash_token(token),
        content_type.replace("\0", "")[:200],
        body,
    )
    reading = read_event(body)
    spool = runtime.spool
    if spool and spool.is_preferred:
        return _put_by(spool, webhook, reading)
    try:
        with runtime.db.reading() as session:
            clinic = find_clinic_by_hash(session, webhook.token_hash, received_at)
        if clinic is None:
            raise WebhookError("no clinic has this address", 404)
        with runtime.db.transaction() as session:
            receipt = keep(session, runtime.db, clinic, reading, webhook)
    except SQLAlchemyError as error:
        if spool is None:
            raise
        log.warning("webhook.spooled", error=type(error).__name__)
        return _put_by(spool, webhook, reading)
    runtime.waker.notify()
    return receipt


def _put_by(spool: Spool, webhook: Spooled, reading: Reading) -> Receipt:
    # Whose it is can't be told now; that and the token are looked at when it is stored.
    spool.append(webhook)
    status = EventStatus.QUARANTINED if reading.is_quarantined else EventStatus.ACCEPTED
    fault = reading.reason if reading.is_quarantined else None
    return Receipt(status, fault, webhook.event_id)


def keep_spooled(runtime: Runtime, webhooks: Sequence[Spooled]) -> list[Spooled]:
    """Store what was spooled, each once however often it is tried; those that never will be.

    Raises what the database raises if it cannot be reached. Commits.
    """
    try:
        _store(runtime, webhooks)
    except (DataError, IntegrityError):
        if len(webhooks) == 1:
            return list(webhooks)
        return [each for webhook in webhooks for each in keep_spooled(runtime, [webhook])]
    runtime.waker.notify()
    return []


def _store(runtime: Runtime, webhooks: Sequence[Spooled]) -> None:
    ids = [webhook.event_id for webhook in webhooks]
    unknown = 0
    with runtime.db.transaction() as session:
        there = set(session.scalars(sa.select(Event.id).where(Event.id.in_(ids))))
        for webhook in webhooks:
            if webhook.event_id in there:
                continue
            clinic = find_clinic_by_hash(session, webhook.token_hash, webhook.received_at)
            if clinic is None:
                unknown += 1
                continue
            there.add(webhook.event_id)
            keep(session, runtime.db, clinic, read_event(webhook.body), webhook)
    if unknown:
        log.warning("spool.unknown_token", count=unknown)


def keep(
    session: Session, db: Database, clinic: Clinic, reading: Reading, webhook: Spooled
) -> Receipt:
    """Add the event and have its subject settled. Does not commit."""
    fault = _fault(reading, clinic)
    subject = None if fault else subject_of(reading)
    event = Event(
        id=webhook.event_id,
        clinic_id=clinic.id,
        received_at=_not_ahead(session, db, webhook.received_at),
        content_type=webhook.content_type,
        body=webhook.body,
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


def _not_ahead(session: Session, db: Database, received_at: datetime) -> Any:
    """The time of receipt, but none that is still to come by the database's clock.

    A receiver's clock that is ahead would have its calls wait for as long as it is.
    """
    if db.tells_time:
        return sa.func.least(sa.literal(received_at, UtcDateTime()), db.now())
    return min(received_at, db.present(session))


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
