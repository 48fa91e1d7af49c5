import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ringnote.sandbox.faults import Fault, FaultKind, Faults
from ringnote.sandbox.people import invent_clients
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.store import Store
from running import wait_for

TOKEN = "the-token"
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}
NOTE = {
    "client_id": "C1001",
    "title": "Missed call",
    "body": "<script>alert(1)</script>",
    "occurred_at": "2026-03-02T14:30:00.000000Z",
    "reference": "R-1",
}
TASK = {"client_id": "C1001", "title": "Call back", "due_at": "2026-03-02T15:00:00Z"}


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store(":memory:")
    store.clients.add(invent_clients(60))
    yield store
    store.close()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def app(store: Store, faults: Faults) -> Flask:
    return create_pms(":memory:", TOKEN, store=store, faults=faults)


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return app.test_client()


def test_clients_are_found_by_name_animal_and_number(browser: FlaskClient, store: Store) -> None:
    client = store.clients.get("C1006")
    number = "".join(filter(str.isdigit, client["phones"][0]["number"]))[-10:]

    for text in (client["name"].upper(), client["patients"][0]["name"], number[:3] + "-" + number):
        shown = unescape(browser.get("/", query_string={"q": text[-12:]}).get_data(as_text=True))
        assert f"/clients/{client['id']}" in shown or "More →" in shown

    assert "Nobody fits" in browser.get("/?q=nobody+at+all").get_data(as_text=True)


def test_all_clients_are_reached_page_by_page(browser: FlaskClient) -> None:
    seen: list[str] = []

    for page in (1, 2, 3):
        shown = browser.get(f"/?page={page}").get_data(as_text=True)
        seen += re.findall(r'href="/clients/(C\d+)"', shown)

    assert len(seen) == len(set(seen)) == 60


def test_a_record_shows_its_notes_escaped(browser: FlaskClient, store: Store) -> None:
    store.records.add("note", NOTE, "")

    shown = browser.get("/clients/C1001").get_data(as_text=True)

    assert "Missed call" in shown
    assert "<script>alert" not in shown
    assert "&lt;script&gt;" in shown


def test_a_live_part_changes_only_when_the_record_does(browser: FlaskClient, store: Store) -> None:
    first = browser.get("/clients/C1001/record")
    unchanged = browser.get(
        "/clients/C1001/record", headers={"If-None-Match": first.headers["ETag"]}
    )
    store.records.add("note", NOTE, "")

    changed = browser.get("/clients/C1001/record", headers={"If-None-Match": first.headers["ETag"]})

    assert (first.status_code, unchanged.status_code, changed.status_code) == (200, 304, 200)
    assert "Missed call" in changed.get_data(as_text=True)
    assert "Missed call" in browser.get("/feed").get_data(as_text=True)


def test_a_person_marks_a_task_as_done(browser: FlaskClient, store: Store) -> None:
    content = {**TASK, "body": "", "assignee": "", "status": "open", "reference": ""}
    task, _ = store.records.add("task", content, "")

    answer = browser.post(f"/tasks/{task['id']}/status", data={"status": "done"})

    assert answer.headers["Location"] == f"/clients/C1001#{task['id']}"
    assert store.records.get("task", task["id"])["status"] == "done"


def test_a_person_edits_a_note_and_keeps_what_stood_there(
    browser: FlaskClient, store: Store
) -> None:
    note, _ = store.records.add("note", {**NOTE, "body": "\n<b>1</b>\n2"}, "")

    form = browser.get(f"/notes/{note['id']}").get_data(as_text=True)
    [body] = re.findall(r"<textarea[^>]*>\n(.*)</textarea>", form, re.DOTALL)
    answer = browser.post(
        f"/notes/{note['id']}",
        data={"title": note["title"], "body": unescape(body).replace("\n", "\r\n") + " Rex bites"},
    )
    refused = browser.post(f"/notes/{note['id']}", data={"title": " ", "body": "x"})

    assert answer.headers["Location"] == f"/clients/C1001#{note['id']}"
    kept = store.records.get("note", note["id"])
    assert (kept["body"], kept["reference"]) == ("\n<b>1</b>\n2 Rex bites", "R-1")
    assert refused.status_code == 422


def test_a_person_deletes_a_note_and_a_task(browser: FlaskClient, store: Store) -> None:
    note, _ = store.records.add("note", NOTE, "")
    content = {**TASK, "body": "", "assignee": "", "status": "open", "reference": ""}
    task, _ = store.records.add("task", content, "")

    answers = [browser.post(f"/{each}/delete") for each in (f"notes/{note['id']}", "tasks/T9999")]
    answers.append(browser.post(f"/tasks/{task['id']}/delete"))

    assert [each.status_code for each in answers] == [303, 404, 303]
    assert answers[0].headers["Location"] == "/clients/C1001"
    assert store.records.newest(10) == []


