"""A database some way off: a relay on the loopback address that counts what is asked through it."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

CHUNK = 1 << 16


class Wire:
    """Relays to `host` and `port`; each way takes `seconds`.

    `turns` is how often something was sent after an answer, or first: round trips, if each is
    waited for.
    """

    def __init__(self, host: str, port: int, seconds: float = 0.0) -> None:
        self._far = (host, port)
        self._seconds = seconds
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.turns = 0
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Cut all connections."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._far)
                for each in (near, far):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += [near, far]
                answered = threading.Event()
                answered.set()
                for ends in ((near, far, answered, True), (far, near, answered, False)):
                    threading.Thread(target=self._relay, args=ends, daemon=True).start()

    def _relay(
        self, here: socket.socket, there: socket.socket, answered: threading.Event, asks: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := here.recv(CHUNK):
                if asks and answered.is_set():
                    self.turns += 1
                if self._seconds:
                    time.sleep(self._seconds)
                (answered.clear if asks else answered.set)()
                there.sendall(data)
        for each in (here, there):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def wired(host: str, port: int, seconds: float = 0.0) -> Iterator[Wire]:
    """A Wire for the block."""
    wire = Wire(host, port, seconds)
    try:
        yield wire
    finally:
        wire.close()
