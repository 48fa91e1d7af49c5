"""Signing in by OAuth 2 client credentials (RFC 6749, 4.4), for connectors that need it."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import CredentialsRejected, OutcomeUnknown, RecordGone, RecordRejected, Temporary
from ..http import Answer, Http

SLACK = 0.1
"""The part of its life before whose end a token is renewed."""
LIVES_SECONDS = 300.0
"""How long a token is taken to live of which nothing is told."""


class ClientCredentials:
    """A token for many threads: one of them fetches it, the others wait for that one.

    `more` is what a PMS asks for besides; one that `takes_json` wants all of it so, not as a form.
    """

    def __init__(
        self,
        http: Http,
        token_url: str,
        client_id: str,
        client_secret: str,
        scope: str = "",
        *,
        more: Mapping[str, str] | None = None,
        takes_json: bool = False,
    ) -> None:
        self._http = http
        self._url = token_url
        asked = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
        }
        asked |= {"scope": scope} if scope else {}
        asked |= more or {}
        self._body: dict[str, Any] = {"json": asked} if takes_json else {"data": asked}
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0

    def token(self) -> str:
        """The token in force. Raises CredentialsRejected or Temporary if none can be had."""
        with self._lock:
            if time.monotonic() >= self._renew_at:
                self._fetch()
            return self._token

    def refused(self, token: str) -> None:
        """Have `token` renewed: the PMS takes it no longer, whatever life it was given."""
        with self._lock:
            if token == self._token:
                self._renew_at = 0.0

    def sending(self, send: Callable[[str], Answer]) -> Answer:
        """What `send` is answered with the token in force, or with a new one if that is refused."""
        token = self.token()
        try:
            return send(token)
        except CredentialsRejected as error:
            if error.status != 401:
                raise
        # Nothing was done: the PMS did not look further than at the token.
        self.refused(token)
        return send(self.token())

    def _fetch(self) -> None:
        asked_at = time.monotonic()
        try:
            told = self._http.request("POST", self._url, **self._body).json
        except OutcomeUnknown as error:
            raise Temporary(f"no token: {error}", status=error.status) from None
        except RecordGone as error:
            said = "token_url leads to nothing that gives tokens"
            raise CredentialsRejected(said, status=error.status) from None
        except RecordRejected as error:
            said = "the PMS gives no token for this client_id and client_secret"
            raise CredentialsRejected(said, status=error.status) from None
        if not isinstance(told, dict) or not isinstance(told.get("access_token"), str):
            raise Temporary("the PMS answered with something other than a token")
        seconds = _seconds(told.get("expires_in"))
        self._token = told["access_token"]
        self._renew_at = asked_at + seconds * (1 - SLACK)


def _seconds(lives: object) -> float:
    """How long a token lives: told as a number, or by some as a text that is one."""
    try:
        seconds = float(lives) if isinstance(lives, int | float | str) else 0.0
    except ValueError:
        seconds = 0.0
    return seconds if 0 < seconds < float("inf") else LIVES_SECONDS
