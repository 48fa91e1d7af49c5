"""Serving a WSGI application by waitress, from the first bind to a graceful end.

What is being answered when the end comes is still answered: a webhook that was kept and not
acknowledged would be sent again.
"""

import errno
import socket
import threading
import time
from copy import copy
from typing import Any

from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.parser import HTTPRequestParser  # type: ignore[import-untyped]
from waitress.server import create_server  # type: ignore[import-untyped]

from ..errors import InputError

THREADS = 32
MAX_REQUEST_BYTES = 1024 * 1024
"""What is larger is refused before it reaches an application."""
UPLOADS, MAX_UPLOAD_BYTES = "/clients/import/upload", 64 * 1024 * 1024
"""But for client lists, of which the console says what is too large."""
DRAIN_SECONDS = 5.0
TURN_SECONDS = 1.0


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    adj: Any

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.path.endswith(UPLOADS):
            self.adj = copy(self.adj)
            self.adj.max_request_body_size = MAX_UPLOAD_BYTES


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection whose requests may be larger where they bring a client list."""

    parser_class = _Parser


class Server:
    """Serves `app` on `host`:`port` (0 for any free one). Binds at once.

    Raises InputError, in words, if the address cannot be listened on; `option` chooses the port.
    """

    def __init__(
        self, app: Any, host: str, port: int, *, option: str = "--port", threads: int = THREADS
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listener = socket.create_server((host, port), family=family, backlog=1024)
        except OSError as error:
            raise InputError(_in_words(error, host, port, option)) from None
        self.host = host
        self.port: int = listener.getsockname()[1]
        self._stop = threading.Event()
        self._trigger_lock = threading.Lock()
        self._has_ended = False
        self._server = create_server(
            app,
            sockets=[listener],
            threads=threads,
            ident=None,
            max_request_body_size=MAX_REQUEST_BYTES,
            # A proxy's headers are kept: whoever asks whether a request is local must see them.
            clear_untrusted_proxy_headers=False,
        )
        self._server.channel_class = Channel

    @property
    def url(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.port}"

    def run(self) -> None:
        """Serve until `stop` is called, then answer what was begun and return."""
        while not self._stop.is_set():
            self._turn(TURN_SECONDS)
        # Not the server's own close, which ends its trigger too, and with it the answers to come.
        wasyncore.dispatcher.close(self._server)
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._is_answering() and time.monotonic() < deadline:
            self._turn(0.05)
        self._server.task_dispatcher.shutdown()
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        with self._trigger_lock:
            self._has_ended = True
            self._server.trigger.close()

    def stop(self) -> None:
        """Have `run` come to its end; from any thread, any number of times."""
        self._stop.set()
        # `run` may see that by itself and close the trigger, whose descriptor is another file then.
        with self._trigger_lock:
            if not self._has_ended:
                self._server.pull_trigger()

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._server._map, count=1)

    def _is_answering(self) -> bool:
        return any(
            channel.requests or channel.total_outbufs_len
            for channel in self._server.active_channels.values()
        )


def _in_words(error: OSError, host: str, port: int, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken by another program; choose another with {option}."
    if error.errno == errno.EACCES:
        return f"Port {port} may not be used by this user; choose one above 1023 with {option}."
    reason = error.strerror or "no such address"
    choose = f"choose another with {option.replace('port', 'host')} or {option}"
    return f"Cannot listen on {host}:{port} ({reason}); {choose}."
