"""A clinic connected to its PMS from the console, and its connection tested, paused and ended."""

import re
import socket
import threading

import flask
import pytest

from factories import make_clinic, make_connection, make_entry
from ringnote import Ringnote, person
from ringnote.connectors.rest.examples import examples
from ringnote.delivery.connections import find_connection
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store
from ringnote.web.console import connect as form
from ringnote.web.console import connection as page

TOKEN = "the-token-0142"


@pytest.fixture
def clinic(runtime):
    return make_clinic(runtime.db, name="Oak Street Vets")


@pytest.fixture
def store():
    store = Store(":memory:")
    yield store
    store.close()


@pytest.fixture
def pms(store):
    with Server(create_pms(":memory:", TOKEN, store=store)) as server:
        yield server.url


@pytest.fixture
def silent():
    """The address of a PMS that takes requests and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


class Browser:
    """One person's browser, on the pages of one clinic."""

    def __init__(self, runtime, clinic, role="admin", prefix=""):
        host = flask.Flask("host")
        someone = person("kim", role, [clinic.id])
        Ringnote(host, runtime=runtime, url_prefix=prefix, current_user=lambda: someone)
        self.client, self.clinic, self.prefix = host.test_client(), clinic, prefix

    def get(self, path="/connection", **query):
        return self.client.get(self.prefix + path, query_string={"clinic": self.clinic.id, **query})

    def post(self, path, shown, **fields):
        """Post the form that stands on the page `shown`, with these fields changed."""
        data = dict(re.findall(r'type="hidden" name="([\w-]+)" value="([^"]*)"', shown))
        return self.client.post(self.prefix + path, data=data | fields)

    def connect(self, pms, token=TOKEN, **more):
        shown = self.get("/connection/connect", connector="sandbox").text
        fields = {"set-base_url": pms, "set-token": token, **more}
        return self.post("/connection/connect", shown, **fields)


@pytest.fixture
def admin(runtime, clinic):
    return Browser(runtime, clinic)


def in_use(runtime, clinic):
    with runtime.db.reading() as session:
        return find_connection(session, clinic.id)


def test_a_clinic_is_connected_and_tested_then_paused_resumed_and_ended(
    runtime, clinic, store, pms
):
    admin = Browser(runtime, clinic, prefix="/phones")
    phones = [{"number": "+12125550142", "label": ""}]
    [client] = store.clients.add([{"name": "Jane Doe", "phones": phones, "patients": []}])
    home = admin.get("/").text
    assert f"/phones/connection/connect?clinic={clinic.id}" in home

    done = admin.connect(pms + "/", **{"set-rate": "100/10", "since": "2026-07-01"})
    shown = admin.client.get(done.location).text
    tested = admin.post("/connection/test", shown, client=client).text
    admin.post("/connection/pause", shown)
    paused = admin.get().text
    admin.post("/connection/resume", shown)
    connection = in_use(runtime, clinic)
    ended = admin.post("/connection/end", shown)
    trail = re.findall(r"<span>kim ([^<]*)</span>", admin.get().text)

    assert connection.settings == {"base_url": pms + "/", "rate": "100/10"}
    assert runtime.vault.open(connection.secrets) == {"token": TOKEN}
    assert f"{connection.since:%Y-%m-%d %H}" == "2026-07-01 04"
    assert "It is as it should be" in tested
    assert "Remove the task: removed" in tested
    assert list(store.records.after("note", 0, 9, client_id=client)) == []
    assert "Paused by kim" in paused
    assert trail == [
        "disconnected it from Sandbox PMS",
        "resumed Sandbox PMS",
        "paused Sandbox PMS",
        "connected it to Sandbox PMS",
    ]
    assert in_use(runtime, clinic) is None
    assert ended.status_code == 302
    assert TOKEN not in shown + tested + paused


def test_what_is_wrong_is_said_at_its_field_and_the_secret_is_not_shown_again(
    runtime, clinic, admin
):
    answer = admin.connect("oak", **{"set-rate": "often"})

    assert answer.status_code == 400
    for name, said in (
        ("base_url", "Base address must be a web address"),
        ("rate", "Rate must be"),
    ):
        assert re.search(rf'id="set-{name}-fault"><p>{said}', answer.text)
    assert 'value="often"' in answer.text
    assert TOKEN not in answer.text
    assert "Token is missing (" in admin.connect("http://127.0.0.1:9", token=" ").text
    assert "is no date" in admin.connect("http://127.0.0.1:9", since="soon").text
    assert in_use(runtime, clinic) is None


