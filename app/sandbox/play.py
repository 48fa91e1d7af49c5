"""Posts the pretend phone system's webhooks over HTTP, at the pace of a day made shorter.

`ringnote simulate`, the demo and benchmarks call it.
"""

import heapq
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests

from .phones import PlannedCall, Webhook

SENDERS = 8
POST_SECONDS = 15.0


@dataclass
class Played:
    """What was played: calls by story, webhooks by what was answered ('accepted', '503', …)."""

    stories: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)

    @property
    def calls(self) -> int:
        return self.stories.total()

    @property
    def webhooks(self) -> int:
        return self.answers.total()

    @property
    def failed(self) -> int:
        """Webhooks that were not answered with 200."""
        return self.webhooks - self.answers["accepted"] - self.answers["quarantined"]


def play(
    url: str,
    calls: Iterable[PlannedCall],
    *,
    rate: float,
    speed: float = 60.0,
    stop: threading.Event | None = None,
    on_answer: Callable[[PlannedCall, Webhook, str], None] | None = None,
) -> Played:
    """Begin `rate` calls a second and play each `speed` times as fast as it would really go.

    Returns once the last webhook is answered, or soon after `stop` is set. A webhook that fails is
    counted, not sent again. `on_answer` is called from the sending threads.
    """
    stop = stop or threading.Event()
    played, lock, local = Played(), threading.Lock(), threading.local()

    def post(call: PlannedCall, webhook: Webhook) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.trust_env = False
        said = _post(local.session, url, webhook)
        with lock:
            played.answers[said] += 1
        if on_answer:
            on_answer(call, webhook, said)

    with ThreadPoolExecutor(SENDERS, thread_name_prefix="phones") as senders:
        started = time.monotonic()
        for at, call, webhook in _in_order(calls, rate, speed, played):
            if stop.wait(max(0.0, started + at - time.monotonic())):
                break
            senders.submit(post, call, webhook)
        if stop.is_set():
            senders.shutdown(cancel_futures=True)
    return played


def _in_order(
    calls: Iterable[PlannedCall], rate: float, speed: float, played: Played
) -> Iterable[tuple[float, PlannedCall, Webhook]]:
    """Every webhook with the second at which it is due, the earliest first."""
    waiting: list[tuple[float, int, PlannedCall, Webhook]] = []
    count = 0
    for number, call in enumerate(calls):
        begins = number / rate
        while waiting and waiting[0][0] <= begins:
            at, _, earlier, webhook = heapq.heappop(waiting)
            yield at, earlier, webhook
        played.stories[call.story] += 1
        for webhook in call.webhooks:
            due = begins + (call.after + webhook.at) / speed
            heapq.heappush(waiting, (due, count, call, webhook))
            count += 1
    while waiting:
        at, _, call, webhook = heapq.heappop(waiting)
        yield at, call, webhook


def _post(session: requests.Session, url: str, webhook: Webhook) -> str:
    try:
        answer = session.post(
            url,
            data=webhook.body,
            headers={"Content-Type": webhook.content_type},
            timeout=POST_SECONDS,
            allow_redirects=False,
        )
        if answer.status_code == 200:
            return str(answer.json().get("status", "200"))
        return str(answer.status_code)
    except requests.JSONDecodeError:
        return "no JSON"
    except requests.RequestException:
        return "no answer"
