"""Clients, their numbers, what people said a number is, and look-ups at the PMS."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import JSON, Base, Json, Key, Ref


class Client(Base):
    """A person on the clinic's PMS, known there by `external_id`."""

    __tablename__ = "ringnote_client"
    __table_args__ = (sa.UniqueConstraint("clinic_id", "external_id"),)

    id: Mapped[Key]
    clinic_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"))
    external_id: Mapped[str]
    name: Mapped[str]
    patients: Mapped[list[str]] = mapped_column(JSON, default=list)
    """The client's animals, by name."""
    source: Mapped[str]
    """'import', 'sync', 'lookup', or 'created' of a caller whom nobody knew."""
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    merged_into: Mapped[str | None]
    """The external id of the client it was merged into."""
    seen_at: Mapped[datetime | None]
    """When the last reading of all clients that told of it began."""
    flaws: Mapped[list[dict[str, str]] | None] = mapped_column(JSON)
    """What is wrong with its phone fields: `kind`, `raw` and `label` each (see flaws.py)."""


class ClientNumber(Base):
    """One phone number of a client, readable ones as E.164, with the text it was read from."""

    __tablename__ = "ringnote_client_number"
    __table_args__ = (
        sa.UniqueConstraint("client_id", "number"),
        sa.Index(None, "clinic_id", "number"),
        sa.Index(None, "clinic_id", "national"),
    )

    id: Mapped[Key]
    clinic_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"))
    client_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_client.id", ondelete="CASCADE"))
    number: Mapped[str]
    national: Mapped[str]
    """The national significant number: the digits without country code."""
    raw: Mapped[str]
    label: Mapped[str] = mapped_column(default="")


class NumberRule(Base):
    """What a person said a number is: this client's, not this client's, or to be ignored."""

    __tablename__ = "ringnote_number_rule"
    __table_args__ = (sa.Index(None, "clinic_id", "number"),)

    id: Mapped[Key]
    clinic_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"))
    number: Mapped[str]
    kind: Mapped[str]
    """'map', 'not', 'ignore', or 'pick': one of several, for what waited at the time."""
    client: Mapped[str] = mapped_column(default="")
    """The PMS's id of the client, but for 'ignore'."""
    why: Mapped[str] = mapped_column(default="")
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Lookup(Base):
    """A number to be asked for at the PMS, outside any settling; its answer makes subjects due."""

    __tablename__ = "ringnote_lookup"
    __table_args__ = (sa.Index(None, "due_at"),)

    clinic_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime | None]
    """When to ask (next); None once answered and not asked for again."""
    answered_at: Mapped[datetime | None]
    found: Mapped[int | None]
    failures: Mapped[int] = mapped_column(default=0)
    creates_as: Mapped[str | None]
    """The name under which a client is to be created where the PMS knows none; None: not at all."""
    create_key: Mapped[str | None]
    """The idempotency key of that, for all its tries."""
    created_client: Mapped[str | None]
    """The PMS's id of the client that came of it: none is created again for this number."""
    refusal: Mapped[str | None]
    """Why the PMS would not have such a client."""


class Match(Base):
    """Whom a call's or window's number belongs to: decided once, kept with its rule."""

    __tablename__ = "ringnote_match"
    __table_args__ = (
        sa.UniqueConstraint("subject_kind", "subject_id"),
        sa.Index(None, "clinic_id", "number"),
        sa.Index(None, "clinic_id", "client", "id"),
        sa.Index(
            None,
            "digest_id",
            sqlite_where=sa.text("digest_id IS NOT NULL"),
            postgresql_where=sa.text("digest_id IS NOT NULL"),
        ),
    )

    id: Mapped[Key]
    clinic_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"))
    subject_kind: Mapped[str]
    """'call' or 'transcript'."""
    subject_id: Mapped[Ref]
    number: Mapped[str]
    kind: Mapped[str]
    """'client', 'several', 'none', 'withheld', 'internal' or 'ignored'."""
    client: Mapped[str] = mapped_column(default="")
    """The PMS's id of the client, where `kind` is 'client'."""
    candidates: Mapped[list[str]] = mapped_column(JSON, default=list)
    """The PMS's ids of those to choose among where `kind` is 'several'; where it is 'client', of
    the others whose notes it is written to as well."""
    rule: Mapped[str]
    """What decided, in words."""
    number_rule_id: Mapped[Ref | None]
    """What a person said of the number, where that decided."""
    decided_at: Mapped[datetime]
    has_waited: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether it was without a client once while nobody was being asked for one."""
    digest_id: Mapped[Ref | None]
    """The digest that tells of it, once it has a client, instead of an entry of its own."""


class SyncState(Base):
    """How far the directory has followed a connection. The cursor moves only with its data."""

    __tablename__ = "ringnote_sync_state"

    connection_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_connection.id", ondelete="CASCADE"), primary_key=True
    )
    cursor: Mapped[Json] = mapped_column(default=dict)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    pass_started_at: Mapped[datetime | None]
    """When the reading of all clients began that is under way; None while changes are followed."""
    clients_seen: Mapped[int] = mapped_column(default=0)
    """In this run, or in the reading of all clients that it goes on with."""
    clients_total: Mapped[int | None]
    """How many the last whole reading of all clients told of."""
    every_seconds: Mapped[int | None]
    """How often to follow; None for the usual, 0 for never by itself."""
    due_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    """Runs in a row that ended early."""
    lease_token: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    reason: Mapped[str | None]
    """Why the last run stopped early."""


class ColumnChoice(Base):
    """Which columns of its client lists a clinic's people named, by what they hold."""

    __tablename__ = "ringnote_column_choice"

    clinic_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"), primary_key=True
    )
    columns: Mapped[Json]
    """Headings by 'id', 'name', 'first', 'last', 'phones', 'patients'; an empty list is none."""
    chosen_at: Mapped[datetime]
    chosen_by: Mapped[str]
