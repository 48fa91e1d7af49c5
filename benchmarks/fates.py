"""A PMS for a thousand clinics that are treated differently, by the first word of the address.

`fine` answers as a PMS does after a while, `hung` does not answer for half a minute, `busy` answers
429 and `broken` 500 to everything. Run as a process: `python -m benchmarks.fates` prints where it
answers; `GET /tally` tells what it was asked, by fate, and when each note was written.
"""

import asyncio
import itertools
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

FINE, HUNG, BUSY, BROKEN = "fine", "hung", "busy", "broken"
ANSWER_SECONDS = 0.02
HANG_SECONDS = 30.0
LENGTH = "content-length"
STATUS = {BUSY: HTTPStatus.TOO_MANY_REQUESTS, BROKEN: HTTPStatus.INTERNAL_SERVER_ERROR}


@dataclass(slots=True)
class Fates:
    """What was asked and written so far."""

    asked: Counter[str] = field(default_factory=Counter)
    hanging: int = 0
    most_hanging: int = 0
    written: dict[str, float] = field(default_factory=dict)
    """By reference: when (POSIX seconds)."""
    ids: "itertools.count[int]" = field(default_factory=itertools.count)

    async def answer(self, method: str, path: str, body: bytes) -> tuple[HTTPStatus, Any]:
        """The status and the JSON of an answer."""
        if path == "/tally":
            told = {"asked": self.asked, "most_hanging": self.most_hanging, "written": self.written}
            return HTTPStatus.OK, told
        fate = path.split("/")[1]
        self.asked[fate] += 1
        if fate == HUNG:
            await self._hang()
        await asyncio.sleep(ANSWER_SECONDS)
        if fate in STATUS:
            return STATUS[fate], {}
        if method != "POST":
            return HTTPStatus.OK, {"items": [], "next_cursor": None}
        self.written.setdefault(json.loads(body)["reference"], time.time())
        return HTTPStatus.CREATED, {"id": str(next(self.ids))}

    async def _hang(self) -> None:
        self.hanging += 1
        self.most_hanging = max(self.most_hanging, self.hanging)
        await asyncio.sleep(HANG_SECONDS)
        self.hanging -= 1

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes over one connection, which is kept open."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
                method, path, _ = head[0].split(" ")
                lines = (line.lower().partition(":") for line in head[1:])
                length = next((int(value) for name, _, value in lines if name == LENGTH), 0)
                body = await reader.readexactly(length)
                writer.write(_response(*await self.answer(method, path, body)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def _response(status: HTTPStatus, value: Any) -> bytes:
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _main() -> None:
    server = await asyncio.start_server(Fates().serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
