"""The phones: calls and texts of invented clients, posted out of order and more than once."""

import itertools
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import requests

from ringnote.sandbox.phones import PhoneSystem, Webhook

from .record import Post, Record

SENDERS = 6
SHUFFLED = 30
"""How many webhooks may overtake one another."""
REPEATED = 0.2
MISSED = 0.4
"""Missed calls of a number meet at its callback task, and an update of that takes two requests: it
is there that a worker which lost its lease meanwhile does harm."""
POST_SECONDS = 20.0
"""Longer than a database's lock is waited for; then it counts as not acknowledged."""
AGAIN_SECONDS = 0.2


class Clinic(NamedTuple):
    """A clinic's phone system, and the secret part of its webhook address."""

    token: str
    system: PhoneSystem


class Waiting(NamedTuple):
    """A webhook to be posted: until it is acknowledged, or (a repetition) but once."""

    clinic: Clinic
    webhook: Webhook
    is_repeated: bool


@dataclass
class Phones:
    """Posts `rate` webhooks a second to any of `ports` until told to fall silent."""

    clinics: Sequence[Clinic]
    ports: Sequence[int]
    rate: float
    seed: int
    record: Record = field(default_factory=Record)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._missed = MISSED
        self._lock = threading.Lock()
        self._silent = threading.Event()
        self._stop = threading.Event()
        self._waiting: list[Waiting] = []
        self._under_way = 0
        self._new = self._plan()
        self._next_at = time.monotonic()
        self._threads = [
            threading.Thread(target=self._send, name=f"phone-{number}", daemon=True)
            for number in range(SENDERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def rush(self) -> None:
        """From now on nobody answers."""
        self._missed = 1.0

    def fall_silent(self) -> None:
        """Begin no further call; what has begun goes on until it is acknowledged."""
        self._silent.set()

    @property
    def unacknowledged(self) -> int:
        """How many webhooks are still to be posted or to be answered."""
        with self._lock:
            return len(self._waiting) + self._under_way

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            if thread.ident:
                thread.join()

    def _plan(self) -> Iterator[list[Waiting]]:
        """One call after the other, of the clinics in turn, each whole."""
        calls = [iter(clinic.system.calls()) for clinic in self.clinics]
        for number in itertools.count():
            clinic = self.clinics[number % len(calls)]
            is_missed = self._dice.random() < self._missed
            [call] = clinic.system.missed() if is_missed else [next(calls[number % len(calls)])]
            yield [Waiting(clinic, webhook, is_repeated=False) for webhook in call.webhooks]

    def _send(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while not self._stop.is_set():
                waiting = self._take()
                if waiting is None:
                    self._stop.wait(AGAIN_SECONDS)
                    continue
                is_done = self._post(session, waiting) or waiting.is_repeated
                with self._lock:
                    self._under_way -= 1
                    if not is_done:
                        self._waiting.append(waiting)
                if not is_done:
                    self._stop.wait(AGAIN_SECONDS)

    def _take(self) -> Waiting | None:
        """Any of those that wait; some are put back, to be posted a second time."""
        self._pace()
        with self._lock:
            while len(self._waiting) < SHUFFLED and not self._silent.is_set():
                self._waiting += next(self._new)
            if not self._waiting:
                return None
            waiting = self._waiting.pop(self._dice.randrange(len(self._waiting)))
            if self._dice.random() < REPEATED and not waiting.is_repeated:
                self._waiting.append(waiting._replace(is_repeated=True))
            self._under_way += 1
            return waiting

    def _pace(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._next_at = max(self._next_at + 1 / self.rate, now)
            wait = self._next_at - now
        self._stop.wait(wait)

    def _post(self, session: requests.Session, waiting: Waiting) -> bool:
        """Whether it was acknowledged."""
        system = waiting.clinic.system
        post = self.record.begin(system.office.container_id, waiting.webhook)
        answer = self._answer(session, post, waiting.clinic.token)
        self.record.end(post, answer)
        return answer == "accepted"

    def _answer(self, session: requests.Session, post: Post, token: str) -> str:
        try:
            answer = session.post(
                f"http://127.0.0.1:{self._any_port()}/webhooks/{token}",
                data=post.body,
                headers={"Content-Type": post.webhook.content_type},
                timeout=POST_SECONDS,
            )
            said = answer.json()["status"] if answer.status_code == 200 else answer.status_code
            return str(said)
        except requests.RequestException:
            return "no answer"

    def _any_port(self) -> int:
        with self._lock:
            return self._dice.choice(self.ports)
