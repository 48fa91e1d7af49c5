"""Several processes at once: the same calls' events on two receivers, settled by two workers."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
import requests
import sqlalchemy as sa

from factories import make_client, make_clinic
from ringnote.models import Event, EventStatus
from ringnote.worker import Worker
from stories import CALLER, LINE, Phone, callbacks, calls, entries, marks

CALLS = 30
AT_ONCE = 8
COMMAND = [sys.executable, "-c", "from ringnote.cli import main; main()"]


@pytest.fixture
def environment(runtime) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "RINGNOTE_DATABASE_URL": runtime.settings.url,
        "RINGNOTE_DATA_DIR": str(runtime.settings.data_dir),
        "RINGNOTE_ENCRYPTION_KEYS": runtime.settings.encryption_keys,
        "RINGNOTE_MISSED_GRACE_SECONDS": "0",
    }


@contextmanager
def started(environment: dict[str, str], *words: str) -> Iterator[subprocess.Popen]:
    with subprocess.Popen(
        [*COMMAND, *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


@contextmanager
def receiving(environment: dict[str, str]) -> Iterator[str]:
    with started(environment, "serve", "--port", "0", "--no-worker") as process:
        yield next(word for word in process.stdout.readline().split() if "://" in word)


def bodies_of(phone: Phone, call: str) -> list[bytes]:
    """A call that 102 answered after 101 and 102 had rung, whose hangup names nobody."""
    return [
        phone.body("InboundCall", call, didNumber=LINE, callerIdNum=CALLER, callerIdName="DOE"),
        phone.body("ringAttempt", call, extNumber="101", callerIdNum=CALLER),
        phone.body("ringAttempt", call, extNumber="102", callerIdNum=CALLER),
        phone.body("ExtensionAnswered", call, extensionNumber="102", callerIdNum=CALLER),
        phone.body("HangupCall", call, extNumber="", callerIdNum=CALLER),
    ]


def test_events_of_the_same_calls_on_two_processes_lose_and_double_nothing(runtime, environment):
    clinic = make_clinic(runtime.db)
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    phone = Phone(runtime, clinic)
    # One number, so that calls meet at its callback, too.
    posts = [body for number in range(CALLS) for body in bodies_of(phone, f"u-{number}")]
    random.Random(7).shuffle(posts)

    with ExitStack() as stack:
        receivers = [stack.enter_context(receiving(environment)) for _ in range(2)]
        for _ in range(2):
            stack.enter_context(started(environment, "worker", "--threads", "2"))

        def post(place: int) -> int:
            # Each event goes to both: the phone system may repeat what it was slow to hear of.
            url = f"{receivers[place % 2]}/webhooks/{phone.token}"
            return requests.post(url, data=posts[place // 2], timeout=30).status_code

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(post, range(2 * len(posts))))

    Worker(runtime).run_until_idle()
    assert set(answers) == {200}
    with runtime.db.reading() as session:
        kept = sa.select(sa.func.count()).where(Event.status == EventStatus.ACCEPTED)
        assert session.scalars(kept).one() == 2 * len(posts)
    assert len(calls(runtime)) == CALLS
    wanted = [each for each in entries(runtime) if each.is_wanted]
    assert {each.content["title"] for each in wanted} == {"Incoming call answered by 102"}
    assert len(wanted) == CALLS
    assert all(each.closed_at for each in callbacks(runtime))
    assert marks(runtime) == []
