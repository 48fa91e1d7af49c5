"""Finds out who it is: by the host's word, by a session's cookie, or by being at this machine."""

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Request

from ..access.identity import Identity
from ..access.sessions import find_session, is_touch_due, touch_session
from ..access.users import has_users, identity_of
from ..models import Role
from ..runtime import Runtime
from .cookies import read_cookie

SESSION = "session"
FORWARDED = (
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
)

CurrentUser = Callable[[], Identity | None]


class Door:
    """Tells who a request comes from. With `current_user`, the host alone decides that."""

    def __init__(
        self,
        runtime: Runtime,
        current_user: CurrentUser | None = None,
        sign_in_url: str | None = None,
    ) -> None:
        self._runtime = runtime
        self._current_user = current_user
        self.sign_in_url = sign_in_url
        """Where the host signs people in, if it said so."""

    @property
    def is_host(self) -> bool:
        """Whether the host says who is signed in; Ringnote then has no sign-in of its own."""
        return self._current_user is not None

    def has_users(self) -> bool:
        with self._runtime.db.reading() as session:
            return has_users(session)

    def find_identity(self, request: Request) -> Identity | None:
        """Who it is, None for a stranger.

        Until there is a user, whoever sits at this machine may do all.
        """
        if self._current_user:
            identity = self._current_user()
            if identity is not None and not isinstance(identity, Identity):
                raise TypeError(
                    "current_user must return what ringnote.person() makes, or None for nobody"
                )
            return identity
        token = read_cookie(request, SESSION)
        if token and (identity := self._of_session(token)):
            return identity
        if is_at_this_machine(request) and not self.has_users():
            return Identity("this machine", Role.ADMIN, is_signed_in=False)
        return None

    def _of_session(self, token: str) -> Identity | None:
        now = self._runtime.clock()
        with self._runtime.db.reading() as session:
            found = find_session(session, token, now)
            if found is None:
                return None
            row, user = found
            identity = identity_of(user)
        if is_touch_due(row, now):
            with self._runtime.db.transaction() as session:
                touch_session(session, row.id, now)
        return identity


def is_at_this_machine(request: Request) -> bool:
    """Whether a request was made here, by a person who meant this machine.

    Not if it came through a proxy, which makes strangers look local; nor if it names another host,
    as it does when a foreign page has had its own name point here.
    """
    if any(name in request.headers for name in FORWARDED):
        return False
    return _is_loopback(request.remote_addr or "") and _names_this_machine(request.host)


def _names_this_machine(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