@pytest.mark.parametrize("path", ["/", "/clients/C1001", "/faults", "/feed"])
def test_no_page_runs_or_loads_what_is_not_its_own(browser: FlaskClient, path: str) -> None:
    answer = browser.get(path)
    shown = answer.get_data(as_text=True)

    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert not re.search(r'<script>|<style|\sstyle=|\son\w+=|src="http|href="http', shown)


@pytest.mark.parametrize("path", ["/", "/clients/C1001", "/faults"])
def test_every_field_of_a_page_has_a_label(browser: FlaskClient, path: str) -> None:
    shown = browser.get(path).get_data(as_text=True)

    for field in re.findall(r"<input[^>]*>", shown):
        if 'type="hidden"' not in field:
            [name] = re.findall(r'\bid="([^"]+)"', field)
            assert f'for="{name}"' in shown


def test_pages_and_faults_answer_this_machine_alone(browser: FlaskClient) -> None:
    for path in ("/", "/clients/C1001", "/faults", "/feed"):
        away = browser.get(path, environ_base={"REMOTE_ADDR": "192.0.2.7"})
        forwarded = browser.get(path, headers={"X-Forwarded-For": "192.0.2.7"})
        renamed = browser.get(path, headers={"Host": "evil.test"})
        assert {away.status_code, renamed.status_code, forwarded.status_code} == {403}


def test_what_dawdles_goes_on_once_that_is_switched_off(app: Flask, faults: Faults) -> None:
    faults.switch_on(Fault(FaultKind.SLOW, left=1, seconds=3600))

    with ThreadPoolExecutor() as pool:
        asked = pool.submit(app.test_client().get, "/api/v1/clients", headers=AUTHORISED)
        wait_for(lambda: faults.active() == [])
        assert not asked.done()
        faults.switch_off()

        assert asked.result().status_code == 200


def test_another_sites_form_switches_nothing(browser: FlaskClient, faults: Faults) -> None:
    answer = browser.post("/faults", data={"kind": "slow"}, headers={"Origin": "http://evil.test"})

    assert answer.status_code == 403
    assert faults.active() == []


def test_an_unknown_client_is_a_page_for_a_person(browser: FlaskClient) -> None:
    answer = browser.get("/clients/C9", headers={"Accept": "text/html"})

    assert answer.status_code == 404
    assert "no client has this id" in answer.get_data(as_text=True)


def test_faults_are_switched_by_json(browser: FlaskClient, faults: Faults) -> None:
    on = browser.post("/faults", json={"kind": "drop_after", "count": 2})
    more = browser.post("/faults", json={"kind": "rate_limit", "seconds": 9, "only": "writes"})

    assert [fault["kind"] for fault in on.json["faults"]] == ["drop_after"]
    assert more.json["faults"][1] == {
        "kind": "rate_limit",
        "count": None,
        "seconds": 9,
        "status": 500,
        "only": "writes",
    }
    assert browser.get("/faults", headers={"Accept": "application/json"}).json == more.json
    browser.post("/faults", json={"kind": "drop_after", "count": 0})
    assert [fault.kind for fault in faults.active()] == [FaultKind.RATE_LIMIT]
    assert browser.post("/faults", json={"kind": "none"}).json == {"faults": []}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "fire"},
        {"kind": "slow", "count": -1},
        {"kind": "slow", "seconds": 1e9},
        {"x": 1},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    browser: FlaskClient, faults: Faults, body: dict
) -> None:
    assert browser.post("/faults", json=body).status_code == 422
    assert faults.active() == []


def test_faults_are_switched_by_hand(browser: FlaskClient, faults: Faults) -> None:
    browser.post("/faults", data={"kind": "slow", "count": "3", "seconds": "0.5"})
    browser.post("/faults", data={"kind": "html", "count": ["1", "all"]})
    shown = browser.get("/faults").get_data(as_text=True)
    browser.post("/faults", data={"kind": "slow", "count": "0"})

    assert "on for 3 more" in shown
    assert "on for all" in shown
    assert faults.active() == [Fault(FaultKind.HTML)]


def test_a_counted_fault_ends_by_itself(browser: FlaskClient, faults: Faults) -> None:
    faults.switch_on(Fault(FaultKind.SERVER_ERROR, 2, status=503))

    met = [browser.get("/api/v1/notes", headers=AUTHORISED).status_code for _ in range(3)]

    assert met == [503, 503, 200]


def test_a_fault_of_writes_lets_reading_pass(browser: FlaskClient, faults: Faults) -> None:
    faults.switch_on(Fault(FaultKind.RATE_LIMIT, 1, seconds=4, only_writes=True))

    read = browser.get("/api/v1/notes", headers=AUTHORISED)
    written = browser.post("/api/v1/notes", json=NOTE, headers=AUTHORISED)
    again = browser.post("/api/v1/notes", json=NOTE, headers=AUTHORISED)

    assert (read.status_code, written.status_code, again.status_code) == (200, 429, 201)
    assert written.headers["Retry-After"] == "4"


def test_the_pages_never_meet_a_fault(browser: FlaskClient, faults: Faults) -> None:
    faults.switch_on(Fault(FaultKind.SERVER_ERROR))

    assert browser.get("/").status_code == 200
