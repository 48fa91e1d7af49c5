"""Serving a WSGI application from a thread: start it, ask for its address, stop it at once.

The pretend PMS needs one thing more than waitress gives: to drop a connection without an answer.
"""

import errno
import socket
import threading
from types import TracebackType
from typing import Any

from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.server import create_server  # type: ignore[import-untyped]
from waitress.task import WSGITask  # type: ignore[import-untyped]

from ..errors import InputError

DROP_KEY = "ringnote.drop_connection"
"""In the WSGI environment: a function that closes the request's connection without an answer."""
STOP_SECONDS = 5.0


class _DroppableTask(WSGITask):  # type: ignore[misc]
    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ[DROP_KEY] = self._drop
        return environ

    def _drop(self) -> None:
        self.close_on_finish = True
        self.channel.socket.shutdown(socket.SHUT_RDWR)


class _DroppableChannel(HTTPChannel):  # type: ignore[misc]
    task_class = _DroppableTask


class Server:
    """`app` served on `host`:`port` (0 for any free port) by threads of this process.

    Binds at once; raises InputError, naming the port and `option`, if it is taken.
    """

    def __init__(
        self,
        app: Any,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        threads: int = 8,
        option: str = "--port",
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            bound = socket.create_server((host, port), family=family, backlog=1024)
        except OSError as error:
            raise InputError(_in_words(error, host, port, option)) from None
        self._server = create_server(
            app,
            sockets=[bound],
            threads=threads,
            ident=None,
            log_socket_errors=False,
            clear_untrusted_proxy_headers=True,
        )
        self._server.channel_class = _DroppableChannel
        self.host = host
        self.port = int(bound.getsockname()[1])
        self._thread = threading.Thread(
            target=self._server.run, name=f"server-{self.port}", daemon=True
        )

    @property
    def url(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.port}"

    def start(self) -> "Server":
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every connection and wait until the threads are through."""
        if self._thread.is_alive():
            self._server.trigger.pull_trigger(self._close)
            self._thread.join(STOP_SECONDS)
        else:
            self._close()
        self._server.task_dispatcher.shutdown(timeout=STOP_SECONDS)

    def _close(self) -> None:
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        self._server.close()

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _in_words(error: OSError, host: str, port: int, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken by another program; choose another with {option}."
    if error.errno == errno.EACCES:
        return f"Port {port} may not be used by this user; choose one above 1023 with {option}."
    return f"Cannot listen on {host}:{port} ({error.strerror}); choose another with {option}."
