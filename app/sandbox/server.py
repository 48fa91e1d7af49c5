"""Serving from a thread of this process: the pretend PMS, the demo and tests start and stop it.

The pretend PMS needs one thing more than a server gives: to drop a connection without an answer.
"""

import socket
import threading
from types import TracebackType
from typing import Any

from waitress.task import WSGITask  # type: ignore[import-untyped]

from ..web import server

DROP_KEY = "ringnote.drop_connection"
"""In the WSGI environment: a function that closes the request's connection without an answer."""


class _DroppableTask(WSGITask):  # type: ignore[misc]
    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ[DROP_KEY] = self._drop
        return environ

    def _drop(self) -> None:
        self.close_on_finish = True
        self.channel.socket.shutdown(socket.SHUT_RDWR)


class _DroppableChannel(server.Channel):
    task_class = _DroppableTask

    def __init__(self, server: Any, *about: Any, **named: Any) -> None:
        server.accepted += 1
        super().__init__(server, *about, **named)


class Server(server.Server):
    """`app` served on `host`:`port` (0 for any free one) by threads of this process.

    Binds at once; raises InputError, naming the port and `option`, if it is taken.
    """

    def __init__(
        self, app: Any, *, host: str = "127.0.0.1", port: int = 0, option: str = "--port"
    ) -> None:
        super().__init__(app, host, port, option=option)
        self._server.channel_class = _DroppableChannel
        self._server.accepted = 0
        self._server.adj.log_socket_errors = False
        self._thread = threading.Thread(target=self.run, name=f"server-{self.port}", daemon=True)

    @property
    def accepted(self) -> int:
        """How many connections it has taken till now."""
        return int(self._server.accepted)

    def start(self) -> "Server":
        self._thread.start()
        return self

    def stop(self) -> None:
        """Answer what was begun, let the port go, and return."""
        super().stop()
        if self._thread.ident is None:
            self.run()
        else:
            self._thread.join()

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
