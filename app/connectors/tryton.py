"""Tryton's JSON-RPC: signing in, calls, and its errors as ours. Used by connectors built on it."""

import base64
import threading
from datetime import UTC, datetime
from typing import Any

from ..errors import (
    ConnectorError,
    CredentialsRejected,
    OutcomeUnknown,
    RecordGone,
    RecordRejected,
    Temporary,
)
from ..exchanges import hide
from ..http import Http

ODD_ANSWER = "the server answered in a form that its documentation does not know"
REFUSALS = ("UserError", "UserWarning")
EVERYBODY = {"active_test": False}
"""A context that has a search find inactive records too."""


class Tryton:
    """One database of a server, as one user. Threads share it: they sign in once."""

    def __init__(self, http: Http, address: str, user: str, password: str) -> None:
        self._http = http
        self._address = address
        self._user = user
        self._password = password
        self._lock = threading.Lock()
        self._session = ""

    def read(self, method: str, *arguments: Any, context: Any = None) -> Any:
        """What a call that changes nothing gives. Raises Temporary where no answer comes."""
        try:
            return self._call(method, arguments, context)
        except OutcomeUnknown as error:
            raise Temporary(str(error), status=error.status) from None

    def write(self, method: str, *arguments: Any, is_create: bool = True) -> Any:
        """What a call gives that changes something; one that is no create may be repeated."""
        try:
            return self._call(method, arguments, None)
        except OutcomeUnknown as error:
            if is_create:
                raise
            raise Temporary(str(error), status=error.status) from None

    def _call(self, method: str, arguments: tuple[Any, ...], context: Any) -> Any:
        session = self._sign_in()
        parameters = [*arguments, context or {}]
        try:
            return self._exchange(method, parameters, session)
        except CredentialsRejected as error:
            if error.status != 401:
                raise
        # Nothing was done: the server did not look further than at the session.
        with self._lock:
            if self._session == session:
                self._session = ""
        return self._exchange(method, parameters, self._sign_in())

    def _sign_in(self) -> str:
        with self._lock:
            if not self._session:
                self._session = self._log_in()
            return self._session

    def _log_in(self) -> str:
        asked = [self._user, {"password": self._password}]
        try:
            told = self._exchange("common.db.login", asked, "")
        except OutcomeUnknown as error:
            raise Temporary(f"no session: {error}", status=error.status) from None
        except RecordRejected:
            raise CredentialsRejected("the server refuses this user and password") from None
        if not isinstance(told, list) or len(told) < 2:
            raise CredentialsRejected("the server gives this user and password no session")
        hide("session", str(told[1]))
        return base64.b64encode(f"{self._user}:{told[0]}:{told[1]}".encode()).decode()

    def _exchange(self, method: str, parameters: list[Any], session: str) -> Any:
        headers = {"Authorization": f"Session {session}"} if session else {}
        try:
            answer = self._http.request(
                "POST",
                self._address,
                headers=headers,
                json={"id": 1, "method": method, "params": parameters},
            ).json
        except RecordGone as error:
            said = "base_url and database lead to no database of this server"
            raise CredentialsRejected(said, status=error.status) from None
        if not isinstance(answer, dict):
            raise OutcomeUnknown(ODD_ANSWER)
        if "error" in answer:
            raise _translated(answer["error"])
        if "result" not in answer:
            raise OutcomeUnknown(ODD_ANSWER)
        return answer["result"]


def to_tryton(moment: datetime) -> dict[str, Any]:
    """A time as Tryton's JSON has it: in UTC, without saying so."""
    at = moment.astimezone(UTC)
    parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime"} | {name: getattr(at, name) for name in parts}


def read_moment(told: Any) -> datetime | None:
    """The time that Tryton's JSON tells, None for none. Raises Temporary for anything else."""
    if told is None:
        return None
    try:
        parts = {name: int(value) for name, value in told.items() if name != "__class__"}
        return datetime(**parts, tzinfo=UTC)
    except (AttributeError, TypeError, ValueError):
        raise Temporary(ODD_ANSWER) from None


def _translated(error: Any) -> ConnectorError:
    """What an error under HTTP 200 means: the server has undone all of the call."""
    kind = str(error[0]) if isinstance(error, list) and error else ""
    if kind in REFUSALS:
        # Its words may quote the record.
        return RecordRejected("the server refuses this record as it is")
    if kind == "LoginException":
        return CredentialsRejected("the server refuses this user and password")
    if kind == "ConcurrencyException":
        return Temporary("somebody else changed it at the same time")
    return Temporary("the server failed to do it")
