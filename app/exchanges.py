"""What was said to a PMS and what it answered, kept for people: trimmed, and without its secrets.

`Http` notes each exchange where somebody records (`recording`); nobody else pays for it.
"""

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit, urlunsplit

KEPT_CHARACTERS = 4096
"""Of a body; what is longer is cut."""
KEPT_HEADER_CHARACTERS = 300
MOST_HEADERS = 40
MOST_EXCHANGES = 20
READ_BYTES = 256 * 1024
"""Of a body that is looked through for secrets field by field; a longer one is cut here."""
OPEN, CLOSE = "⟪", "⟫"
"""Around the name of a secret that stood there."""
SECRET_WORDS = frozenset(
    {"token", "tokens", "key", "apikey", "secret", "password", "passwd", "cookie", "signature"}
    | {"auth", "authorization", "authentication", "credential", "credentials", "bearer", "jwt"}
    | {"accesstoken", "assertion", "passphrase", "pwd", "session", "sessionid", "sid"}
)
PLAIN_NAMES = frozenset({"idempotency-key"})
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
SCHEME = re.compile(r"(Bearer|Basic|Token) +\S+", re.IGNORECASE)
FIELD = re.compile(r'("(?P<name>[^"\\]{1,80})"\s*:\s*)"(?:[^"\\]|\\.)*"?')
FORM = re.compile(r"[^\s<{\[=&]+=[^\s]*")
MARKED = re.compile(f"({OPEN}[^{CLOSE}]*{CLOSE})")
SHORTEST_SECRET = 4
"""Characters; a shorter one is no secret, and would blot out half of every text."""

Exchange = dict[str, Any]
"""JSON: method, url, headers, body, status, answer_headers, answer, error, duration_ms."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it left, or was to leave."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | str | None


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back of it: an answer, or `error`, what went wrong before there was a whole one."""

    status: int | None = None
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    error: str | None = None


_RECORD: ContextVar[list[Exchange] | None] = ContextVar("ringnote_exchanges", default=None)


@contextmanager
def recording() -> Iterator[list[Exchange]]:
    """Note the exchanges that this thread makes within the block, in order, in the given list."""
    kept: list[Exchange] = []
    token = _RECORD.set(kept)
    try:
        yield kept
    finally:
        _RECORD.reset(token)


def note_exchange(
    sent: Sent, answered: Answered, secrets: Mapping[str, str], duration_ms: int
) -> None:
    """Keep one exchange if anybody records: masked first, then trimmed."""
    kept = _RECORD.get()
    if kept is None or len(kept) >= MOST_EXCHANGES:
        return
    mask = Mask(secrets)
    kept.append(
        {
            "method": sent.method,
            "url": mask.url(sent.url),
            "headers": mask.headers(sent.headers),
            "body": mask.body(sent.body),
            "status": answered.status,
            "answer_headers": mask.headers(answered.headers or {}),
            "answer": mask.body(answered.body),
            "error": answered.error,
            "duration_ms": duration_ms,
        }
    )


def hide(name: str, secret: str) -> None:
    """Put `name` in the place of a secret that a PMS gave just now, in what this thread noted of
    its answers: for answers in which no name says that it is one."""
    for each in _RECORD.get() or ():
        if secret and each["answer"]:
            each["answer"] = each["answer"].replace(secret, mark(name))


class Mask:
    """Puts the name of a secret in its place, wherever it stands. `secrets`: values by name."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        known = {n: value for n, value in secrets.items() if len(value) >= SHORTEST_SECRET}
        # The longest first: one secret may be a part of another.
        self._secrets = sorted(
            ((name, each) for name, value in known.items() for each in _spellings(value)),
            key=lambda each: -len(each[1]),
        )
        self._numbers = {value: name for name, value in known.items()}

    def text(self, text: str) -> str:
        """A text without the values of secrets, and with nothing that no database takes."""
        clean = text.replace(OPEN, "<<").replace(CLOSE, ">>").replace("\0", "\ufffd")
        clean = clean.encode("utf-8", "replace").decode()
        for name, value in self._secrets:
            clean = clean.replace(value, f"{OPEN}{name}{CLOSE}")
        return clean

    def url(self, url: str) -> str:
        """An address without the secrets of its query."""
        parts = urlsplit(url)
        masked = parts._replace(path=self.text(parts.path), query=self._pairs(parts.query))
        return trim(urlunsplit(masked), KEPT_CHARACTERS)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers by name, without the secrets among them."""
        listed = list(headers.items())[:MOST_HEADERS]
        return {
            self.text(str(name)): trim(
                self._field(str(name), _decoded(value)), KEPT_HEADER_CHARACTERS
            )
            for name, value in listed
        }

    def body(self, body: bytes | str | None) -> str | None:
        """A body as text: JSON and forms field by field, all else as it is; None for none."""
        if not body:
            return None
        data = body.encode("utf-8", "replace") if isinstance(body, str) else body
        text = data[:READ_BYTES].decode("utf-8", "replace")
        try:
            masked = json.dumps(self._value("", json.loads(text)), ensure_ascii=False)
        except (ValueError, RecursionError):
            masked = self._unparsed(text)
        return trim(masked, KEPT_CHARACTERS)

    def _unparsed(self, text: str) -> str:
        if FORM.fullmatch(text):
            return self._pairs(text)
        return FIELD.sub(self._named, self.text(text))

    def _pairs(self, encoded: str) -> str:
        pairs = parse_qsl(encoded, keep_blank_values=True)
        return "&".join(f"{quote_plus(name)}={_encoded(self._field(name, v))}" for name, v in pairs)

    def _named(self, found: re.Match[str]) -> str:
        name = found["name"]
        return f'{found[1]}"{mark(name)}"' if is_secret_name(name) else found[0]

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {self.text(key): self._value(key, each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._value(name, each) for each in value]
        if isinstance(value, str):
            return self._field(name, value)
        if name_of := self._numbers.get(str(value)):
            return mark(name_of)
        return mark(name) if is_secret_name(name) and value is not None else value

    def _field(self, name: str, value: str) -> str:
        masked = self.text(value)
        if not is_secret_name(name) or OPEN in masked or not value:
            return masked
        scheme = SCHEME.fullmatch(value)
        return f"{scheme[1]} {mark(name)}" if scheme else mark(name)


def _spellings(secret: str) -> set[str]:
    """How a text may quote it: as it is, in an address, a form, HTML or JSON."""
    as_json = {json.dumps(secret, ensure_ascii=plain)[1:-1] for plain in (True, False)}
    as_address = {quote(secret, safe=""), quote_plus(secret)}
    return {secret, html.escape(secret), *as_json, *as_address}


def is_secret_name(name: str) -> bool:
    """Whether a header, query or body field of this name holds a secret: a token, a key, …"""
    if name.lower() in PLAIN_NAMES:
        return False
    return any(word.lower() in SECRET_WORDS for word in WORDS.findall(name))


def mark(name: str) -> str:
    """What stands for a secret that was called so."""
    return f"{OPEN}{re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')}{CLOSE}"


def trim(text: str, characters: int) -> str:
    """At most so many characters, with a word on how many were left out."""
    left_out = len(text) - characters
    return text if left_out <= 0 else f"{text[:characters]}… ({left_out} more characters)"


def last_status(exchanges: Sequence[Exchange]) -> int | None:
    """The status that was answered last."""
    return next((each["status"] for each in reversed(exchanges) if each["status"]), None)


def _encoded(value: str) -> str:
    parts = MARKED.split(value)
    return "".join(each if each[:1] == OPEN else quote_plus(each) for each in parts)


def _decoded(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
