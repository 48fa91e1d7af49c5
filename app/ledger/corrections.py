"""What a person says a call was: appended like an event, and acted on at once."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..errors import InputError
from ..models import Call, Decision, SubjectKind
from ..telephony.facts import Correction
from ..telephony.marks import mark_due

SAID = (
    sa.select(Decision.made_at, Decision.value, Decision.made_by, Decision.why)
    .where(
        Decision.clinic_id == sa.bindparam("clinic_id"),
        Decision.subject_kind == "call",
        Decision.subject_key == sa.bindparam("call_uuid"),
        Decision.kind == "correct",
    )
    .order_by(Decision.made_at, Decision.id)
)
"""Built once, as every settling of a call asks it."""


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
    """Say that the latest call with this callUuid was 'answered', 'missed' or 'internal'.

    Raises InputError where that could change nothing. Does not commit.
    """
    query = sa.select(Call).where(Call.clinic_id == clinic_id, Call.call_uuid == call_uuid)
    if call := session.scalars(query.order_by(Call.ordinal.desc())).first():
        _require_changeable(session, call)
        # The clock of the machine that received it may be ahead; the correction still is of it.
        now = max(now, call.started_at)
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


def _require_changeable(session: Session, call: Call) -> None:
    if call.leg_of:
        whole = session.get_one(Call, call.leg_of).call_uuid
        raise InputError(f"{call.call_uuid} is a part of call {whole}: correct that one.")
    if call.frozen_at:
        raise InputError(f"The webhooks of call {call.call_uuid} were purged: it stays as it is.")


def read_corrections(session: Session, clinic_id: int, call_uuid: str) -> list[Correction]:
    """What people said of the calls with this callUuid, in order."""
    rows = session.execute(SAID, {"clinic_id": clinic_id, "call_uuid": call_uuid})
    return [Correction(at, value["outcome"], by, why) for at, value, by, why in rows]
