"""Passwords: what is accepted as one, and its argon2id hash."""

import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ..errors import InputError

SHORTEST = 12
LONGEST = 1000
FEWEST_DIFFERENT = 5
"""Characters."""


def hash_password(password: str, user_name: str) -> str:
    """The hash of a new password. Raises InputError for one that is easily guessed."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InputError(
            f"A password has {SHORTEST} to {LONGEST} characters; a few words in a row do well."
        )
    if len(set(password)) < FEWEST_DIFFERENT:
        raise InputError("This password repeats the same few characters; choose another.")
    if len(user_name) > 2 and user_name.lower() in password.lower():
        raise InputError("This password holds the user's name; choose another.")
    return _hasher().hash(_normal(password))


def is_password(password: str, password_hash: str | None) -> bool:
    """Whether it is the one; takes as long where there is no hash to hold it against."""
    try:
        _hasher().verify(password_hash or _dummy(), _normal(password[: LONGEST + 1]))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def _normal(password: str) -> bytes:
    # The same letter may come as one character or as two, by keyboard.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _dummy() -> str:
    return _hasher().hash("nobody has this password")
