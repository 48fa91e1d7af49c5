"""What a front desk wants to see of who is calling: their last calls and the open callback. Reads
only; the look-up of the API tells it."""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Call, Callback, CallbackMember, Match
from ..telephony.summaries import summary_from_json
from .callbacks import ASKS
from .subjects import read_names
from .views import call_title
from .wording import name_people

SHOWN = 5


def tell_last_calls(
    session: Session, clinic_id: int, number: str, client: str
) -> list[dict[str, Any]]:
    """The last settled calls with this number (E.164) or client ('' for none), the latest first."""
    settled = [Call.clinic_id == clinic_id, Call.settled_at.is_not(None)]
    of_number = sa.select(Call).where(*settled, Call.number == number)
    found = {call.id: call for call in session.scalars(_latest(of_number))}
    if client:
        matched = sa.and_(Match.subject_kind == "call", Match.subject_id == Call.id)
        theirs = sa.select(Call).join(Match, matched).where(*settled)
        theirs = theirs.where(Match.clinic_id == clinic_id, Match.client == client)
        found |= {call.id: call for call in session.scalars(_latest(theirs))}
    latest = sorted(found.values(), key=lambda call: (call.started_at, call.id), reverse=True)
    names = read_names(session, {clinic_id})[clinic_id]
    return [
        {
            "id": call.id,
            "call_uuid": call.call_uuid,
            "direction": call.direction,
            "outcome": call.outcome,
            "title": call_title(name_people(summary_from_json(call.summary), names)),
            "started_at": call.started_at,
            "number": call.number,
        }
        for call in latest[:SHOWN]
    ]


def find_open_callback(
    session: Session, clinic_id: int, numbers: Collection[str]
) -> dict[str, Any] | None:
    """The oldest open callback of one of these numbers, with how many calls ask for it."""
    callback = session.scalars(
        sa.select(Callback)
        .where(
            Callback.clinic_id == clinic_id,
            Callback.number.in_(sorted(numbers)),
            Callback.closed_at.is_(None),
        )
        .order_by(Callback.opened_at, Callback.id)
        .limit(1)
    ).first()
    if callback is None:
        return None
    asking = sa.select(sa.func.count()).where(
        CallbackMember.callback_id == callback.id, CallbackMember.role == ASKS
    )
    return {
        "number": callback.number,
        "state": callback.state.value,
        "opened_at": callback.opened_at,
        "calls": session.scalars(asking).one(),
    }


def _latest(query: sa.Select[Call]) -> sa.Select[Call]:
    return query.order_by(Call.started_at.desc(), Call.id.desc()).limit(SHOWN)
