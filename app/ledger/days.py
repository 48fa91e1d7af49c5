"""What a time by the clinic's own clock means for rows that are kept in UTC. Listings ask it."""

from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from ..models import Clinic


def within(
    session: Session,
    clinic_id: InstrumentedAttribute[int],
    at: InstrumentedAttribute[datetime],
    since: datetime | None,
    before: datetime | None,
) -> sa.ColumnElement[bool]:
    """Whether `at` is `since` or later, but before `before`, by the clock of the row's clinic.

    Both are naive; None leaves that end open.
    """
    if since is None and before is None:
        return sa.true()
    zones = session.scalars(sa.select(Clinic.timezone).distinct())
    return sa.or_(
        sa.false(),
        *(
            sa.and_(
                clinic_id.in_(sa.select(Clinic.id).where(Clinic.timezone == zone)),
                at >= since.replace(tzinfo=ZoneInfo(zone)) if since else sa.true(),
                at < before.replace(tzinfo=ZoneInfo(zone)) if before else sa.true(),
            )
            for zone in zones
        ),
    )
