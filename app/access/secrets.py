"""Random tokens that are told once and kept as their SHA-256 alone."""

import hashlib
import secrets

TOKEN_BYTES = 32
"""256 bits: no salt is needed, since nobody can guess any."""


def new_token(prefix: str = "") -> tuple[str, str]:
    """A token and its hash."""
    token = prefix + secrets.token_urlsafe(TOKEN_BYTES)
    return token, hash_token(token)


def hash_token(token: str) -> str:
    """What is kept of a token: found by it, the search takes no longer for a near miss."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
