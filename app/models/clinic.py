"""Clinics, their webhook tokens and the lines that are theirs."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, Key, Ref


class Clinic(Base):
    """One customer of the phone system, by (containerId, tenantId); tenant '' is the default."""

    __tablename__ = "ringnote_clinic"
    __table_args__ = (sa.UniqueConstraint("container_id", "tenant_id"), sa.UniqueConstraint("name"))

    id: Mapped[Key]
    name: Mapped[str]
    container_id: Mapped[str]
    tenant_id: Mapped[str] = mapped_column(default="")
    timezone: Mapped[str]
    region: Mapped[str] = mapped_column(default="US")
    is_watch_only: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether its policy in force decides everything and writes nothing."""
    created_at: Mapped[datetime]


class WebhookToken(Base):
    """The secret part of a clinic's webhook URL, kept as its SHA-256 alone."""

    __tablename__ = "ringnote_webhook_token"

    id: Mapped[Key]
    clinic_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"), index=True
    )
    token_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class Line(Base):
    """A phone number that belongs to the clinic: seen as didNumber, or entered by a person."""

    __tablename__ = "ringnote_line"
    __table_args__ = (sa.UniqueConstraint("clinic_id", "number"),)

    id: Mapped[Key]
    clinic_id: Mapped[Ref] = mapped_column(sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"))
    number: Mapped[str]
    """E.164, or the digits as they came where that cannot be told."""
    label: Mapped[str] = mapped_column(default="")
    source: Mapped[str]
    """'seen' or 'entered'."""
    created_at: Mapped[datetime]
