"""Who connected, paused, resumed or ended a clinic's PMS: kept as decisions, and told to people."""

from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..connectors import find_connector
from ..ledger.entries import tell_decision
from ..models import Connection, Decision

Act = Literal["connect", "pause", "resume", "disconnect"]
SUBJECT_KIND = "connection"
SHOWN = 10
"""The latest of what people decided of a clinic's connections."""


def keep_act(
    session: Session, connection: Connection, act: Act, by: str, now: datetime, why: str = ""
) -> None:
    """Keep that a person did this to a connection. Does not commit."""
    kind = find_connector(connection.connector, connection.settings)
    session.add(
        Decision(
            clinic_id=connection.clinic_id,
            subject_kind=SUBJECT_KIND,
            subject_key=str(connection.id),
            kind=act,
            value={"pms": kind.title if kind else connection.connector},
            made_at=now,
            made_by=by,
            why=why,
        )
    )


def tell_acts(session: Session, clinic_id: int) -> list[dict[str, Any]]:
    """What people did to the clinic's connections, former ones too: the latest, in order.

    Each has `at`, `by`, `kind` (an Act), `value` (`pms`, by its title) and `why`.
    """
    query = (
        sa.select(Decision)
        .where(Decision.clinic_id == clinic_id, Decision.subject_kind == SUBJECT_KIND)
        .order_by(Decision.id.desc())
        .limit(SHOWN)
    )
    return [tell_decision(each) for each in reversed(session.scalars(query).all())]
