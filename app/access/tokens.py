"""API tokens: what programs show, with scopes, clinics and an end."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from ..errors import InputError
from ..models import ApiToken, Clinic
from .identity import Identity, Scope
from .secrets import hash_token, new_token

PREFIX = "rn_"
"""So that people, and scanners for leaked secrets, see what it is."""
TOUCHED_EVERY = timedelta(minutes=1)


def add_token(
    session: Session,
    name: str,
    scopes: Collection[Scope],
    clinics: Sequence[Clinic] | None,
    now: datetime,
    expires_at: datetime | None,
    by: str,
) -> tuple[ApiToken, str]:
    """A token for a program and what it is to show, told once. Does not commit.

    `clinics` None means all. Raises InputError for a name that is taken.
    """
    if session.scalars(sa.select(ApiToken.id).where(ApiToken.name == name)).first():
        raise InputError(
            f"There is a token called {name!r} already; revoke it or take another name."
        )
    secret, token_hash = new_token(PREFIX)
    token = ApiToken(
        name=name,
        token_hash=token_hash,
        scopes=sorted(scopes),
        created_at=now,
        created_by=by,
        expires_at=expires_at,
        is_limited=clinics is not None,
        clinics=list(clinics or ()),
    )
    session.add(token)
    session.flush()
    return token, secret


def find_token(session: Session, secret: str, now: datetime) -> ApiToken | None:
    """The token that a program showed, unless it has ended."""
    query = (
        sa.select(ApiToken)
        .options(joinedload(ApiToken.clinics))
        .where(
            ApiToken.token_hash == hash_token(secret),
            sa.or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now),
        )
    )
    return session.scalars(query).unique().first()


def is_touch_due(token: ApiToken, now: datetime) -> bool:
    """Whether its use is worth a write."""
    return token.used_at is None or now - token.used_at >= TOUCHED_EVERY


def touch_token(session: Session, token_id: int, now: datetime) -> None:
    """Note that it was used. Does not commit."""
    session.execute(sa.update(ApiToken).where(ApiToken.id == token_id).values(used_at=now))


def revoke_token(session: Session, name: str) -> None:
    """Have a token end now. Raises InputError if there is none of that name. Does not commit."""
    gone = session.scalars(
        sa.delete(ApiToken).where(ApiToken.name == name).returning(ApiToken.id)
    ).all()
    if not gone:
        raise InputError(f"There is no token called {name!r}; see: ringnote token list")


def identity_of_token(token: ApiToken) -> Identity:
    """Who a program is to the API."""
    clinics = frozenset(clinic.id for clinic in token.clinics) if token.is_limited else None
    known = frozenset(Scope(each) for each in token.scopes if each in Scope._value2member_map_)
    return Identity(token.name, clinics=clinics, scopes=known)
