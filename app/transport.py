"""What lies under `http.py`: connections that end in time and keep off private addresses, unheard.

urllib3 logs the address of each request, and a look-up's address holds a client's number.
"""

import io
import ipaddress
import logging
import math
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import LocationParseError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from .resolving import Names

CHATTY = ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry")

_is_unheard: ContextVar[bool] = ContextVar("ringnote_is_unheard", default=False)


_deadline: ContextVar[float] = ContextVar("ringnote_deadline", default=math.inf)
_names: ContextVar[Names | None] = ContextVar("ringnote_names", default=None)


class PrivateAddressError(Exception):
    """A PMS on a loopback or private address, where that is not allowed.

    No OSError (as every requests exception is): urllib3 would take it for a broken connection.
    """


class Adapter(HTTPAdapter):
    """Pools connections; refuses private addresses unless `allow_private`."""

    def __init__(self, allow_private: bool) -> None:
        super().__init__(pool_connections=64, pool_maxsize=32)
        self.poolmanager.pool_classes_by_scheme = (
            {"http": _HTTPPool, "https": _HTTPSPool}
            if allow_private
            else {"http": _GuardedHTTPPool, "https": _GuardedHTTPSPool}
        )


class Unheard(logging.Filter):
    """Keeps back what urllib3 says within `unheard`, and nothing of a host's own requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _is_unheard.get()


UNHEARD = Unheard()


def quieten() -> None:
    """Have `unheard` take effect in this process; calling it again changes nothing."""
    for name in CHATTY:
        logging.getLogger(name).addFilter(UNHEARD)


@contextmanager
def unheard() -> Iterator[None]:
    """What urllib3 logs in this block, in this thread, reaches no log."""
    token = _is_unheard.set(True)
    try:
        yield
    finally:
        _is_unheard.reset(token)


@contextmanager
def ending_at(deadline: float, names: Names) -> Iterator[None]:
    """Names, connections and answers that are waited for in this block, in this thread, are given
    up at `deadline` (monotonic seconds), however slowly the bytes of an answer come."""
    tokens = _deadline.set(deadline), _names.set(names)
    try:
        yield
    finally:
        _deadline.reset(tokens[0])
        _names.reset(tokens[1])


class _Bytes(io.RawIOBase):
    """What comes over a socket. Its timeout holds for each of its bytes, the deadline for all."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._seconds = sock.gettimeout()
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        left = _deadline.get() - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(min(left, self._seconds))
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_Bytes(sock))


class _HTTP(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _connect(self, self._dns_host)


class _HTTPS(HTTPSConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _connect(self, self._dns_host)


def _connect(connection: HTTPConnection, host: str) -> socket.socket:
    """A connection to the first of the host's addresses that takes one: each has the connection's
    timeout, and all together what is left until the deadline."""
    names, seconds = _names.get() or Names(), float(connection.timeout or math.inf)
    try:
        addresses = names.addresses(host.strip("[]"), connection.port, _left(seconds))
    except UnicodeError:
        raise LocationParseError(f"'{host}', label empty or too long") from None
    except OSError as error:
        raise NameResolutionError(host, connection, error) from error  # type: ignore[arg-type]
    failure: OSError = TimeoutError("timed out")
    for address in addresses:
        if (left := _left(seconds)) <= 0:
            break
        try:
            return create_connection(
                (address, connection.port), left, socket_options=connection.socket_options
            )
        except OSError as error:
            failure = error
    raise NewConnectionError(connection, f"no connection: {failure}") from failure


def _left(seconds: float) -> float:
    return min(seconds, _deadline.get() - time.monotonic())


class _GuardedHTTP(_HTTP):
    """Looks at the address that was really connected to, so that DNS cannot be made to lie."""

    def _new_conn(self) -> Any:
        return _guarded(super()._new_conn())


class _GuardedHTTPS(_HTTPS):
    def _new_conn(self) -> Any:
        return _guarded(super()._new_conn())


def _guarded(sock: Any) -> Any:
    if not ipaddress.ip_address(sock.getpeername()[0].partition("%")[0]).is_global:
        sock.close()
        raise PrivateAddressError("a private address")
    return sock


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPS


class _GuardedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHTTP


class _GuardedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPS
