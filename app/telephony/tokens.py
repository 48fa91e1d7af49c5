"""Webhook tokens: the secret part of a clinic's webhook address, kept as a hash alone.

The web's receiver looks them up through ingest; commands issue and rotate them.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Clinic, WebhookToken

TOKEN_BYTES = 32


def issue_webhook_token(
    session: Session, clinic_id: int, now: datetime, expires_at: datetime | None = None
) -> str:
    """A new token of the clinic, told here and never again. Does not commit."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.add(
        WebhookToken(
            clinic_id=clinic_id, token_hash=hash_token(token), created_at=now, expires_at=expires_at
        )
    )
    session.flush()
    return token


def find_clinic_by_token(session: Session, token: str, now: datetime) -> Clinic | None:
    """The clinic that `token` belongs to, unless it has expired by `now`."""
    return find_clinic_by_hash(session, hash_token(token), now)


def find_clinic_by_hash(session: Session, token_hash: str, now: datetime) -> Clinic | None:
    """As above, for a token of which the hash alone was kept."""
    # Looked up by its hash, how long the search takes says nothing about the token.
    return session.scalars(
        sa.select(Clinic)
        .join(WebhookToken, WebhookToken.clinic_id == Clinic.id)
        .where(
            WebhookToken.token_hash == token_hash,
            sa.or_(WebhookToken.expires_at.is_(None), WebhookToken.expires_at > now),
        )
    ).first()


def rotate_webhook_token(
    session: Session, clinic_id: int, now: datetime, overlap: timedelta
) -> str:
    """A new token; the former ones work for `overlap` longer, so that nothing is lost meanwhile.

    Those that have expired already are forgotten. Does not commit.
    """
    session.execute(
        sa.delete(WebhookToken).where(
            WebhookToken.clinic_id == clinic_id, WebhookToken.expires_at <= now
        )
    )
    until = now + overlap
    session.execute(
        sa.update(WebhookToken)
        .where(
            WebhookToken.clinic_id == clinic_id,
            sa.or_(WebhookToken.expires_at.is_(None), WebhookToken.expires_at > until),
        )
        .values(expires_at=until)
    )
    return issue_webhook_token(session, clinic_id, now)


def webhook_url(base_url: str, token: str) -> str:
    """The address to enter in every tab of the phone system."""
    return f"{base_url.rstrip('/')}/webhooks/{token}"


def hash_token(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
