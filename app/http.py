"""The one requests Session through which connectors speak to PMSs: polite, bounded, guarded.

Whatever goes wrong comes out as the ConnectorError tree of `errors.py`, which tells what was
certainly not sent (safe to repeat) from what may have been carried out.
"""

import copy
import json as jsonlib
import math
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Protocol

import requests
import tenacity
import urllib3
from urllib3.exceptions import MaxRetryError, NewConnectionError

from .errors import ConnectorError, CredentialsRejected, OutcomeUnknown, Temporary
from .exchanges import Answered, Sent, note_exchange
from .refusals import CodeOf, read_refusal
from .resolving import Names
from .transport import Adapter, PrivateAddressError, ending_at, quieten, unheard

USER_AGENT = "Ringnote/0.1"
CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
TOTAL_SECONDS = 30.0
"""The longest one exchange may last; leases are longer than this."""
MAX_ANSWER_BYTES = 16 * 1024 * 1024
NOT_SENT_TRIES = 3
WEB_PAGES = ("text/html", "application/xhtml+xml")
LIKE_A_WEB_PAGE = re.compile(rb"\s*<(!doctype\s+html|html)\b", re.IGNORECASE)
NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationValueError,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a PMS answered: status and, where there is one, its JSON."""

    status: int
    headers: Mapping[str, str]
    json: Any


Pass = Callable[[str], None]
"""Waits until a request to an endpoint of this kind may be sent; raises a ConnectorError if that is
too long."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a PMS lets its bearer in by, and for how many seconds from now."""

    text: str
    renew_in: float
    ends_in: float


class TokenShelf(Protocol):
    """Where the token of an account lies for all processes that sign in to it."""

    def token(self, refused: str, fetch: Callable[[], Token]) -> Token:
        """The token that lies there, unless it is due to be renewed or the `refused` one; else what
        `fetch` gives, which one process at a time is let do. Raises Temporary, or what it does."""


class Http:
    """Makes requests to PMSs. Safe to share between threads."""

    def __init__(self, *, allow_private: bool = False, read_seconds: float = READ_SECONDS) -> None:
        self._read_seconds = read_seconds
        self._secrets: Mapping[str, str] = {}
        self._pass: Pass | None = None
        self._wait_headers: Sequence[str] = ()
        self._until = math.inf
        self._code_of: CodeOf | None = None
        self.shelf: TokenShelf | None = None
        """Of the account that it is for, if its token is shared."""
        self._names = Names()
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = USER_AGENT
        self._session.headers["Accept"] = "application/json"
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = Adapter(allow_private)
        quieten()
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def knowing(
        self,
        secrets: Mapping[str, str],
        pass_: Pass | None = None,
        shelf: TokenShelf | None = None,
    ) -> "Http":
        """The same session, for who signs in with these secrets (by name): they are kept nowhere
        that an exchange is noted. `pass_` is asked before each of its requests; a token that is
        fetched with them lies on `shelf`."""
        mine = copy.copy(self)
        mine._secrets = dict(secrets)
        mine._pass = pass_
        mine.shelf = shelf
        return mine

    def within(self, seconds: float) -> "Http":
        """The same session, for who can wait for so long alone, for all requests from now on: what
        has not come by then is given up, and nothing is sent later."""
        mine = copy.copy(self)
        mine._until = time.monotonic() + seconds
        return mine

    def waiting_by(self, headers: Sequence[str]) -> "Http":
        """The same session, for a PMS that tells by these headers too when to come back."""
        mine = copy.copy(self)
        mine._wait_headers = tuple(headers)
        return mine

    def naming_by(self, code_of: CodeOf) -> "Http":
        """The same session, whose errors have the `code` that is read so from the JSON of answers
        of other than 2xx."""
        mine = copy.copy(self)
        mine._code_of = code_of
        return mine

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: Mapping[str, str] | None = None,
        kind: str = "",
    ) -> Answer:
        """One exchange; answers of 2xx only, others raise.

        `kind` is of the endpoint, where the connector declares a rate of its own for it. The
        exchange is given up after `TOTAL_SECONDS`. A POST that may have been carried out raises
        OutcomeUnknown; any other failure on the way raises Temporary. Redirects are not followed.
        """
        _require_sendable(headers or {})
        self._require_time()
        if self._pass is not None:
            self._pass(kind)
        self._require_time()
        deadline = min(time.monotonic() + TOTAL_SECONDS, self._until)
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(NOT_SENT_TRIES),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=1.0),
            retry=tenacity.retry_if_exception(
                lambda error: _was_not_sent(error) and time.monotonic() < deadline
            ),
            reraise=True,
        )
        try:
            with unheard(), ending_at(deadline, self._names):
                return retrying(self._exchange, deadline, method, url, params, headers, json, data)
        except PrivateAddressError:
            raise CredentialsRejected(
                "the PMS's address is on a loopback or private network;"
                " set RINGNOTE_ALLOW_PRIVATE_PMS=1 if it is meant to be"
            ) from None
        except NO_ADDRESS:
            raise CredentialsRejected("the PMS's address is not a web address") from None
        except requests.RequestException as error:
            if _is_untrusted(error):
                raise Temporary("the PMS's certificate cannot be trusted") from None
            if _was_not_sent(error):
                raise Temporary("the PMS cannot be reached") from None
            if method == "POST":
                raise OutcomeUnknown("the PMS did not answer after the request was sent") from None
            raise Temporary("the PMS did not answer in time") from None

    def _require_time(self) -> None:
        if time.monotonic() >= self._until:
            raise Temporary("the PMS took too long altogether")

    def close(self) -> None:
        self._session.close()

    def _exchange(
        self,
        deadline: float,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        json: Any,
        data: Mapping[str, str] | None,
    ) -> Answer:
        left = max(deadline - time.monotonic(), 0.1)
        asked = requests.Request(method, url, params=params, headers=headers, json=json, data=data)
        sent = self._session.prepare_request(asked)
        started = time.monotonic()
        answered = Answered()
        try:
            with self._session.send(
                sent,
                timeout=(min(CONNECT_SECONDS, left), min(self._read_seconds, left)),
                allow_redirects=False,
                stream=True,
            ) as response:
                answered = Answered(response.status_code, response.headers)
                body = _read(response)
                answered = replace(answered, body=body)
                return self._answer(method, response, body)
        except requests.RequestException as error:
            answered = replace(answered, error=_what_went_wrong(error))
            raise
        finally:
            milliseconds = round((time.monotonic() - started) * 1000)
            request = Sent(method, sent.url or url, sent.headers, sent.body)
            note_exchange(request, answered, self._secrets, milliseconds)

    def _answer(self, method: str, response: requests.Response, body: bytes) -> Answer:
        status = response.status_code
        if not 200 <= status < 300:
            raise read_refusal(status, response.headers, body, self._wait_headers, self._code_of)
        if not body:
            return Answer(status, response.headers, None)
        try:
            return Answer(status, response.headers, jsonlib.loads(body))
        except (ValueError, RecursionError):
            raise _unreadable(method, response, body) from None


