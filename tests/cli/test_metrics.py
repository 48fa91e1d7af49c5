"""`/metrics` of real processes: of `serve`, of `worker --metrics-port`, of gunicorn's workers."""

import socket
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests
from prometheus_client.multiprocess import MultiProcessCollector

from factories import make_client, make_clinic
from ringnote.clock import utc_now
from ringnote.delivery.connections import open_connection
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store
from ringnote.telephony.tokens import issue_webhook_token
from running import environment, run, running, url_of, wait_for
from scrapes import METRICS_TOKEN, SHOWING, read
from stories import CALLER, Phone

PMS_TOKEN = "a-token-of-the-pretend-pms"
GUNICORN = (str(Path(sys.executable).with_name("gunicorn")), "--worker-class", "gthread")


@pytest.fixture
def environ(runtime):
    return environment(runtime, RINGNOTE_METRICS_TOKEN=METRICS_TOKEN)


@pytest.fixture
def phone(runtime):
    """Of a clinic whose PMS is a pretend one that knows the caller."""
    store = Store(":memory:")
    jane = {"name": "Jane Doe", "phones": [{"number": CALLER, "label": ""}], "patients": []}
    [client_id] = store.clients.add([jane])
    clinic = make_clinic(runtime.db, container_id="123456")
    make_client(runtime.db, clinic, client_id, "Jane Doe", numbers=[CALLER])
    with Server(create_pms(":memory:", PMS_TOKEN, store=store)) as pms:
        with runtime.db.transaction() as session:
            settings, secrets = {"base_url": pms.url}, {"token": PMS_TOKEN}
            open_connection(
                session, runtime, clinic.id, "sandbox", settings, secrets, now=utc_now()
            )
        yield Phone(runtime, clinic)
    store.close()


def scrape(url):
    answer = requests.get(f"{url}/metrics", headers=SHOWING, timeout=10)
    assert answer.status_code == 200, answer.text
    return read(answer.text)


def written(url):
    return scrape(url).get(("ringnote_tries_total", "sandbox", "written"), 0)


def test_a_worker_tells_what_it_settled_and_wrote_at_a_port_of_its_own(environ, phone):
    phone.answered("u-1")

    with running(environ, "worker", "--metrics-port", "0") as worker:
        url = url_of(worker).removesuffix("/metrics")
        # A try is counted before what came of it is kept.
        wait_for(lambda: written(url) and not scrape(url)["ringnote_entries", "due"])
        found = scrape(url)
        refused = requests.get(f"{url}/metrics", timeout=10)
        elsewhere = [requests.get(url + path, timeout=10) for path in ("/", "/readyz")]

    assert url.startswith("http://127.0.0.1:")
    assert found["ringnote_tries_total", "sandbox", "written"] == 1
    assert found["ringnote_try_seconds_count", "sandbox"] == 1
    assert found["ringnote_settled_subjects_total",] >= 1
    assert refused.status_code == 401
    assert [answer.status_code for answer in elsewhere] == [404, 200]
    assert worker.returncode == 0


def test_serve_tells_of_its_webhooks_and_of_the_worker_inside(environ, phone):
    with running(environ, "serve", "--port", "0") as serve:
        url = url_of(serve)
        body = phone.body("HangupCall", "u-1", extNumber="101", callerIdNum=CALLER)
        requests.post(f"{url}/webhooks/{phone.token}", data=body, timeout=10)
        wait_for(lambda: written(url))
        found = scrape(url)

    assert found["ringnote_webhooks_total", "accepted"] == 1
    assert found["ringnote_tries_total", "sandbox", "written"] == 1


def test_a_worker_whose_metrics_nobody_could_read_does_not_start(environ):
    del environ["RINGNOTE_METRICS_TOKEN"]

    ran = run(environ, "worker", "--metrics-port", "0")

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("Error: RINGNOTE_METRICS_TOKEN is not set")


def test_a_port_that_is_taken_is_told_with_the_option_that_chooses_another(environ):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        ran = run(environ, "worker", "--metrics-port", port)

    assert ran.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken" in ran.stderr
    assert "--metrics-port" in ran.stderr


def test_a_worker_until_idle_has_no_port(environ):
    ran = run(environ, "worker", "--until-idle", "--metrics-port", "0")

    assert ran.returncode == 2
    assert "without --until-idle" in ran.stderr


def test_the_processes_of_one_server_count_together_where_they_share_a_folder(
    environ, runtime, tmp_path
):
    clinic = make_clinic(runtime.db, container_id="123456")
    with runtime.db.transaction() as session:
        token = issue_webhook_token(session, clinic.id, utc_now())
    (tmp_path / "counts").mkdir()
    environ |= {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "counts")}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    body = urlencode({"eventType": "HangupCall", "containerId": "123456", "callUuid": "u-1"})
    words = ["-b", f"127.0.0.1:{port}", "-w", "2", "--threads", "2", "wsgi:webhooks"]

    posted = 0

    def have_both_counted():
        nonlocal posted
        # Each by a connection of its own, which either process may take.
        posted += 1
        requests.post(f"{url}/webhooks/{token}", data=body, timeout=10)
        return sum(has_counted(path) for path in (tmp_path / "counts").iterdir()) == 2

    with running(environ, *words, command=GUNICORN):
        wait_for(lambda: is_up(url))
        wait_for(have_both_counted)
        scrapes = [scrape(url) for _ in range(10)]

    assert posted > 1
    assert {found["ringnote_webhooks_total", "accepted"] for found in scrapes} == {posted}
    assert {found["ringnote_webhook_seconds_count",] for found in scrapes} == {posted}


def has_counted(path):
    """Whether the process that this file is of has taken a webhook."""
    metrics = MultiProcessCollector.merge([str(path)])
    samples = [sample for metric in metrics for sample in metric.samples]
    return any(each.labels.get("answer") == "accepted" and each.value for each in samples)


def is_up(url):
    try:
        return requests.get(f"{url}/healthz", timeout=5).status_code == 200
    except requests.RequestException:
        return False
