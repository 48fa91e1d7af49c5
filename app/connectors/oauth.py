"""Signing in by OAuth 2 client credentials (RFC 6749, 4.4), for connectors that need it."""

import copy
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import (
    ConnectorError,
    CredentialsRejected,
    OutcomeUnknown,
    RecordGone,
    RecordRejected,
    Temporary,
)
from ..http import Answer, Http, Token

SLACK = 0.1
"""The part of its life before whose end a token is renewed."""
LIVES_SECONDS = 300.0
"""How long a token is taken to live of which nothing is told."""
REFUSED = "the PMS gives no token for this client_id and client_secret"
REFUSALS = ("invalid_client", "unauthorized_client", "invalid_grant", "invalid_scope")
"""What it may call that, under 200 too, though RFC 6749 (5.2) has it otherwise."""
REST_SECONDS = 15.0
"""After a renewal that failed, while the former token is in force: so long none is tried."""


@dataclass(frozen=True, slots=True)
class _Token:
    """Times are of the monotonic clock."""

    text: str
    renew_at: float
    ends_at: float


NONE = _Token("", 0.0, 0.0)


class ClientCredentials:
    """A token for many threads: one of them fetches it. Those who need it wait for that one, and
    share what it ends in; while the former token is in force, nobody waits.

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
        self._refused = ""
        self._changed = threading.Condition()
        self._token = NONE
        self._is_fetching = False
        self._fetches = 0
        self._failure: ConnectorError | None = None
        """What the last fetch ended in, if it failed."""

    def token(self) -> str:
        """The token in force. Raises CredentialsRejected or Temporary if none can be had."""
        with self._changed:
            while True:
                now, token = time.monotonic(), self._token
                if now < (token.ends_at if self._is_fetching else token.renew_at):
                    return token.text
                if not self._is_fetching:
                    break
                self._wait()
            self._is_fetching = True
        return self._renew()

    def refused(self, token: str) -> None:
        """Have `token` renewed: the PMS takes it no longer, whatever life it was given."""
        with self._changed:
            if token == self._token.text:
                self._token, self._refused = NONE, token

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

    def _wait(self) -> None:
        """Wait for the fetch that is under way; raises what it ends in, if it fails."""
        fetches = self._fetches
        self._changed.wait_for(lambda: self._fetches != fetches)
        if self._failure is not None:
            # A copy, as each thread that raises it adds where it did.
            raise copy.copy(self._failure)

    def _renew(self) -> str:
        token, failure = NONE, None
        asked_at = time.monotonic()
        try:
            got = self._get()
            token = _Token(got.text, asked_at + got.renew_in, asked_at + got.ends_in)
        except ConnectorError as error:
            token = self._spare(error)
            if not token.text:
                failure = error
                raise
        finally:
            with self._changed:
                self._token, self._failure = token, failure
                self._is_fetching = False
                self._fetches += 1
                self._changed.notify_all()
        return token.text

    def _spare(self, error: ConnectorError) -> _Token:
        """The former token, where a renewal failed that may succeed before its end; else NONE."""
        with self._changed:
            now, token = time.monotonic(), self._token
        if not isinstance(error, Temporary) or now >= token.ends_at:
            return NONE
        return replace(token, renew_at=min(now + REST_SECONDS, token.ends_at))

    def _get(self) -> Token:
        """A token that another process fetched for all, or a new one."""
        shelf = self._http.shelf
        return shelf.token(self._refused, self._fetch) if shelf else self._fetch()

    def _fetch(self) -> Token:
        try:
            told = self._http.request("POST", self._url, **self._body).json
        except OutcomeUnknown as error:
            raise Temporary(f"no token: {error}", status=error.status) from None
        except RecordGone as error:
            said = "token_url leads to nothing that gives tokens"
            raise CredentialsRejected(said, status=error.status) from None
        except RecordRejected as error:
            raise CredentialsRejected(REFUSED, status=error.status) from None
        text = told.get("access_token") if isinstance(told, dict) else None
        if not text and isinstance(told, dict) and told.get("error") in REFUSALS:
            raise CredentialsRejected(REFUSED)
        if not isinstance(text, str) or not text:
            raise Temporary("the PMS answered with something other than a token")
        seconds = _seconds(told.get("expires_in"))
        return Token(text, seconds * (1 - SLACK), seconds)


def _seconds(lives: object) -> float:
    """How long a token lives: told as a number, or by some as a text that is one."""
    try:
        seconds = float(lives) if isinstance(lives, int | float | str) else 0.0
    except ValueError:
        seconds = 0.0
    return seconds if 0 < seconds < float("inf") else LIVES_SECONDS