def _unreadable(method: str, response: requests.Response, body: bytes) -> ConnectorError:
    """The error that an answer of 2xx is which is no JSON."""
    # By what it says, too: many a server calls whatever it answers text/html.
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_web_page = bool(LIKE_A_WEB_PAGE.match(body)) or (
        kind in WEB_PAGES and body.lstrip().startswith(b"<")
    )
    said = "a web page in place of JSON" if is_web_page else "something other than JSON"
    raised = OutcomeUnknown if method == "POST" else Temporary
    error = raised(f"the PMS answered with {said}", status=response.status_code)
    error.is_web_page = is_web_page
    return error


def _what_went_wrong(error: requests.RequestException) -> str:
    """In a few words of our own: the error's may quote an address, and so a secret."""
    if _is_untrusted(error):
        return "its certificate cannot be trusted"
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    if _was_not_sent(error):
        return "no connection"
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    return "the connection broke off"


def _read(response: requests.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        # read1, as iter_content would wait for a whole piece however slowly its bytes come.
        while part := response.raw.read1(64 * 1024, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                raise requests.exceptions.ChunkedEncodingError("too long an answer")
    except urllib3.exceptions.HTTPError:
        raise requests.exceptions.ChunkedEncodingError("a broken answer") from None
    return b"".join(parts)


def _require_sendable(headers: Mapping[str, str]) -> None:
    for value in headers.values():
        # Checked here because a failure further down would quote the secret.
        if not (value.isascii() and value.isprintable()):
            raise CredentialsRejected("a header's value, such as a secret, cannot be sent")


def _was_not_sent(error: BaseException) -> bool:
    """Whether the request certainly never left: only then may it simply be sent again."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    if isinstance(error, requests.exceptions.ConnectionError) and error.args:
        cause = error.args[0]
        return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
    return False


def _is_untrusted(error: BaseException) -> bool:
    """Whether the PMS's certificate failed, which is before anything was sent."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(getattr(reason, "args", [None])[0], ssl.SSLCertVerificationError)
