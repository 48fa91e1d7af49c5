"""Transfers that came with a callUuid of their own: legs of the call that they were part of.

Moves rows for settle. A callUuid is a leg if its arrival on a line was never reported and its
caller's other call is within a minute; that call is then folded with the leg's events too.
"""

from collections.abc import Iterator
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..models import Call, SubjectKind
from ..telephony.facts import Fact
from ..telephony.marks import mark_due
from ..telephony.summaries import CallSummary, Direction, summary_from_json
from .subjects import read_facts

NEAR = timedelta(minutes=1)
LOOK_BACK = timedelta(hours=24)
LOOKED_AT = 20
"""Calls of one number within a day that are looked at."""

OTHERS = (
    sa.select(Call)
    .where(
        # By number first: by time, all calls of the clinic that day would be read through.
        Call.id.in_(
            sa.select(Call.id).where(
                Call.clinic_id == sa.bindparam("clinic_id"), Call.number == sa.bindparam("number")
            )
        ),
        Call.id != sa.bindparam("id"),
        Call.leg_of.is_(None),
        Call.started_at >= sa.bindparam("since"),
        Call.started_at <= sa.bindparam("until"),
    )
    .order_by(Call.started_at.desc(), Call.id.desc())
    .limit(LOOKED_AT)
)
"""Built once, as every settling of a call asks it."""


def read_leg_facts(session: Session, call: Call) -> list[Fact]:
    """The facts of a call's legs, in no particular order."""
    found: list[Fact] = []
    for leg in session.scalars(sa.select(Call).where(Call.leg_of == call.id)):
        known = summary_from_json(leg.summary)
        facts = read_facts(session, leg.clinic_id, SubjectKind.CALL, leg.call_uuid)
        found += [fact for fact in facts if known.started_at <= fact.at <= known.last_event_at]
    return found


def become_leg(session: Session, db: Database, call: Call, summary: CallSummary) -> str | None:
    """Make a call the leg that it is, or no leg any more; the callUuid it is a leg of.

    `summary` is the call's new one, `call.summary` still the one before. Whichever call this
    changes is settled anew. Does not commit.
    """
    whole = _find_whole(session, call, summary)
    before = call.leg_of
    if whole is None and before is None:
        return None
    call.leg_of = whole.id if whole else None
    if before and before != call.leg_of and (left := session.get(Call, before)):
        _settle_again(session, db, left)
    if whole is None:
        return None
    if before != whole.id or _has_grown(call, summary):
        _settle_again(session, db, whole)
    return whole.call_uuid


def call_legs(session: Session, db: Database, call: Call, summary: CallSummary) -> None:
    """Have calls that may be legs of this one look for it. Does not commit."""
    if not summary.has_beginning or not summary.number or call.leg_of:
        return
    for other, known in _others(session, call, summary):
        is_ready = other.settled_at is not None or bool(known.answered_by)
        if is_ready and _may_be_leg(known) and _is_near(known, summary):
            _settle_again(session, db, other)


def _find_whole(session: Session, call: Call, summary: CallSummary) -> Call | None:
    if not _may_be_leg(summary):
        return None
    near = [
        (abs(known.started_at - summary.started_at), other.id, other)
        for other, known in _others(session, call, summary)
        if known.has_beginning and _is_near(summary, known)
    ]
    return min(near)[-1] if near else None


def _others(
    session: Session, call: Call, summary: CallSummary
) -> Iterator[tuple[Call, CallSummary]]:
    """The same caller's other calls of about that time, but for those that are legs."""
    given = {
        "clinic_id": call.clinic_id,
        "number": summary.number,
        "id": call.id,
        "since": summary.started_at - LOOK_BACK,
        "until": summary.last_event_at + NEAR,
    }
    for other in session.scalars(OTHERS, given):
        if other.summary and not other.frozen_at:
            yield other, summary_from_json(other.summary)


def _may_be_leg(summary: CallSummary) -> bool:
    return (
        summary.direction is Direction.INBOUND
        and bool(summary.number)
        and not summary.has_beginning
        and not summary.corrected_by
    )


def _is_near(leg: CallSummary, whole: CallSummary) -> bool:
    return whole.started_at - NEAR <= leg.started_at <= whole.last_event_at + NEAR


def _has_grown(call: Call, summary: CallSummary) -> bool:
    if not call.summary:
        return True
    known = summary_from_json(call.summary)
    return (known.started_at, known.last_event_at) != (summary.started_at, summary.last_event_at)


def _settle_again(session: Session, db: Database, call: Call) -> None:
    mark_due(session, db, call.clinic_id, SubjectKind.CALL, call.call_uuid)
