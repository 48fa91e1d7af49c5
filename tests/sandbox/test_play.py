import threading
from itertools import islice

from flask import Flask, request

from ringnote.sandbox.people import callers_among, invent_clients
from ringnote.sandbox.phones import Office, PhoneSystem, PlannedCall, Webhook
from ringnote.sandbox.play import play
from ringnote.sandbox.server import Server


def plan(count: int) -> list[PlannedCall]:
    callers, couple = callers_among(invent_clients(20))
    return list(islice(PhoneSystem(Office("123456"), callers, couple=couple).calls(), count))


class Receiver:
    """Takes webhooks as Ringnote does, and keeps their bodies."""

    def __init__(self, status: int = 200) -> None:
        self.bodies: list[bytes] = []
        self.app = Flask(__name__)

        @self.app.post("/webhooks/t")
        def take() -> tuple[dict[str, str], int]:
            self.bodies.append(request.get_data())
            return {"status": "accepted"}, status


def test_every_webhook_is_posted_once() -> None:
    calls, receiver = plan(30), Receiver()

    with Server(receiver.app) as server:
        played = play(f"{server.url}/webhooks/t", calls, rate=1000, speed=100_000)

    sent = sorted(webhook.body for call in calls for webhook in call.webhooks)
    assert sorted(receiver.bodies) == sent
    assert (played.calls, played.webhooks, played.failed) == (30, len(sent), 0)


def test_answers_are_told_as_they_come() -> None:
    heard: list[tuple[str, str]] = []

    def hear(call: PlannedCall, webhook: Webhook, said: str) -> None:
        heard.append((webhook.event_type, said))

    with Server(Receiver(503).app) as server:
        played = play(f"{server.url}/webhooks/t", plan(2), rate=1000, speed=100_000, on_answer=hear)

    assert played.failed == played.answers["503"] == len(heard) > 0
    assert {said for _, said in heard} == {"503"}


def test_nobody_there_is_counted_not_raised() -> None:
    with Server(Receiver().app) as server:
        url = f"{server.url}/webhooks/t"

    played = play(url, plan(1), rate=1000, speed=100_000)

    assert played.answers == {"no answer": played.webhooks}


def test_it_stops_when_told_to() -> None:
    stop = threading.Event()
    callers, couple = callers_among(invent_clients(20))
    endless = PhoneSystem(Office("123456"), callers, couple=couple).calls()

    with Server(Receiver().app) as server:
        played = play(
            f"{server.url}/webhooks/t",
            endless,
            rate=200,
            speed=100_000,
            stop=stop,
            on_answer=lambda *_: stop.set(),
        )

    assert played.webhooks >= 1
