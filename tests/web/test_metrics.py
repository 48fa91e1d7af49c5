"""`/metrics`: who may read it, what it tells of webhooks, and what is left without a database."""

import time
from urllib.parse import urlencode

import flask
import pytest
import requests
import sqlalchemy as sa
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from factories import make_clinic, make_connection, make_entry
from ringnote import Ringnote, create_app, create_receiver
from ringnote.access.identity import Scope
from ringnote.access.tokens import add_token
from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.metrics.tally import Answer
from ringnote.runtime import Runtime
from ringnote.settings import load_settings
from ringnote.telephony.tokens import issue_webhook_token
from scrapes import METRICS_TOKEN, SHOWING, read, watched
from serving import served

PROMETHEUS_ASKS = (
    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
IN_TIME = 5.0
"""Seconds, of which it waits for a database for two."""


@pytest.fixture
def monitored(runtime):
    made = watched(runtime)
    yield made
    made.close()


@pytest.fixture
def path(db):
    """Of the address of a clinic's webhooks."""
    clinic = make_clinic(db, container_id="123456", name="Oak Street Vets")
    with db.transaction() as session:
        return f"/webhooks/{issue_webhook_token(session, clinic.id, utc_now())}"


def scrape(app, prefix=""):
    answer = app.test_client().get(f"{prefix}/metrics", headers=SHOWING)
    assert answer.status_code == 200, answer.text
    return read(answer.text)


def hangup(**over: str) -> dict[str, str]:
    return {"eventType": "HangupCall", "containerId": "123456", "callUuid": "u-1"} | over


def test_a_scrape_over_a_socket_tells_of_the_installation_and_of_this_process(monitored, path):
    connection = make_connection(monitored.db, clinic := make_clinic(monitored.db))
    make_entry(monitored.db, clinic, connection)

    with served(create_app(runtime=monitored)) as url:
        for body in (urlencode(hangup()), "what?"):
            requests.post(url + path, data=body, timeout=10)
        answer = requests.get(f"{url}/metrics", headers=SHOWING, timeout=10)

    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert answer.headers["Cache-Control"] == "no-store"
    found = read(answer.text)
    assert found["ringnote_database_up",] == 1
    assert found["ringnote_entries", "due"] == 1
    assert found["ringnote_connections", "sandbox", "active"] == 1
    assert found["ringnote_quarantined_webhooks",] == 1
    assert found["ringnote_webhooks_total", "accepted"] == 1
    assert found["ringnote_webhooks_total", "quarantined"] == 1
    assert found["ringnote_webhook_seconds_count",] == 2
    assert 0 < found["ringnote_webhook_seconds_sum",] < 20


def test_it_answers_in_the_format_that_prometheus_asks_for_first(monitored):
    headers = SHOWING | {"Accept": PROMETHEUS_ASKS}

    answer = create_app(runtime=monitored).test_client().get("/metrics", headers=headers)

    assert answer.content_type.startswith("application/openmetrics-text")
    families = {each.name: each.type for each in text_string_to_metric_families(answer.text)}
    assert families["ringnote_webhooks"] == "counter"
    assert families["ringnote_entries"] == "gauge"


@pytest.mark.parametrize(
    "shown", [None, "Bearer", "Bearer ", f"Basic {METRICS_TOKEN}", f"Bearer {METRICS_TOKEN}x", "é"]
)
def test_who_does_not_show_the_token_is_told_which(monitored, shown):
    headers = {} if shown is None else {"Authorization": shown}

    answer = create_receiver(runtime=monitored).test_client().get("/metrics", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "RINGNOTE_METRICS_TOKEN" in answer.json["detail"]
    assert METRICS_TOKEN not in answer.text


def test_a_token_of_the_api_opens_it_not(monitored, db):
    with db.transaction() as session:
        _, secret = add_token(session, "report", list(Scope), None, utc_now(), None, "kim")

    headers = {"Authorization": f"Bearer {secret}"}
    answer = create_app(runtime=monitored).test_client().get("/metrics", headers=headers)

    assert answer.status_code == 401


@pytest.mark.parametrize("headers", [{}, SHOWING, {"Authorization": "Bearer "}])
def test_where_no_token_is_set_nobody_may_and_it_says_what_to_do(runtime, headers):
    answer = create_app(runtime=runtime).test_client().get("/metrics", headers=headers)

    assert answer.status_code == 403
    assert answer.json["detail"] == "Set RINGNOTE_METRICS_TOKEN."


def test_it_is_mounted_under_the_prefix_and_the_host_s_sign_in_is_not_asked(monitored):
    host = flask.Flask("host")
    Ringnote(host, runtime=monitored, current_user=lambda: None)

    assert scrape(host, "/ringnote")["ringnote_database_up",] == 1
    assert host.test_client().get("/ringnote/metrics").status_code == 401
    assert host.test_client().get("/metrics").status_code == 404


def test_a_host_that_demands_a_sign_in_everywhere_keeps_it_to_itself(monitored, path):
    host = flask.Flask("host")
    host.before_request(lambda: ("sign in first", 401))
    Ringnote(host, runtime=monitored)

    answers = [
        host.test_client().get("/ringnote/metrics", headers=SHOWING),
        host.test_client().post(f"/ringnote{path}", data=hangup()),
    ]

    assert [(answer.status_code, answer.text) for answer in answers] == [(401, "sign in first")] * 2


def test_each_answer_to_a_webhook_is_counted_as_what_it_was(monitored, path):
    app = create_receiver(runtime=monitored)
    browser = app.test_client()

    browser.post(path, data=hangup())
    browser.post(path, data=hangup(containerId="654321"))
    browser.post("/webhooks/nobody-has-this", data=hangup())
    browser.post(path, data=b"x" * (64 * 1024 + 1))
    browser.get(path)

    found = scrape(app)
    counted = {answer: found["ringnote_webhooks_total", answer] for answer in Answer}
    expected = {"accepted": 1, "quarantined": 1, "unknown_token": 1, "too_large": 1}
    assert counted == dict.fromkeys(Answer, 0) | expected
    assert found["ringnote_webhook_seconds_count",] == 4


def test_what_identifies_a_clinic_a_client_or_a_number_is_in_no_line(monitored, path):
    app = create_app(runtime=monitored)
    app.test_client().post(path, data=hangup(callerIdNum="+12125550142", callerIdName="DOE JANE"))

    text = app.test_client().get("/metrics", headers=SHOWING).text

    for secret in ("Oak Street", "123456", "5550142", "DOE", path.rpartition("/")[2]):
        assert secret not in text


def test_two_of_one_process_count_each_its_own(monitored, path):
    other = watched(monitored)
    first, second = create_receiver(runtime=monitored), create_receiver(runtime=other)

    first.test_client().post(path, data=hangup())

    counts = [scrape(app)["ringnote_webhooks_total", "accepted"] for app in (first, second)]
    other.close()
    assert counts == [1, 0]


@pytest.fixture
def away(runtime, tmp_path):
    """A runtime whose database is away, with a data folder that lasts."""
    gone = Database("postgresql+psycopg://nobody@127.0.0.1:9/none")
    settings = {"metrics_token": METRICS_TOKEN, "data_is_persistent": True, "data_dir": tmp_path}
    made = Runtime(runtime.settings.model_copy(update=settings), gone)
    spool = made.spool
    yield made
    # What tries to store it ends once there is nothing left.
    spool.drain(lambda _: [])
    made.close()
    gone.dispose()


def test_without_a_database_it_tells_what_the_process_knows(away):
    app = create_receiver(runtime=away)
    app.test_client().post("/webhooks/whose-ever", data=hangup())

    found = scrape(app)

    assert found["ringnote_database_up",] == 0
    assert [name for name, *_ in found if name.startswith(("ringnote_entr", "ringnote_due"))] == []
    assert found["ringnote_webhooks_total", "spooled"] == 1
    assert found["ringnote_spool_files",] == 1
    assert found["ringnote_spool_bytes",] > 0
    assert found["ringnote_spool_refused_bytes",] == 0
    assert 0 <= found["ringnote_spool_age_seconds",] < IN_TIME


def test_what_could_be_kept_nowhere_is_counted_too(away):
    away.spool = None
    app = create_receiver(runtime=away)

    answer = app.test_client().post("/webhooks/whose-ever", data=hangup())

    assert answer.status_code == 503
    found = scrape(app)
    assert found["ringnote_webhooks_total", "unavailable"] == 1
    assert ("ringnote_spool_files",) not in found


def test_a_database_that_hangs_holds_nobody_up_for_long(postgres_copy, tmp_path):
    chosen = {"database_url": postgres_copy, "data_dir": tmp_path, "metrics_token": METRICS_TOKEN}
    monitored = Runtime.from_settings(load_settings(chosen, environ={}))
    app = create_receiver(runtime=monitored)
    locks = sa.text("LOCK TABLE ringnote_clinic IN ACCESS EXCLUSIVE MODE")

    with monitored.db.engine.connect() as other, other.begin():
        other.execute(locks)
        began = time.monotonic()
        found = scrape(app)
        took = time.monotonic() - began
        running = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        deadline = time.monotonic() + IN_TIME
        while other.scalar(running) and time.monotonic() < deadline:
            time.sleep(0.05)
        # Nor is the server left to count what nobody waits for.
        left = other.scalar(running)
    afterwards = scrape(app)

    monitored.close()
    assert (found["ringnote_database_up",], left) == (0, 0)
    assert took < IN_TIME
    assert afterwards["ringnote_database_up",] == 1


def test_a_schema_that_is_behind_counts_as_away(empty_database_url, tmp_path):
    chosen = {"database_url": empty_database_url, "metrics_token": METRICS_TOKEN}
    monitored = Runtime.from_settings(load_settings(chosen | {"data_dir": tmp_path}, environ={}))

    found = scrape(create_receiver(runtime=monitored))

    monitored.close()
    assert found["ringnote_database_up",] == 0
