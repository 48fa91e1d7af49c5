"""What a person says a call was: appended like an event, and acted on at once."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..models import Decision, SubjectKind
from ..telephony.facts import Correction
from ..telephony.marks import mark_due


def correct_call(
    session: Session,
    db: Database,
    clinic_id: int,
    call_uuid: str,
    outcome: str,
    by: str,
    why: str,
    now: datetime,
) -> None:
    """Say that a call was 'answered', 'missed' or 'internal'. Does not commit."""
    session.add(
        Decision(
            clinic_id=clinic_id,
            subject_kind="call",
            subject_key=call_uuid,
            kind="correct",
            value={"outcome": outcome},
            made_at=now,
            made_by=by,
            why=why,
        )
    )
    session.flush()
    mark_due(session, db, clinic_id, SubjectKind.CALL, call_uuid)


def read_corrections(session: Session, clinic_id: int, call_uuid: str) -> list[Correction]:
    """What people said of the calls with this callUuid, in order."""
    decisions = session.scalars(
        sa.select(Decision)
        .where(
            Decision.clinic_id == clinic_id,
            Decision.subject_kind == "call",
            Decision.subject_key == call_uuid,
            Decision.kind == "correct",
        )
        .order_by(Decision.made_at, Decision.id)
    )
    return [
        Correction(each.made_at, each.value["outcome"], each.made_by, each.why)
        for each in decisions
    ]
