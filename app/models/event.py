"""Events (each webhook as it came), due marks (settle this at that time) and people's decisions."""

import enum
import os
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, Json, Key, Ref, words

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
EVENT_ID = sa.String(26).with_variant(sa.String(26, collation="C"), "postgresql")
"""Compared byte by byte, whatever the database's language: partitions are cut by it."""


def new_event_id(received_at: datetime) -> str:
    """A ULID: 48 bits of milliseconds and 80 random ones. Sorts by time; unique beforehand."""
    return _ulid(received_at, int.from_bytes(os.urandom(10), "big"))


def lowest_event_id(moment: datetime) -> str:
    """What the ids of all events received from `moment` on come at or behind.

    An event's time of receipt is never later than its id tells: one that was received from `moment`
    on has an id from here on, and one whose id comes before was received before.
    """
    return _ulid(moment, 0)


def _ulid(moment: datetime, rest: int) -> str:
    value = int(moment.timestamp() * 1000) << 80 | rest
    return "".join(CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))


class SubjectKind(enum.StrEnum):
    """What is settled."""

    CALL = "call"
    CONVERSATION = "conversation"
    DIGEST = "digest"
    """No event is of one: it is settled after the calls and texts that it tells of."""


class EventStatus(enum.StrEnum):
    """What became of a webhook."""

    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"


class Event(Base):
    """One webhook as it came. Appended by ingest, never changed, purged by age.

    On PostgreSQL it is partitioned by the month of its id (see keeping/partitions.py).
    """

    __tablename__ = "ringnote_event"
    __table_args__ = (
        sa.Index(None, "clinic_id", "subject_kind", "subject_key"),
        sa.Index(None, "clinic_id", "id"),
        sa.Index(
            "ix_ringnote_event_quarantined",
            "clinic_id",
            sqlite_where=sa.text("status = 'quarantined'"),
            postgresql_where=sa.text("status = 'quarantined'"),
        ),
    )

    id: Mapped[str] = mapped_column(EVENT_ID, primary_key=True)
    clinic_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"))
    received_at: Mapped[datetime]
    content_type: Mapped[str]
    body: Mapped[bytes]
    status: Mapped[EventStatus] = mapped_column(words(EventStatus))
    reason: Mapped[str | None]
    """Why it is quarantined, or what had to be mended to read it."""
    event_type: Mapped[str | None]
    """As Ringnote spells it; an unknown type as it came; None where none could be read."""
    fields: Mapped[Json]
    """What was read out of the body, by Ringnote's field names."""
    subject_kind: Mapped[SubjectKind | None] = mapped_column(words(SubjectKind))
    subject_key: Mapped[str | None]
    """callUuid or conversationID."""


class DueMark(Base):
    """Settle this subject at that time.

    Ingest bumps `generation`; settling deletes only the one it read.
    """

    __tablename__ = "ringnote_due_mark"
    __table_args__ = (sa.Index(None, "due_at"),)

    clinic_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"), primary_key=True
    )
    subject_kind: Mapped[SubjectKind] = mapped_column(words(SubjectKind), primary_key=True)
    subject_key: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime]
    generation: Mapped[int] = mapped_column(default=1)
    failures: Mapped[int] = mapped_column(default=0)
    """How often settling it has failed in a row; spaces the next tries."""


class Decision(Base):
    """What a person decided: appended, enters the fold like an event, survives replay."""

    __tablename__ = "ringnote_decision"
    __table_args__ = (sa.Index(None, "clinic_id", "subject_kind", "subject_key"),)

    id: Mapped[Key]
    clinic_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"))
    subject_kind: Mapped[str]
    """'call', 'conversation', 'number', 'callback' or 'connection'."""
    subject_key: Mapped[str]
    kind: Mapped[str]
    """'correct', 'map', 'ignore', 'close', 'reopen', 'confirm', 'leave', …"""
    value: Mapped[Json]
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    why: Mapped[str] = mapped_column(default="")
