"""What the PMS should say: policies, callbacks and entries."""

import enum
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import NULLABLE_JSON, Base, Json, Key, Ref, words


class Policy(Base):
    """A version of a clinic's rules. All are kept; subjects are pinned to what decided them."""

    __tablename__ = "ringnote_policy"
    __table_args__ = (sa.UniqueConstraint("clinic_id", "version"),)

    id: Mapped[Key]
    clinic_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"))
    version: Mapped[int]
    rules: Mapped[Json]
    created_at: Mapped[datetime]
    created_by: Mapped[str]


class CallbackState(enum.StrEnum):
    """How far a callback has got."""

    OPEN = "open"
    ATTEMPTED = "attempted"
    TEXTED = "texted"
    REPLIED = "replied"
    REACHED = "reached"
    DONE = "done"
    WITHDRAWN = "withdrawn"


class Digest(Base):
    """What waited on a number until its client was known, told by one note."""

    __tablename__ = "ringnote_digest"
    __table_args__ = (sa.UniqueConstraint("clinic_id", "number"),)

    id: Mapped[Key]
    clinic_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"))
    number: Mapped[str]


class Callback(Base):
    """One episode of "somebody must call this person back": one open by (clinic, number)."""

    __tablename__ = "ringnote_callback"
    __table_args__ = (
        sa.Index(
            "uq_ringnote_callback_open",
            "clinic_id",
            "number",
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        ),
        sa.Index(None, "clinic_id", "number"),
        sa.Index(None, "clinic_id", "client"),
    )

    id: Mapped[Key]
    clinic_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"))
    number: Mapped[str]
    client: Mapped[str] = mapped_column(default="", server_default="")
    """Whom those who ask were matched to, at the last; '' while undecided."""
    state: Mapped[CallbackState] = mapped_column(words(CallbackState), default=CallbackState.OPEN)
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    """The evidence or the person that closed it."""


class CallbackMember(Base):
    """A call or transcript that belongs to a callback, and as what."""

    __tablename__ = "ringnote_callback_member"
    __table_args__ = (sa.Index(None, "subject_kind", "subject_id"),)

    callback_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_callback.id", ondelete="CASCADE"), primary_key=True
    )
    subject_kind: Mapped[str] = mapped_column(primary_key=True)
    subject_id: Mapped[Ref] = mapped_column(primary_key=True)
    role: Mapped[str]
    """'asks' (a missed call, a voicemail, a text), or 'left' once it turned out not to; 'tried',
    'texted', 'wrote' or 'reached' of what happened since."""
    joined_at: Mapped[datetime]


class EntryState(enum.StrEnum):
    """Where an entry stands."""

    WAITING = "waiting"
    DUE = "due"
    SYNCED = "synced"
    RETRYING = "retrying"
    SET_ASIDE = "set_aside"
    WITHDRAWN = "withdrawn"


class EntryKind(enum.StrEnum):
    """What an entry is in the PMS."""

    NOTE = "note"
    TASK = "task"
    TRANSCRIPT = "transcript"


class Doubt(enum.StrEnum):
    """What people have to do with an entry of which the PMS cannot tell whether it stands there."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    """A person saw it there, and its PMS id is not known."""


class Entry(Base):
    """One thing that should stand in the PMS: desired state with a version.

    `client` is '' until matched. `reference` is its one create key, for all its versions.
    """

    __tablename__ = "ringnote_entry"
    __table_args__ = (
        sa.UniqueConstraint("clinic_id", "subject_kind", "subject_id", "kind", "client"),
        sa.Index(None, "clinic_id", "state"),
        sa.Index(None, "clinic_id", "client"),
        sa.Index(
            "ix_ringnote_entry_read_back",
            "read_back_at",
            sqlite_where=sa.text("kind = 'task' AND state = 'synced' AND is_done_there = 0"),
            postgresql_where=sa.text("kind = 'task' AND state = 'synced' AND NOT is_done_there"),
        ),
    )

    id: Mapped[Key]
    clinic_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"))
    subject_kind: Mapped[str]
    """'call', 'transcript', 'callback' or 'digest'."""
    subject_id: Mapped[Ref]
    kind: Mapped[EntryKind] = mapped_column(words(EntryKind))
    client: Mapped[str] = mapped_column(default="")
    state: Mapped[EntryState] = mapped_column(words(EntryState))
    reason: Mapped[str | None]
    """Why it stands where it stands, in words, where that is not plain."""
    version: Mapped[int] = mapped_column(default=1)
    content: Mapped[Json]
    is_wanted: Mapped[bool] = mapped_column(default=True)
    """False once nothing should stand in the PMS for it (any more)."""
    reference: Mapped[str] = mapped_column(unique=True)
    incarnation: Mapped[int] = mapped_column(default=1)
    connection_id: Mapped[Ref | None] = mapped_column(
        sa.ForeignKey("ringnote_connection.id", ondelete="SET NULL"), index=True
    )
    """The connection it was (or is being) written to."""
    pms_id: Mapped[str | None]
    is_done_there: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether, at the last that is known, the PMS has the task as done (or has deleted it)."""
    read_back_at: Mapped[datetime | None]
    """When a task that stands open is read in the PMS the next time; None: a while after it was
    written."""
    written_version: Mapped[int | None]
    written_at: Mapped[datetime | None]
    doubt: Mapped[Doubt | None] = mapped_column(words(Doubt))
    sent_texts: Mapped[list[dict[str, Any]] | None] = mapped_column(NULLABLE_JSON, deferred=True)
    """The texts of ours that may stand in the PMS ({title, body}), the newest last."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