def test_an_account_that_is_refused_is_connected_and_says_so(runtime, clinic, admin, pms):
    answer = admin.connect(pms, token="wrong-0142")

    assert "signing in failed just now" in answer.text
    assert in_use(runtime, clinic) is not None
    assert "wrong-0142" not in answer.text
    tested = admin.post("/connection/test", answer.text).text
    assert "Not as it should be" in tested
    assert "The account is refused: nothing is written, and nothing is lost." in tested


def test_a_pms_that_never_answers_holds_the_page_up_no_longer_than_it_may(
    runtime, clinic, admin, silent, monkeypatch
):
    monkeypatch.setattr(form, "SIGN_IN_SECONDS", 0.3)
    monkeypatch.setattr(page, "TRIAL_SECONDS", 0.0)

    connected = admin.connect(silent).text
    tested = admin.post("/connection/test", connected).text
    monkeypatch.setattr(form, "SIGN_IN_SECONDS", 0.0)
    again = admin.connect(silent).text

    assert "did not answer in time" in connected
    for told in (tested, again):
        assert "took too long altogether" in told


def test_another_account_s_entries_are_not_written_here_unasked(runtime, clinic, admin, pms):
    make_entry(runtime.db, clinic, make_connection(runtime.db, clinic))
    former = in_use(runtime, clinic)

    refused = admin.connect(pms)
    kept = in_use(runtime, clinic).id
    admin.connect(pms, since="2026-11-20")

    assert (refused.status_code, kept) == (400, former.id)
    assert "Give a day since when to write: of today" in refused.text
    assert in_use(runtime, clinic).id != former.id


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_who_is_no_admin_sees_no_form_and_posts_none(runtime, clinic, admin, pms, role):
    other = Browser(runtime, clinic, role)
    shown = admin.get("/connection/connect", connector="sandbox").text

    assert other.get().status_code == 403
    assert other.get("/connection/connect", connector="sandbox").status_code == 403
    assert other.post("/connection/connect", shown).status_code == 403
    assert "Connect its PMS" not in other.get("/").text
    assert in_use(runtime, clinic) is None


def test_a_clinic_of_others_an_unknown_connector_and_a_foreign_form_are_refused(
    runtime, clinic, admin
):
    elsewhere = make_clinic(runtime.db, name="Elm")

    assert admin.get(clinic=elsewhere.id).status_code == 404
    unknown = admin.get("/connection/connect", connector="sandbx")
    assert unknown.status_code == 400
    assert "did you mean sandbox?" in unknown.text
    shown = admin.get("/connection/connect", connector="sandbox").text
    assert admin.post("/connection/connect", shown, form_token="x").status_code == 400
    assert admin.post("/connection/connect", shown, connector="sandbx").status_code == 400


def test_of_two_admins_at_once_one_is_told_that_it_was_changed_meanwhile(
    runtime, clinic, admin, pms
):
    shown = admin.get("/connection/connect", connector="sandbox").text
    fields = {"set-base_url": pms, "set-token": TOKEN}
    answers = []

    def post(other):
        own = other.get("/connection/connect", connector="sandbox").text
        token = dict(re.findall(r'name="(form_token)" value="([^"]*)"', own))
        answers.append(other.post("/connection/connect", shown, **fields, **token))

    # Made one by one: that compiles code, which Python 3.11 does not bear in two threads at once.
    browsers = [Browser(runtime, clinic) for _ in range(2)]
    both = [threading.Thread(target=post, args=[each]) for each in browsers]
    for each in both:
        each.start()
    for each in both:
        each.join()

    assert sorted(each.status_code for each in answers) == [302, 400]
    [told] = [each.text for each in answers if each.status_code == 400]
    assert "was changed meanwhile" in told
    assert in_use(runtime, clinic) is not None


def test_a_description_says_by_itself_what_else_is_asked_for(runtime, clinic, admin, pms):
    first = admin.get("/connection/connect", connector="rest").text
    fields = {"set-file": examples()["sandbox"], "set-base_url": pms, "set-token": TOKEN}

    second = admin.post("/connection/connect", first, **fields).text
    done = admin.post("/connection/connect", second, **fields)
    wrong = admin.post("/connection/connect", first, **{"set-file": "title = 1"})

    assert 'inputmode="url" id="set-base_url"' in second
    assert 'type="password" id="set-token"' in second
    assert done.status_code == 302
    assert "signed" not in admin.client.get(done.location).text
    assert in_use(runtime, clinic).connector == "rest"
    assert 'id="set-file-fault"><p>File: base_url: is missing' in wrong.text
