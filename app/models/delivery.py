"""Getting it there: connections, the outbox, attempts and pacing."""

import enum
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import NULLABLE_JSON, Base, Json, Key, Ref, words
from .ledger import EntryState


class ConnectionState(enum.StrEnum):
    """Whether a connection is written to."""

    ACTIVE = "active"
    PAUSED = "paused"


class WhenInDoubt(enum.StrEnum):
    """What to do with what was perhaps written, where the PMS cannot tell."""

    ASK = "ask"
    RETRY = "retry"


class Connection(Base):
    """A clinic's account at its PMS. At most one is in use (`ended_at` is null) by clinic."""

    __tablename__ = "ringnote_connection"
    __table_args__ = (
        sa.Index(
            "uq_ringnote_connection_in_use",
            "clinic_id",
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
    )

    id: Mapped[Key]
    clinic_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"))
    connector: Mapped[str]
    settings: Mapped[Json]
    secrets: Mapped[bytes]
    """Sealed by the vault."""
    account_id: Mapped[str | None]
    """The PMS's own id of the account, where its settings do not tell which one it is; None also
    while that is not known."""
    state: Mapped[ConnectionState] = mapped_column(
        words(ConnectionState), default=ConnectionState.ACTIVE
    )
    paused_reason: Mapped[str | None]
    paused_by: Mapped[str | None]
    """'person', or 'refused' where the PMS refused the credentials."""
    resumed_at: Mapped[datetime | None]
    """By the database's clock: what was begun before says nothing of the account as it is now."""
    is_watch_only: Mapped[bool] = mapped_column(default=False)
    since: Mapped[datetime | None]
    """Nothing that happened before is written."""
    when_in_doubt: Mapped[WhenInDoubt | None] = mapped_column(words(WhenInDoubt))
    """None is as ASK."""
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class OutboxRow(Base):
    """An entry whose PMS copy is behind. `due_at` is the visibility timeout while it is leased."""

    __tablename__ = "ringnote_outbox"
    __table_args__ = (
        sa.Index(None, "connection_id", "due_at"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    entry_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_entry.id", ondelete="CASCADE"), primary_key=True
    )
    connection_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_connection.id", ondelete="CASCADE")
    )
    due_at: Mapped[datetime]
    lease_token: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    """Counted tries that failed in a row."""
    is_in_doubt: Mapped[bool] = mapped_column(default=False)
    """A create or a delete may have been carried out: look before writing again."""
    queued_at: Mapped[datetime]
    """Since when it waits; once it failed, since when it has been tried in vain."""
    unanswered: Mapped[int] = mapped_column(default=0, server_default="0")
    """Tries in a row of which no answer told what came."""
    sent_at: Mapped[datetime | None]
    """When a create was last sent, kept where the PMS's look-up lags behind."""


class Pace(Base):
    """How fast a connection may be written to: one narrow row, shared by all workers."""

    __tablename__ = "ringnote_pace"

    connection_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_connection.id", ondelete="CASCADE"), primary_key=True
    )
    last_served_at: Mapped[datetime]
    blocked_until: Mapped[datetime | None]
    """Set by a rate limit or an open breaker."""
    blocked_by: Mapped[str | None]
    failures: Mapped[int] = mapped_column(default=0)
    """Connection-wide failures in a row; opens the breaker."""
    host: Mapped[str | None]
    """Of its PMS, with its port: connections that share it share its troubles. None where it is not
    known yet."""


class PaceBucket(Base):
    """The tokens of one kind of endpoint of a connection, whose connector declares a rate for it:
    `bucket.py` reckons with it."""

    __tablename__ = "ringnote_pace_bucket"

    connection_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_connection.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(primary_key=True)
    tokens: Mapped[float]
    """How many there are when it is full."""
    per_second: Mapped[float] = mapped_column(server_default=sa.text("1"))
    refilled_at: Mapped[datetime]
    """From when on there is one at least."""


class AccessToken(Base):
    """The token that a connection's PMS gave last, for all processes that sign in to it. Times are
    of the database's clock."""

    __tablename__ = "ringnote_access_token"

    connection_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_connection.id", ondelete="CASCADE"), primary_key=True
    )
    sealed: Mapped[bytes | None]
    """Sealed by the vault; None before the first."""
    renew_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    fetching_until: Mapped[datetime | None]
    """A process fetches a new one, unless it died; until then nobody else does."""


class Attempt(Base):
    """One try to write one entry, kept with its outcome. Requests and answers are masked."""

    __tablename__ = "ringnote_attempt"
    __table_args__ = (sa.Index(None, "entry_id", "id"),)

    id: Mapped[Key]
    entry_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_entry.id", ondelete="CASCADE"))
    connection_id: Mapped[Ref | None] = mapped_column(
        sa.ForeignKey("ringnote_connection.id", ondelete="SET NULL"), index=True
    )
    version: Mapped[int]
    action: Mapped[str]
    """'create', 'update', 'delete', 'complete', 'look_up', 'read_back' or 'none'."""
    started_at: Mapped[datetime]
    duration_ms: Mapped[int]
    outcome: Mapped[str]
    """'written', 'again', 'snoozed', 'paused', 'set_aside' or 'unknown'."""
    http_status: Mapped[int | None]
    pms_id: Mapped[str | None]
    error: Mapped[str | None]
    exchanges: Mapped[list[dict[str, Any]] | None] = mapped_column(NULLABLE_JSON, deferred=True)
    """What was said to the PMS and what it answered, as `exchanges.py` keeps it."""


class Retry(Base):
    """One order of a person to try many failed entries again, and what became of the order."""

    __tablename__ = "ringnote_retry"

    id: Mapped[Key]
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    told: Mapped[Json]
    """By what they were chosen, as it was told: option by option."""
    rate: Mapped[int | None]
    """How many a minute; None for all at once."""
    count: Mapped[int]
    """How many were chosen; those that moved on before their turn came are not among its rows."""
    cancelled_at: Mapped[datetime | None]
    cancelled_by: Mapped[str | None]


class Retried(Base):
    """An entry of a retry, when it was to be tried, and how it stood before.

    It was not tried yet as long as its outbox row is due at that very time, under no lease.
    """

    __tablename__ = "ringnote_retried"
    __table_args__ = (sa.Index(None, "entry_id"),)

    retry_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_retry.id", ondelete="CASCADE"), primary_key=True
    )
    entry_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_entry.id", ondelete="CASCADE"), primary_key=True
    )
    due_at: Mapped[datetime]
    was_state: Mapped[EntryState] = mapped_column(words(EntryState))
    was_reason: Mapped[str | None]
    was_due_at: Mapped[datetime | None]
    """Of its outbox row; None where it had none."""
    was_queued_at: Mapped[datetime | None]
    was_attempts: Mapped[int | None]
    is_put_back: Mapped[bool] = mapped_column(default=False)
    """Whether it stands again as it stood, since the retry was cancelled before its turn."""
