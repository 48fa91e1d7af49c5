"""Housekeeping: who is at it, when it is next due, and how the last one went."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, Json


class Housekeeping(Base):
    """The one row that all workers share: housekeeping is done by one of them at a time."""

    __tablename__ = "ringnote_housekeeping"

    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    """Always 1."""
    due_at: Mapped[datetime]
    lease_token: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    """When the run began that is under way, or was the last."""
    finished_at: Mapped[datetime | None]
    """When the last run came to its end."""
    purged: Mapped[Json] = mapped_column(default=dict)
    """What that run removed: how many, by what they are."""
