"""Slows down whoever guesses passwords: by name and by address, counted in the database.

A try is counted before its password is looked at, so that many at once gain nothing.
"""

import hashlib
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..models import SignInTries

FREE = {"address": 20, "name": 5}
"""Failures in a row that cost nothing. A clinic's staff share one address."""
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
FORGOTTEN_AFTER = timedelta(hours=24)


def count_try(
    session: Session, db: Database, name: str, address: str, now: datetime
) -> timedelta | None:
    """Count a sign-in that is about to be tried; how long to wait first, None if not at all.

    A refused one counts no further. Does not commit.
    """
    session.execute(sa.delete(SignInTries).where(SignInTries.last_at < now - FORGOTTEN_AFTER))
    for kind, value in (("address", address), ("name", name)):
        if wait := _count(session, db, kind, value, now):
            return wait
    return None


def forgive(session: Session, name: str, address: str) -> None:
    """It was the right password. Does not commit.

    The address loses this one try alone: else whoever has one password could guess at others.
    """
    session.execute(sa.delete(SignInTries).where(SignInTries.key == _key("name", name)))
    session.execute(
        sa.update(SignInTries)
        .where(SignInTries.key == _key("address", address))
        .values(failures=SignInTries.failures - 1, blocked_until=None)
    )


def _count(
    session: Session, db: Database, kind: str, value: str, now: datetime
) -> timedelta | None:
    is_blocked = SignInTries.blocked_until > now
    failures, blocked_until = session.execute(
        db.insert(SignInTries)
        .values(key=_key(kind, value), failures=1, last_at=now)
        .on_conflict_do_update(
            index_elements=[SignInTries.key],
            set_={
                "failures": SignInTries.failures + sa.case((is_blocked, 0), else_=1),
                "last_at": now,
            },
        )
        .returning(SignInTries.failures, SignInTries.blocked_until)
    ).one()
    if blocked_until and blocked_until > now:
        wait: timedelta = blocked_until - now
        return wait
    if (over := failures - FREE[kind]) >= 0:
        pause = min(FIRST_PAUSE * 2 ** min(over, 20), LONGEST_PAUSE)
        session.execute(
            sa.update(SignInTries)
            .where(SignInTries.key == _key(kind, value))
            .values(blocked_until=now + pause)
        )
    return None


def _key(kind: str, value: str) -> str:
    # Hashed: people do type their password where their name belongs.
    return f"{kind}:{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()}"
