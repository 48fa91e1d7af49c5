from collections.abc import Iterator

import pytest
import requests

from ringnote.sandbox.clients import is_same_number
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store

TOKEN = "the-token"
CLIENT = {"name": "Ada Park", "phones": [{"number": "(212) 555-0142", "label": "mobile"}]}
NOTE = {
    "client_id": "C1001",
    "title": "Missed call",
    "body": "Nobody answered.",
    "occurred_at": "2026-03-02T09:30:00-05:00",
    "reference": "R-1",
}
TASK = {"client_id": "C1001", "title": "Call back", "due_at": "2026-03-02T15:00:00Z"}


class Pms:
    """The API as a client of it sees it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {TOKEN}"

    def __call__(self, method: str, path: str, **more) -> tuple[int, dict]:
        answer = self.session.request(method, f"{self.server.url}/api/v1{path}", **more)
        return answer.status_code, answer.json() if answer.content else {}


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store(":memory:")
    yield store
    store.close()


@pytest.fixture
def pms(store: Store) -> Iterator[Pms]:
    with Server(create_pms(":memory:", TOKEN, store=store)) as server:
        pms = Pms(server)
        assert pms("POST", "/clients", json=CLIENT)[0] == 201
        yield pms
        pms.session.close()


def code(answer: tuple[int, dict]) -> tuple[int, str]:
    status, body = answer
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    return status, body["error"]["code"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic the-token", TOKEN])
def test_only_the_token_lets_in(pms: Pms, header: str) -> None:
    for path in ("/clients", "/notes", "/tasks/T1"):
        assert code(pms("GET", path, headers={"Authorization": header})) == (401, "unauthorized")


def test_a_client_is_told_whole(pms: Pms) -> None:
    status, page = pms("GET", "/clients")

    [client] = page["items"]
    assert client.pop("updated_at").endswith("Z")
    assert (status, page["next_cursor"]) == (200, None)
    assert client == {"id": "C1001", "patients": [], "deleted": False, **CLIENT}


def test_a_number_may_come_without_a_label(pms: Pms) -> None:
    _, client = pms("POST", "/clients", json={"name": "Ben Ito", "phones": ["212-555-0143"]})

    assert client["phones"] == [{"number": "212-555-0143", "label": ""}]


@pytest.mark.parametrize("phones", [[""], [" "], [5], "212-555-0143", [{"label": "home"}]])
def test_a_number_that_is_none_is_refused(pms: Pms, phones: object) -> None:
    assert code(pms("POST", "/clients", json={"name": "Ben", "phones": phones}))[0] == 422


def test_pages_end_with_no_cursor_and_hold_everybody_once(pms: Pms, store: Store) -> None:
    store.clients.add([{"name": f"N{n}", "phones": [], "patients": []} for n in range(9)])
    seen: list[str] = []
    query = {"limit": "4"}

    while True:
        _, page = pms("GET", "/clients", params=query)
        seen += [client["id"] for client in page["items"]]
        if not page["next_cursor"]:
            break
        query["cursor"] = page["next_cursor"]

    assert seen == [f"C{1001 + n}" for n in range(10)]


def test_a_delta_lists_the_deleted_and_a_full_list_does_not(pms: Pms, store: Store) -> None:
    [gone, _] = store.clients.add([{"name": n, "phones": [], "patients": []} for n in ("A", "B")])
    since = pms("GET", "/clients")[1]["items"][-1]["updated_at"]
    store.clients.remove(gone)

    delta = pms("GET", "/clients", params={"updated_since": since})[1]["items"]
    everybody = pms("GET", "/clients")[1]["items"]

    assert [(client["id"], client["deleted"]) for client in delta][-1] == (gone, True)
    assert gone not in [client["id"] for client in everybody]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("(212) 555-0142", "+12125550142", True),
        ("212.555.0142 ext. 7", "12125550142", True),
        ("011 44 7700 900123", "+447700900123", True),
        ("07700 900123", "+44 7700 900123", True),
        ("+1 770 090 0123", "+44 7700 900123", False),
        ("212-555-0142", "212-555-0143", False),
        ("", "", False),
        ("none", "+12125550142", False),
    ],
)
def test_a_number_is_itself_in_any_spelling(one: str, other: str, is_same: bool) -> None:
    assert is_same_number(one, other) is is_same
    assert is_same_number(other, one) is is_same


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "x"},
        {"limit": "²"},
        {"cursor": "nonsense"},
        {"cursor": "WzEsIDJd"},
        {"updated_since": "yesterday"},
        {"updated_since": "2026-03-02T09:00:00"},
        {"phon": "212"},
    ],
)
def test_a_wrong_query_is_refused(pms: Pms, query: dict[str, str]) -> None:
    assert code(pms("GET", "/clients", params=query)) == (400, "bad_request")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"text"', b'{"title": "\\ud83d"}', b"\xff\xfe"]
)
def test_a_body_that_is_no_json_object_is_refused(pms: Pms, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}

    assert code(pms("POST", "/notes", data=body, headers=headers)) == (400, "bad_request")


def test_a_body_must_say_that_it_is_json(pms: Pms) -> None:
    assert code(pms("POST", "/notes", data=NOTE)) == (400, "bad_request")


@pytest.mark.parametrize(
    "over",
    [
        {"client_id": 1001},
        {"title": " "},
        {"title": "x" * 201},
        {"body": None},
        {"body": "x" * 20_001},
        {"occurred_at": "2026-03-02T09:30:00"},
        {"occurred_at": 1_770_000_000},
        {"colour": "red"},
    ],
)
def test_a_wrong_field_is_named(pms: Pms, over: dict) -> None:
    status, body = pms("POST", "/notes", json={**NOTE, **over})

    assert status == 422
    assert body["error"]["message"].startswith(next(iter(over)))


@pytest.mark.parametrize("kind", ["notes", "tasks"])
def test_an_unknown_client_is_refused_and_a_deleted_one(pms: Pms, store: Store, kind: str) -> None:
    record = NOTE if kind == "notes" else TASK

    assert code(pms("POST", f"/{kind}", json={**record, "client_id": "C9"}))[0] == 422
    store.clients.remove("C1001")
    assert code(pms("POST", f"/{kind}", json=record)) == (409, "client_deleted")


@pytest.mark.parametrize(("kind", "record"), [("notes", NOTE), ("tasks", TASK)])
def test_a_key_seen_before_gives_the_same_record(pms: Pms, kind: str, record: dict) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first_status, first = pms("POST", f"/{kind}", json=record, headers=headers)

    status, again = pms("POST", f"/{kind}", json={**record, "title": "later"}, headers=headers)
    _, other = pms("POST", f"/{kind}", json=record)

    assert (first_status, status) == (201, 200)
    assert again == first
    assert other["id"] != first["id"]


def test_a_key_outlives_the_record_it_wrote(pms: Pms) -> None:
    headers = {"Idempotency-Key": "k-1"}
    _, first = pms("POST", "/notes", json=NOTE, headers=headers)
    pms("DELETE", f"/notes/{first['id']}")

    status, again = pms("POST", "/notes", json=NOTE, headers=headers)

    assert (status, again["id"]) == (200, first["id"])


def test_a_note_is_read_changed_and_deleted(pms: Pms) -> None:
    _, made = pms("POST", "/notes", json=NOTE)
    path = f"/notes/{made['id']}"

    changed = pms("PATCH", path, json={"title": "Answered"})[1]

    assert made["occurred_at"] == "2026-03-02T14:30:00.000000Z"
    assert pms("GET", path) == (200, changed)
    assert (changed["title"], changed["body"]) == ("Answered", NOTE["body"])
    assert pms("DELETE", path) == (204, {})
    for method in ("GET", "DELETE"):
        assert code(pms(method, path)) == (404, "not_found")
    assert code(pms("PATCH", path, json={}))[0] == 404


@pytest.mark.parametrize("over", [{"client_id": "C1"}, {"occurred_at": None}, {"title": ""}])
def test_a_wrong_change_is_refused_and_changes_nothing(pms: Pms, over: dict) -> None:
    _, made = pms("POST", "/notes", json=NOTE)

    assert code(pms("PATCH", f"/notes/{made['id']}", json=over))[0] == 422
    assert pms("GET", f"/notes/{made['id']}")[1] == made


def test_a_task_is_done_and_opened_again(pms: Pms) -> None:
    _, made = pms("POST", "/tasks", json=TASK)
    path = f"/tasks/{made['id']}"

    done = pms("PATCH", path, json={"status": "done"})[1]
    opened = pms("PATCH", path, json={"status": "open"})[1]

    assert (made["status"], done["status"], opened["status"]) == ("open", "done", "open")
    assert done["completed_at"] is not None
    assert opened["completed_at"] is None
    assert code(pms("PATCH", path, json={"status": "closed"}))[0] == 422


def test_records_are_listed_by_client_and_reference(pms: Pms, store: Store) -> None:
    store.clients.add([{"name": "B", "phones": [], "patients": []}])
    for client, reference in (("C1001", "R-1"), ("C1001", "R-2"), ("C1002", "R-1")):
        pms("POST", "/notes", json={**NOTE, "client_id": client, "reference": reference})

    both = pms("GET", "/notes", params={"client_id": "C1001"})[1]["items"]
    one = pms("GET", "/notes", params={"client_id": "C1001", "reference": "R-2"})[1]["items"]
    first = pms("GET", "/notes", params={"limit": "2"})[1]
    rest = pms("GET", "/notes", params={"limit": "2", "cursor": first["next_cursor"]})[1]

    assert [note["reference"] for note in both] == ["R-1", "R-2"]
    assert [note["reference"] for note in one] == ["R-2"]
    assert len(first["items"]) == 2
    assert (len(rest["items"]), rest["next_cursor"]) == (1, None)


def test_a_note_is_no_task(pms: Pms) -> None:
    _, note = pms("POST", "/notes", json=NOTE)

    assert code(pms("GET", f"/tasks/{note['id']}"))[0] == 404


def test_an_unknown_path_or_method_is_answered_as_json(pms: Pms) -> None:
    assert code(pms("GET", "/appointments"))[0] == 404
    assert code(pms("PUT", "/notes", json=NOTE))[0] == 405


def test_a_file_keeps_records_and_keys(tmp_path) -> None:
    path = tmp_path / "pms.sqlite3"
    content = {**NOTE, "occurred_at": "2026-03-02T14:30:00.000000Z"}
    before = Store(path)
    before.clients.add([{**CLIENT, "patients": []}])
    written, _ = before.records.add("note", content, "k")
    before.close()

    after = Store(path)

    assert after.records.get("note", written["id"]) == written
    assert after.records.add("note", content, "k") == (written, False)
    after.close()


def test_a_merge_gives_the_survivor_numbers_animals_and_records_and_is_told(pms: Pms) -> None:
    other = {"name": "Ada Parker", "phones": ["(312) 555-0143"], "patients": [{"name": "Fig"}]}
    _, added = pms("POST", "/clients", json=other)
    _, note = pms("POST", "/notes", json={**NOTE, "client_id": added["id"]})

    status, merged = pms("POST", f"/clients/{added['id']}/merge", json={"into": "C1001"})

    assert (status, merged["deleted"], merged["merged_into"]) == (200, True, "C1001")
    _, survivor = pms("GET", "/clients/C1001")
    assert "(312) 555-0143" in {phone["number"] for phone in survivor["phones"]}
    assert {"name": "Fig"} in survivor["patients"]
    _, moved = pms("GET", f"/notes/{note['id']}")
    assert moved["client_id"] == "C1001"
    _, delta = pms("GET", "/clients?updated_since=2020-01-01T00:00:00Z")
    assert {each["id"]: each.get("merged_into") for each in delta["items"]} == {
        "C1001": None,
        added["id"]: "C1001",
    }


@pytest.mark.parametrize(("into", "status"), [("C1001", 422), ("C9", 404), ("", 422)])
def test_a_client_is_merged_only_into_another_living_one(pms: Pms, into: str, status: int) -> None:
    answered, _ = pms("POST", "/clients/C1001/merge", json={"into": into})

    assert answered == status
