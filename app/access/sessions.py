"""Browsers in which somebody is signed in: rows that can be ended from anywhere."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from ..models import BrowserSession, User
from .secrets import hash_token, new_token

IDLE = timedelta(hours=12)
"""A session that was not used for so long has ended: a working day fits, a night does not."""
LONGEST = timedelta(days=7)
TOUCHED_EVERY = timedelta(minutes=1)


def begin_session(session: Session, user: User, now: datetime, replaces: str | None = None) -> str:
    """Sign a user in; what their cookie is to hold. Does not commit.

    Always a new one: `replaces` is what the browser held before, which ends. Ended sessions of the
    user are cleared away.
    """
    token, token_hash = new_token()
    if replaces:
        end_session(session, replaces)
    session.execute(
        sa.delete(BrowserSession).where(
            BrowserSession.user_id == user.id,
            sa.or_(BrowserSession.expires_at <= now, BrowserSession.seen_at <= now - IDLE),
        )
    )
    session.add(
        BrowserSession(
            user_id=user.id,
            token_hash=token_hash,
            created_at=now,
            seen_at=now,
            expires_at=now + LONGEST,
        )
    )
    session.flush()
    return token


def find_session(session: Session, token: str, now: datetime) -> tuple[BrowserSession, User] | None:
    """The session that a cookie belongs to and whose it is, unless it has ended."""
    found = session.execute(
        sa.select(BrowserSession, User)
        .join(User, User.id == BrowserSession.user_id)
        .options(joinedload(User.clinics))
        .where(
            BrowserSession.token_hash == hash_token(token),
            BrowserSession.expires_at > now,
            BrowserSession.seen_at > now - IDLE,
            User.disabled_at.is_(None),
        )
    ).unique()
    row = found.first()
    return (row[0], row[1]) if row else None


def is_touch_due(row: BrowserSession, now: datetime) -> bool:
    """Whether its use is worth a write: reading pages must not write a row each."""
    return now - row.seen_at >= TOUCHED_EVERY


def touch_session(session: Session, session_id: int, now: datetime) -> None:
    """Note that it was used. Does not commit."""
    session.execute(
        sa.update(BrowserSession).where(BrowserSession.id == session_id).values(seen_at=now)
    )


def end_session(session: Session, token: str) -> None:
    """Sign this browser out. Does not commit."""
    session.execute(sa.delete(BrowserSession).where(BrowserSession.token_hash == hash_token(token)))
