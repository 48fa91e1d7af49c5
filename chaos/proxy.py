"""Between the workers and the PMS: answers that are slow, cut off, garbled, or lost on the way.

Knows what the sandbox's own faults lack: whatever happens on the wire rather than in the PMS.
"""

import random
import socket
import struct
import threading
import time
from collections import Counter
from enum import StrEnum
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

FORWARD_SECONDS = 30
PIECES = 8
GARBAGE = b"\x16\x03\x01\x02\x00\x01\x00 this is no HTTP \xff\xfe\r\n\r\n"
ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER: closing resets the connection, and drops what was not sent yet."""


class WireFault(StrEnum):
    """What goes wrong on the way."""

    SLOW_HEADERS = "slow headers"
    SLOW_BODY = "slow body"
    HALF_ANSWER = "half an answer"
    GARBAGE = "garbage"
    RESET_BEFORE = "reset before writing"
    RESET_AFTER = "reset after writing"
    REDIRECT = "redirect"
    REDIRECT_AFTER = "redirect after writing"
    WRONG_TYPE = "wrong content type"
    BAD_GATEWAY = "502 after writing"


class Answer(NamedTuple):
    """What the PMS answered."""

    status: int
    headers: dict[str, str]
    body: bytes


class Proxy(ThreadingHTTPServer):
    """Forwards to `upstream`; while a fault is switched on, so large a share of answers meets it.

    `met` counts them. Serves from a thread of this process until closed.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: int, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.met: Counter[WireFault] = Counter()
        self.seconds = 1.5
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._on: dict[WireFault, float] = {}
        self._thread = threading.Thread(target=self.serve_forever, name="proxy", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def switch_on(self, fault: WireFault, share: float) -> None:
        with self._lock:
            self._on[fault] = share

    def switch_off(self, fault: WireFault | None = None) -> None:
        """Switch one fault off, or all of them."""
        with self._lock:
            for each in [fault] if fault else list(WireFault):
                self._on.pop(each, None)

    def draw(self) -> WireFault | None:
        """What this request meets."""
        with self._lock:
            for fault, share in self._on.items():
                if self._dice.random() < share:
                    self.met[fault] += 1
                    return fault
        return None

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """A worker that was killed in the middle is what happens here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.draw()
        if fault is WireFault.RESET_BEFORE:
            self._reset()
        elif fault is WireFault.REDIRECT:
            self._answer(_elsewhere(self.server.url))
        else:
            try:
                answer = self._forward(body)
            except (OSError, HTTPException):
                self._reset()
            else:
                self._pass_on(answer, fault)

    def _pass_on(self, answer: Answer, fault: WireFault | None) -> None:
        match fault:
            case WireFault.RESET_AFTER:
                self._reset()
            case WireFault.GARBAGE:
                self.close_connection = True
                self.wfile.write(GARBAGE)
            case WireFault.HALF_ANSWER:
                self._answer(answer, end=len(answer.body) // 2)
            case WireFault.SLOW_BODY:
                self._answer(answer, pause=self.server.seconds / PIECES)
            case WireFault.SLOW_HEADERS:
                time.sleep(self.server.seconds)
                self._answer(answer)
            case WireFault.REDIRECT_AFTER:
                self._answer(_elsewhere(self.server.url))
            case WireFault.BAD_GATEWAY:
                self._answer(Answer(502, {"Content-Type": "text/html"}, b"<h1>Bad gateway</h1>"))
            case WireFault.WRONG_TYPE:
                self._answer(answer._replace(headers={"Content-Type": "application/pdf"}))
            case _:
                self._answer(answer)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def _forward(self, body: bytes) -> Answer:
        upstream = HTTPConnection("127.0.0.1", self.server.upstream, timeout=FORWARD_SECONDS)
        try:
            headers = {name: value for name, value in self.headers.items() if name != "Connection"}
            upstream.request(self.command, self.path, body or None, headers)
            got = upstream.getresponse()
            kept = ("Content-Type", "Retry-After")
            told = {name: value for name in kept if (value := got.headers.get(name))}
            return Answer(got.status, told, got.read())
        finally:
            upstream.close()

    def _answer(self, answer: Answer, *, end: int | None = None, pause: float = 0.0) -> None:
        """Send it; only up to `end`, then closing; or in pieces with a `pause` before each."""
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.close_connection = self.close_connection or end is not None
        body = answer.body[:end]
        step = max(1, len(body) // PIECES) if pause else max(1, len(body))
        for start in range(0, len(body), step):
            time.sleep(pause)
            self.wfile.write(body[start : start + step])

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        # At once, or what is left of the request would be waited for.
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """The record of what was written is the PMS's own."""


def _elsewhere(url: str) -> Answer:
    return Answer(302, {"Location": f"{url}/elsewhere", "Content-Type": "text/plain"}, b"moved")
