"""Calls, conversations and transcript windows: what the events add up to."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, Json, Key, Ref


class Call(Base):
    """All that is known of one callUuid: the stored fold over its events.

    A reused callUuid is a new `ordinal` after 24 h of silence.
    """

    __tablename__ = "ringnote_call"
    __table_args__ = (
        sa.UniqueConstraint("clinic_id", "call_uuid", "ordinal"),
        sa.Index(None, "clinic_id", "started_at"),
        sa.Index(None, "clinic_id", "number"),
    )

    id: Mapped[Key]
    clinic_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"))
    call_uuid: Mapped[str]
    ordinal: Mapped[int] = mapped_column(default=1)
    direction: Mapped[str] = mapped_column(default="unknown")
    outcome: Mapped[str] = mapped_column(default="open")
    number: Mapped[str] = mapped_column(default="")
    """The other party, E.164; '' where there is none to tell."""
    started_at: Mapped[datetime]
    summary: Mapped[Json] = mapped_column(default=dict)
    settled_at: Mapped[datetime | None]
    """When it was first settled; None while it is open."""
    filtered_by: Mapped[str | None]
    """The rule by which nothing is written, in words."""
    policy_version: Mapped[int | None]
    leg_of: Mapped[Ref | None] = mapped_column(
        sa.ForeignKey("ringnote_call.id", ondelete="SET NULL"), index=True
    )
    """The call that this is a transferred part of; its events are folded there."""
    frozen_at: Mapped[datetime | None]
    """Set when its raw events were purged: it is not folded again."""


class Conversation(Base):
    """All texts of one conversationID."""

    __tablename__ = "ringnote_conversation"
    __table_args__ = (sa.UniqueConstraint("clinic_id", "conversation_key"),)

    id: Mapped[Key]
    clinic_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"))
    conversation_key: Mapped[str]
    timezone: Mapped[str]
    """The zone its windows are cut by, fixed when first settled."""
    created_at: Mapped[datetime]


class Transcript(Base):
    """One window of a conversation, by default a clinic-local day, fixed when first settled."""

    __tablename__ = "ringnote_transcript"
    __table_args__ = (
        sa.UniqueConstraint("conversation_id", "number", "starts_at"),
        sa.Index(None, "clinic_id", "starts_at"),
        sa.Index(None, "clinic_id", "number"),
    )

    id: Mapped[Key]
    clinic_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"))
    conversation_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_conversation.id", ondelete="CASCADE")
    )
    number: Mapped[str]
    """The client's side, E.164; as it came where that cannot be told."""
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    local_day: Mapped[date]
    last_text_at: Mapped[datetime]
    summary: Mapped[Json] = mapped_column(default=dict)
    settled_at: Mapped[datetime | None]
    filtered_by: Mapped[str | None]
    policy_version: Mapped[int | None]
    frozen_at: Mapped[datetime | None]
