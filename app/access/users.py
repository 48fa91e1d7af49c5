"""The people who may sign in. Used by commands, and by the web's sign-in."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..errors import InputError
from ..models import BrowserSession, Clinic, Role, SignInLink, User
from .identity import Identity
from .passwords import hash_password
from .secrets import hash_token, new_token

NAME = re.compile(r"[^\s\x00-\x1f]{1,100}")


def add_user(
    session: Session,
    name: str,
    role: Role,
    password: str | None,
    clinics: Sequence[Clinic] | None,
    now: datetime,
) -> User:
    """Let somebody in; `clinics` None means all. Does not commit.

    Without a password they can only follow a link. Raises InputError for a name that is taken or
    is none, and for a password that is easily guessed.
    """
    if not NAME.fullmatch(name):
        raise InputError("A user's name has 1 to 100 characters and no blanks in it.")
    if find_user(session, name):
        raise InputError(f"There is a user called {plain_name(name)} already.")
    user = User(
        name=plain_name(name),
        role=role,
        password_hash=hash_password(password, name) if password is not None else None,
        created_at=now,
        is_limited=clinics is not None,
        clinics=list(clinics or ()),
    )
    session.add(user)
    session.flush()
    return user


def plain_name(name: str) -> str:
    """A name as it is compared: nobody is two people by typing a capital."""
    return name.strip().lower()


def find_user(session: Session, name: str) -> User | None:
    return session.scalars(sa.select(User).where(User.name == plain_name(name))).first()


def get_user(session: Session, name: str) -> User:
    """The user of this name. Raises InputError, naming those there are."""
    if user := find_user(session, name):
        return user
    names = session.scalars(sa.select(User.name).order_by(User.name).limit(10)).all()
    known = f"there are: {', '.join(names)}" if names else "there is none yet; see user add"
    raise InputError(f"There is no user called {name!r}; {known}.")


def has_users(session: Session) -> bool:
    """Whether anybody could sign in."""
    query = sa.select(User.id).where(User.disabled_at.is_(None)).limit(1)
    return session.scalars(query).first() is not None


def change_user(
    session: Session,
    user: User,
    now: datetime,
    *,
    role: Role | None = None,
    clinics: Sequence[Clinic] | None = None,
    has_all_clinics: bool = False,
    is_disabled: bool | None = None,
) -> None:
    """Change what is given. Who is disabled is signed out everywhere. Does not commit."""
    if role is not None:
        user.role = role
    if clinics is not None:
        user.is_limited, user.clinics = True, list(clinics)
    if has_all_clinics:
        user.is_limited, user.clinics = False, []
    if is_disabled is not None:
        user.disabled_at = now if is_disabled else None
    if is_disabled:
        sign_out_everywhere(session, user.id)
    session.flush()


def set_password(session: Session, user: User, password: str) -> None:
    """Give a user another password, and sign them out everywhere. Does not commit."""
    user.password_hash = hash_password(password, user.name)
    sign_out_everywhere(session, user.id)
    session.flush()


def sign_out_everywhere(session: Session, user_id: int) -> int:
    """End all of a user's sessions and links; how many sessions there were. Does not commit."""
    session.execute(sa.delete(SignInLink).where(SignInLink.user_id == user_id))
    ended = session.scalars(
        sa.delete(BrowserSession)
        .where(BrowserSession.user_id == user_id)
        .returning(BrowserSession.id)
    )
    return len(ended.all())


def make_link(
    session: Session, user_id: int, now: datetime, lasts: timedelta, *, is_reusable: bool = False
) -> str:
    """The secret part of an address that signs the user in, told once. Does not commit."""
    token, token_hash = new_token()
    session.execute(sa.delete(SignInLink).where(SignInLink.expires_at <= now))
    session.add(
        SignInLink(
            user_id=user_id,
            token_hash=token_hash,
            expires_at=now + lasts,
            is_reusable=is_reusable,
        )
    )
    session.flush()
    return token


def find_link(session: Session, token: str, now: datetime) -> tuple[SignInLink, User] | None:
    """A link that signs somebody in, and whom; None if it is none or no longer."""
    query = (
        sa.select(SignInLink, User)
        .join(User, User.id == SignInLink.user_id)
        .where(
            SignInLink.token_hash == hash_token(token),
            SignInLink.expires_at > now,
            User.disabled_at.is_(None),
        )
        .with_for_update(of=SignInLink)
    )
    found = session.execute(query).first()
    return (found[0], found[1]) if found else None


def follow_link(session: Session, token: str, now: datetime) -> User | None:
    """The user whom a link signs in, None if it is none or no longer. Does not commit."""
    found = find_link(session, token, now)
    if found is None:
        return None
    link, user = found
    if not link.is_reusable:
        session.delete(link)
    return user


def identity_of(user: User) -> Identity:
    """Who a user is to the pages."""
    clinics = frozenset(clinic.id for clinic in user.clinics) if user.is_limited else None
    return Identity(user.name, user.role, clinics)
