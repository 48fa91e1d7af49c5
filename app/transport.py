"""What lies under `http.py`: connections that keep off private addresses, unheard.

urllib3 logs the address of each request, and a look-up's address holds a client's number.
"""

import ipaddress
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

CHATTY = ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry")

_is_unheard: ContextVar[bool] = ContextVar("ringnote_is_unheard", default=False)


class PrivateAddressError(Exception):
    """A PMS on a loopback or private address, where that is not allowed.

    No OSError (as every requests exception is): urllib3 would take it for a broken connection.
    """


class Adapter(HTTPAdapter):
    """Pools connections; refuses private addresses unless `allow_private`."""

    def __init__(self, allow_private: bool) -> None:
        super().__init__(pool_connections=64, pool_maxsize=32)
        if not allow_private:
            self.poolmanager.pool_classes_by_scheme = {
                "http": _GuardedHTTPPool,
                "https": _GuardedHTTPSPool,
            }


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


class _GuardedHTTP(HTTPConnection):
    """Looks at the address that was really connected to, so that DNS cannot be made to lie."""

    def _new_conn(self) -> Any:
        return _guarded(super()._new_conn())


class _GuardedHTTPS(HTTPSConnection):
    def _new_conn(self) -> Any:
        return _guarded(super()._new_conn())


def _guarded(sock: Any) -> Any:
    if not ipaddress.ip_address(sock.getpeername()[0].partition("%")[0]).is_global:
        sock.close()
        raise PrivateAddressError("a private address")
    return sock


class _GuardedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHTTP


class _GuardedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPS
