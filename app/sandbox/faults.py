"""The faults that a person or a test switches on in the pretend PMS, and how often."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class FaultKind(StrEnum):
    """What goes wrong."""

    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    UNAUTHORIZED = "unauthorized"
    SLOW = "slow"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    HTML = "html"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    ERROR_INSIDE = "error_inside"
    REFUSED = "refused"

    @property
    def is_after(self) -> bool:
        """Whether the request is carried out before it goes wrong."""
        return self in AFTER


AFTER = {FaultKind.DROP_AFTER, FaultKind.HTML, FaultKind.TRUNCATED, FaultKind.EMPTY}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault switched on. `left` requests are still to meet it; None means all of them.

    `seconds` is the wait of `slow` and the Retry-After of `rate_limit`, unless `headers` tell of
    that in its place; `status` is the answer of `server_error`. With `only_writes`, reading
    requests neither meet the fault nor use it up.
    """

    kind: FaultKind
    left: int | None = None
    seconds: float = 3.0
    status: int = 500
    only_writes: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "count": self.left,
            "seconds": self.seconds,
            "status": self.status,
            "only": "writes" if self.only_writes else "all",
        }


class Faults:
    """The faults in force: at most one of each kind. Shared by threads; forgotten at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: dict[FaultKind, Fault] = {}
        self._quick_again = threading.Event()

    def switch_on(self, fault: Fault) -> None:
        with self._lock:
            self._active[fault.kind] = fault
            if fault.kind is FaultKind.SLOW and self._quick_again.is_set():
                self._quick_again = threading.Event()

    def switch_off(self, kind: FaultKind | None = None) -> None:
        """Switch one kind off, or all of them. What dawdles by `slow` goes on."""
        with self._lock:
            for each in [kind] if kind else list(FaultKind):
                self._active.pop(each, None)
            if kind in (None, FaultKind.SLOW):
                self._quick_again.set()

    def dawdle(self, seconds: float) -> None:
        """What a request does that meets `slow`: wait, until it is switched off at the latest."""
        with self._lock:
            quick_again = self._quick_again
        quick_again.wait(seconds)

    def active(self) -> list[Fault]:
        with self._lock:
            return list(self._active.values())

    def take(self, method: str) -> list[Fault]:
        """What this request meets: `slow` if it is on, and at most one other; both are counted."""
        with self._lock:
            met: list[Fault] = []
            for fault in list(self._active.values()):
                is_second = any((each.kind == "slow") == (fault.kind == "slow") for each in met)
                if is_second or (fault.only_writes and method not in WRITES):
                    continue
                met.append(fault)
                self._count(fault)
            return met

    def _count(self, fault: Fault) -> None:
        if fault.left is None:
            return
        if fault.left > 1:
            self._active[fault.kind] = replace(fault, left=fault.left - 1)
        else:
            del self._active[fault.kind]
