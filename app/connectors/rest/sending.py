"""Sending the requests of a description: signed in, and with errors told as it says they are."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...clock import utc_now
from ...errors import (
    ConnectorError,
    CredentialsRejected,
    OutcomeUnknown,
    RateLimited,
    RecordGone,
    RecordRejected,
    Temporary,
)
from ...http import Answer, Http
from ...waits import retry_after
from ..oauth import ClientCredentials
from .answers import is_true, look, odd
from .description import Auth, Description
from .filling import Filled, Variables, fill, fill_text, put_into
from .requests import Change, Create, Reading, Request

ERRORS: Mapping[str, type[ConnectorError]] = {
    "busy": Temporary,
    "slow_down": RateLimited,
    "refused": RecordRejected,
    "gone": RecordGone,
    "credentials": CredentialsRejected,
}


UNEXPECTED = "the PMS answered in a form that its description does not expect"


class Sender:
    """Speaks to one account of a described PMS; `given` are its settings and secrets by name."""

    def __init__(self, described: Description, given: Variables, http: Http) -> None:
        self._errors = described.errors
        self._headers = described.headers
        self._auth = described.auth
        self._wait_headers = described.limits.wait_headers
        self._http = http.waiting_by(self._wait_headers).naming_by(self._code_in)
        self._sign_in = _sign_in(described.auth, given, http)
        self.given = {**given, "timezone": fill_text(described.timezone, given)}
        self.base = fill_text(described.base_url, given).strip().rstrip("/")

    def change(self, change: Change, given: Variables) -> None:
        """Change a record: by what is to change of it, or by all of it as it was read before."""
        record = None
        if change.read:
            told = self.send(Reading(path=change.read, headers=change.headers), given).json
            record = look(change.record, told, "a record")
            if not isinstance(record, dict):
                raise odd("a record")
        self.send(change, given, record=record)

    def send(
        self,
        request: Request,
        given: Variables,
        url: str | None = None,
        record: Mapping[str, Any] | None = None,
    ) -> Answer:
        """One exchange; `url` in place of the address that the request makes, the body put into a
        `record` if there is one.

        Raises the tree of ConnectorError. Only a create leaves its outcome in doubt.
        """
        filled = fill(request, {**self.given, **given})
        if record is not None:
            filled = replace(filled, json=put_into(record, filled.json))
        try:
            answer = self._signed_in(filled, url)
        except ConnectorError as error:
            if _is_fine(request, error):
                return Answer(error.status or 0, {}, None)
            raise self._in_its_terms(request, error) from None
        if self._errors.when and is_true(self._errors.when, answer.json, "what tells an error"):
            raise self._told_inside(request, answer)
        if request.expect and not is_true(request.expect, answer.json, "what was asked for"):
            raise self._in_its_terms(request, OutcomeUnknown(UNEXPECTED, status=answer.status))
        return answer

    def _signed_in(self, filled: Filled, url: str | None) -> Answer:
        if self._sign_in is None:
            return self._exchange(filled, url, self.credentials())
        token = self._sign_in.token()
        try:
            return self._exchange(filled, url, {"Authorization": f"Bearer {token}"})
        except CredentialsRejected as error:
            if error.status != 401:
                raise
        # Nothing was done: the PMS did not look further than at the token.
        self._sign_in.refused(token)
        return self._exchange(filled, url, {"Authorization": f"Bearer {self._sign_in.token()}"})

    def credentials(self) -> dict[str, str]:
        """The headers that sign in, where no token is to be fetched for it."""
        auth = self._auth
        match auth.kind:
            case "bearer":
                return {"Authorization": f"Bearer {self._own(auth.token)}"}
            case "basic":
                pair = f"{self._own(auth.username)}:{self._own(auth.password)}"
                return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
            case "header":
                return {auth.header: self._own(auth.value)}
            case _:
                return {}

    def _own(self, source: str) -> str:
        return fill_text(source, self.given).strip()

    def _exchange(self, filled: Filled, url: str | None, signed: Mapping[str, str]) -> Answer:
        own = {name: self._own(each) for name, each in self._headers.items()}
        return self._http.request(
            filled.method,
            url or self.base + filled.path,
            params=None if url else filled.query,
            headers={**own, **filled.headers, **signed},
            json=filled.json,
            data=filled.form,
            kind=filled.rate,
        )

    def _in_its_terms(self, request: Request, error: ConnectorError) -> ConnectorError:
        """An error with what the description says of its code, else of its status."""
        meaning = self._errors.codes.get(error.code)
        said = str(error)
        if meaning and error.code not in said:
            said = f"{said} ({error.code})"
        if meaning := meaning or self._errors.statuses.get(str(error.status)):
            error = _make(ERRORS[meaning], said, error)
        if isinstance(request, Create):
            if isinstance(error, RecordGone):
                # Nothing can be gone that was never written: it is the client that is not there.
                return RecordRejected(str(error), status=error.status)
        elif isinstance(error, OutcomeUnknown):
            return Temporary(str(error), status=error.status)
        return error

    def _code_in(self, told: Any) -> str:
        return str(look(self._errors.code, told, "an error's code")) if self._errors.code else ""

    def _told_inside(self, request: Request, answer: Answer) -> ConnectorError:
        code = self._code_in(answer.json)
        meaning = self._errors.codes.get(code, "refused")
        is_known = code in self._errors.codes
        # Only codes that the description names are told: any other may quote a client.
        said = f"the PMS told an error{f' ({code})' if is_known else ''}"
        error = ERRORS[meaning](said, status=answer.status)
        error.retry_after = retry_after(answer.headers, utc_now(), self._wait_headers)
        return self._in_its_terms(request, error)


def _sign_in(auth: Auth, given: Variables, http: Http) -> ClientCredentials | None:
    if auth.kind != "oauth2":
        return None
    parts: list[Any] = [auth.token_url, auth.client_id, auth.client_secret, auth.scope]
    return ClientCredentials(http, *(fill_text(each, given).strip() for each in parts))


def _make(kind: type[ConnectorError], said: str, error: ConnectorError) -> ConnectorError:
    made = kind(said, status=error.status)
    made.retry_after = error.retry_after
    return made


def _is_fine(request: Request, error: ConnectorError) -> bool:
    """Whether what was answered is no JSON, but need not be."""
    is_ignored = isinstance(request, Change) and request.ignore_answer
    is_success = error.status is not None and 200 <= error.status < 300
    return is_ignored and is_success and not error.is_web_page
