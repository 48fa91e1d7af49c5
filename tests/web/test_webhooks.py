"""The receiver, behind a real socket."""

import http.client
import json
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import pytest
import requests
import sqlalchemy as sa

from confidential import logged
from factories import make_clinic
from fakes import HeldClock
from ringnote import create_receiver
from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.models import DueMark, Event
from ringnote.runtime import Runtime
from ringnote.telephony.tokens import issue_webhook_token, rotate_webhook_token
from serving import served

LIMIT = 64 * 1024


@pytest.fixture
def clinic(db):
    return make_clinic(db, name="Oak <Street> Vets", container_id="123456")


@pytest.fixture
def token(db, clinic):
    with db.transaction() as session:
        return issue_webhook_token(session, clinic.id, utc_now())


@pytest.fixture
def url(runtime):
    with served(create_receiver(runtime=runtime)) as address:
        yield address


def hangup(**over: str) -> str:
    fields = {
        "eventType": "HangupCall",
        "containerId": "123456",
        "tenantId": "0",
        "callUuid": "u-1",
        "extNumber": "101",
        "callerIdNum": "+12125550142",
    }
    return urlencode(fields | over)


def events(db: Database) -> list[Event]:
    with db.reading() as session:
        return list(session.scalars(sa.select(Event)))


def post_chunked(url: str, path: str, chunks: list[bytes]) -> tuple[int, dict]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("POST", path, iter(chunks), encode_chunked=True)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_a_webhook_is_answered_once_it_is_kept_with_a_due_mark(db, url, token):
    answer = requests.post(f"{url}/webhooks/{token}", data=hangup(), timeout=10)

    assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
    [event] = events(db)
    assert event.body == hangup().encode()
    with db.reading() as session:
        assert session.scalars(sa.select(DueMark.subject_key)).all() == ["u-1"]


def test_the_time_of_receipt_is_the_clock_s(db, clinic, token, runtime):
    at = utc_now() - timedelta(days=3)
    clock = HeldClock(at)
    held = Runtime(runtime.settings, Database(db.url, clock=clock), clock)

    with served(create_receiver(runtime=held)) as url:
        requests.post(f"{url}/webhooks/{token}", data=hangup(), timeout=10)
    held.close()

    assert [event.received_at for event in events(db)] == [at]


def test_a_form_declared_as_one_is_kept_byte_for_byte(db, url, token):
    body = hangup(callerIdName="SMITH & SONS").encode() + b"&odd=%ff+\x80"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    requests.post(f"{url}/webhooks/{token}", data=body, headers=headers, timeout=10)

    assert [event.body for event in events(db)] == [body]


def test_a_body_that_cannot_be_read_is_kept_in_quarantine(db, url, token):
    answer = requests.post(f"{url}/webhooks/{token}", data=b"\xff\x00 what?", timeout=10)

    assert answer.status_code == 200
    assert answer.json()["status"] == "quarantined"
    assert answer.json()["reason"]
    assert len(events(db)) == 1


def test_a_webhook_that_names_another_clinic_is_kept_in_quarantine(db, url, token):
    body = hangup(containerId="654321")

    answer = requests.post(f"{url}/webhooks/{token}", data=body, timeout=10)

    assert answer.json()["status"] == "quarantined"
    assert "another clinic" in answer.json()["reason"]
    assert len(events(db)) == 1


@pytest.mark.parametrize(
    "body",
    [
        hangup(callUuid="u" * 60_000),
        hangup(callerIdName="nul \x00 in it"),
        hangup(eventType="\x00" * 9),
        '{"eventType":"inboundMessage","containerID":"123456","conversationID":"c\\u0000",'
        '"messageText":"\\ud83d \\u0000"}',
        '[{"eventType":1}]',
        "9" * 5000,
        "[" * 60_000,
    ],
    ids=["long id", "nul", "nul type", "surrogate", "list", "number", "deep"],
)
def test_whatever_comes_can_be_kept(db, url, token, body):
    answer = requests.post(f"{url}/webhooks/{token}", data=body.encode(), timeout=10)

    assert answer.status_code == 200
    assert [event.body for event in events(db)] == [body.encode()]


def test_an_empty_body_is_kept_in_quarantine(db, url, token):
    answer = requests.post(f"{url}/webhooks/{token}", data=b"", timeout=10)

    assert (answer.status_code, answer.json()["status"]) == (200, "quarantined")
    assert len(events(db)) == 1


