"""Several processes at once: the same calls' events on two receivers, settled by two workers."""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import requests
import sqlalchemy as sa

from factories import make_client, make_clinic
from ringnote.models import Event, EventStatus
from ringnote.spool import Spool
from ringnote.worker import Worker
from running import environment, running, url_of
from stories import CALLER, LINE, Phone, callbacks, calls, entries, marks

CALLS = 30
AT_ONCE = 8


def bodies_of(phone: Phone, call: str) -> list[bytes]:
    """A call that 102 answered after 101 and 102 had rung, whose hangup names nobody."""
    return [
        phone.body("InboundCall", call, didNumber=LINE, callerIdNum=CALLER, callerIdName="DOE"),
        phone.body("ringAttempt", call, extNumber="101", callerIdNum=CALLER),
        phone.body("ringAttempt", call, extNumber="102", callerIdNum=CALLER),
        phone.body("ExtensionAnswered", call, extensionNumber="102", callerIdNum=CALLER),
        phone.body("HangupCall", call, extNumber="", callerIdNum=CALLER),
    ]


def test_events_of_the_same_calls_on_two_processes_lose_and_double_nothing(runtime):
    clinic = make_clinic(runtime.db)
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    phone = Phone(runtime, clinic)
    # One number, so that calls meet at its callback, too.
    posts = [body for number in range(CALLS) for body in bodies_of(phone, f"u-{number}")]
    random.Random(7).shuffle(posts)

    with ExitStack() as stack:
        # On a busy machine a commit may take too long: then the spool has the webhook.
        environ = environment(
            runtime, RINGNOTE_MISSED_GRACE_SECONDS="0", RINGNOTE_DATA_IS_PERSISTENT="1"
        )

        def start(*words: str):
            return stack.enter_context(running(environ, *words))

        receivers = [url_of(start("serve", "--port", "0", "--no-worker")) for _ in range(2)]
        for _ in range(2):
            start("worker", "--threads", "2")

        def post(place: int) -> int:
            # Each event goes to both: the phone system may repeat what it was slow to hear of.
            url = f"{receivers[place % 2]}/webhooks/{phone.token}"
            return requests.post(url, data=posts[place // 2], timeout=30).status_code

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(post, range(2 * len(posts))))

    runtime.spool = Spool(runtime.settings.data_dir / "spool")
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
