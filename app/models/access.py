"""Who may sign in, with which sessions and tokens, and who tried too often."""

import enum
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import JSON, Base, Key, Ref, words
from .clinic import Clinic


class Role(enum.StrEnum):
    """What a person may do; each may do what the ones before it may."""

    VIEWER = "viewer"
    """Looks."""
    OPERATOR = "operator"
    """Also corrects, maps and retries."""
    ADMIN = "admin"
    """Also connects clinics to their PMS, sets the policy, and decides who gets in."""


class User(Base):
    """A person who signs in with a name and a password. Without `clinics` they have all."""

    __tablename__ = "ringnote_user"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    """As it is compared: in lower case."""
    password_hash: Mapped[str | None]
    """argon2id; None for somebody who can only follow a link."""
    role: Mapped[Role] = mapped_column(words(Role))
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    is_limited: Mapped[bool] = mapped_column(default=False)
    """Whether only `clinics` are theirs; kept apart, so that losing the last one opens nothing."""
    clinics: Mapped[list[Clinic]] = relationship(
        secondary="ringnote_user_clinic", order_by=Clinic.name
    )


class UserClinic(Base):
    """One of the clinics that a user is limited to."""

    __tablename__ = "ringnote_user_clinic"

    user_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_user.id", ondelete="CASCADE"), primary_key=True
    )
    clinic_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class BrowserSession(Base):
    """One browser in which a user is signed in, by the SHA-256 of what its cookie holds."""

    __tablename__ = "ringnote_session"

    id: Mapped[Key]
    user_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_user.id", ondelete="CASCADE"), index=True
    )
    token_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    """When it was last used, to the minute."""
    expires_at: Mapped[datetime]


class SignInLink(Base):
    """An address that signs a user in without a password, until it expires."""

    __tablename__ = "ringnote_sign_in_link"

    id: Mapped[Key]
    user_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_user.id", ondelete="CASCADE"), index=True
    )
    token_hash: Mapped[str] = mapped_column(unique=True)
    expires_at: Mapped[datetime]
    is_reusable: Mapped[bool]


class SignInTries(Base):
    """Sign-ins that failed one after another, by the hash of a name or an address."""

    __tablename__ = "ringnote_sign_in_tries"

    key: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(index=True)
    blocked_until: Mapped[datetime | None]


class ApiToken(Base):
    """What a program shows to use the API, by its SHA-256."""

    __tablename__ = "ringnote_api_token"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    """When it was last used, to the minute."""
    is_limited: Mapped[bool] = mapped_column(default=False)
    clinics: Mapped[list[Clinic]] = relationship(
        secondary="ringnote_api_token_clinic", order_by=Clinic.name
    )


class ApiTokenClinic(Base):
    """One of the clinics that a token is limited to."""

    __tablename__ = "ringnote_api_token_clinic"

    token_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_api_token.id", ondelete="CASCADE"), primary_key=True
    )
    clinic_id: Mapped[Ref] = mapped_column(
        sa.ForeignKey("ringnote_clinic.id", ondelete="CASCADE"), primary_key=True, index=True
    )