def test_an_unknown_event_type_is_accepted_and_settles_nothing(db, url, token):
    body = hangup(eventType="faxReceived")

    answer = requests.post(f"{url}/webhooks/{token}", data=body, timeout=10)

    assert answer.json() == {"status": "accepted"}
    with db.reading() as session:
        assert session.scalars(sa.select(DueMark)).all() == []


def test_an_unknown_token_is_not_found_and_keeps_nothing(db, url, token):
    answer = requests.post(f"{url}/webhooks/{token}x", data=hangup(), timeout=10)

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
    assert events(db) == []


def test_a_former_token_works_until_its_overlap_ends(db, runtime, clinic, token):
    now = utc_now()
    with db.transaction() as session:
        rotate_webhook_token(session, clinic.id, now, timedelta(hours=1))
    clock = HeldClock(now + timedelta(minutes=59))
    held = Runtime(runtime.settings, db, clock)

    with served(create_receiver(runtime=held)) as url:
        before = requests.post(f"{url}/webhooks/{token}", data=hangup(), timeout=10)
        clock.at = now + timedelta(minutes=61)
        after = requests.post(f"{url}/webhooks/{token}", data=hangup(), timeout=10)
    held.close()

    assert (before.status_code, after.status_code) == (200, 404)


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413), (3 * LIMIT, 413)])
def test_64_kib_is_the_most_that_is_taken(db, url, token, size, status):
    body = hangup().encode()
    body += b"&pad=" + b"x" * (size - len(body) - 5)

    answer = requests.post(f"{url}/webhooks/{token}", data=body, timeout=10)

    assert answer.status_code == status
    assert len(events(db)) == (status == 200)


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413)])
def test_64_kib_is_the_most_that_is_taken_in_chunks(db, url, token, size, status):
    body = hangup().encode()
    body += b"&pad=" + b"x" * (size - len(body) - 5)
    chunks = [body[:100], body[100:40_000], body[40_000:]]

    answered, _ = post_chunked(url, f"/webhooks/{token}", chunks)

    assert answered == status
    assert [event.body for event in events(db)] == ([body] if status == 200 else [])


def test_what_could_not_be_stored_is_to_be_sent_again_and_no_log_tells_the_token(
    runtime, tmp_path, caplog
):
    token = "a-secret-token-0142"
    lost = Runtime(runtime.settings, Database(f"sqlite:///{tmp_path / 'empty.sqlite3'}"))

    with served(create_receiver(runtime=lost)) as url:
        answer = requests.post(f"{url}/webhooks/{token}", data=hangup(), timeout=10)
        page = requests.get(f"{url}/webhooks/{token}", timeout=10)

    lost.db.dispose()
    assert (answer.status_code, page.status_code) == (503, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert [each["event"] for each in logged(caplog)] == ["webhook.not_stored"] * 2
    assert token not in caplog.text


def test_a_bug_is_answered_503_and_no_log_tells_the_token(runtime, token, caplog, monkeypatch):
    def fail(*_unused: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("ringnote.web.webhooks.take", fail)

    with served(create_receiver(runtime=runtime)) as url:
        answer = requests.post(f"{url}/webhooks/{token}", data=hangup(), timeout=10)

    assert answer.status_code == 503
    assert [each["event"] for each in logged(caplog)] == ["webhook.failed"]
    assert token not in caplog.text


def test_a_person_who_opens_the_address_is_told_that_it_works(url, token):
    answer = requests.get(f"{url}/webhooks/{token}", timeout=10)

    assert answer.status_code == 200
    assert "This address works" in answer.text
    assert "Oak &lt;Street&gt; Vets" in answer.text
    assert token not in answer.text


def test_a_person_with_a_wrong_address_is_told_so(url, token):
    answer = requests.get(f"{url}/webhooks/{token[:-1]}", timeout=10)

    assert answer.status_code == 404
    assert "No clinic has this address" in answer.text


def test_no_other_site_learns_the_address_and_nothing_keeps_it(url, token):
    answer = requests.get(f"{url}/webhooks/{token}", timeout=10)

    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "Server" not in answer.headers


def test_other_methods_are_refused(url, token):
    answer = requests.put(f"{url}/webhooks/{token}", data=hangup(), timeout=10)

    assert answer.status_code == 405
