"""What the API answers where it can't do what is asked."""

import pytest
import sqlalchemy as sa

from programs import LISTINGS, Program
from ringnote import create_app
from ringnote.models import Transcript
from ringnote.runtime import Runtime
from ringnote.settings import load_settings
from stories import settle

FAULTS = {
    "limit": ["0", "201", "x", "", "-1", "1.5", "1e2", "٣", "９", " 5", "1_0", "9" * 5000, "%00"],
    "clinic": ["0", "-1", "x", "9" * 19, "9" * 5000, "१", "%00", "%FF"],
    "since": ["today", "2026-11-24", "2026-11-24T00:00:00", "2026-13-01T00:00:00Z", "%00", ""],
    "until": [
        "0001-01-01T00:00:00%2B14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-11-24T00:00:00 00:00",
        "0000-01-01T00:00:00Z",
        "٢٠٢٦-11-24T00:00:00Z",
        "2026-11-24T00:00:00%2B99:99",
    ],
    "outcome": ["lost", "", "MISSED", "%00"],
    "number": ["2125550142", "+12125550142", "", "%00", "%2B0", "%2B" + "1" * 16, "%2B١٢١٢٥٥٥٠١٤٢"],
    "colour": ["red"],
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_parameter_is_named(program, clinic, name):
    for value in FAULTS[name]:
        answer = program.ask(f"/calls?{name}={value}")

        assert answer.status_code == 400, value
        assert answer.content_type == "application/problem+json"
        assert [fault["parameter"] for fault in answer.json["errors"]] == [name]
        assert answer.json["detail"].startswith(f"{name}: ")


def test_what_can_be_no_number_is_not_looked_up(program, clinic):
    for number in ("", "%00", "1%0A2", "x" * 65, "%7F"):
        answer = program.ask(f"/lookup?clinic={clinic.id}&number={number}")

        assert (answer.status_code, answer.json["errors"][0]["parameter"]) == (400, "number")


def test_every_fault_is_named_at_once(program, clinic):
    answer = program.ask("/calls?limit=0&since=x&colour=red&outcome=missed&outcome=missed")

    assert {fault["parameter"] for fault in answer.json["errors"]} == {
        *("limit", "since", "colour", "outcome")
    }
    [unknown] = [each for each in answer.json["errors"] if each["parameter"] == "colour"]
    for known in ("limit", "cursor", "clinic", "since", "until", "outcome", "number"):
        assert known in unknown["detail"]


def test_what_must_be_given_is_named(program):
    answer = program.ask("/lookup")

    assert [fault["parameter"] for fault in answer.json["errors"]] == ["clinic", "number"]


def test_a_fault_repeats_no_value(program, clinic):
    answer = program.ask(f"/lookup?clinic=%2B12125550142&number={'7' * 65}&x=2125550142")

    assert answer.status_code == 400
    assert "5550142" not in answer.text
    assert "777" not in answer.text


@pytest.mark.parametrize("path", LISTINGS)
def test_what_can_be_no_id_is_not_found(program, clinic, path):
    for last in ("0", "-1", "x", "1.0", "٣", "9" * 19, "9" * 5000, "%00", "%FF"):
        assert program.refused(f"{path}/{last}")[0] == 404, last


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_address_says_where_the_known_ones_are(app, program, method):
    for path in ("", "/", "/nothing", "/calls/", "/calls/1/notes", "/v2/calls"):
        for anybody in (program, Program(app, None)):
            status, detail = anybody.refused(path, method)

            assert status == 404
            assert "openapi.json" in detail


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
def test_nothing_can_be_written(program, method):
    for path in (*LISTINGS, "/calls/1", "/lookup", "/openapi.json"):
        assert program.refused(path, method) == (405, "The API only reads: use GET.")
        assert program.ask(path, method).headers["Allow"] == "GET, HEAD, OPTIONS"


def test_a_fault_of_ours_tells_nothing_of_itself(program, runtime, phone, caplog):
    phone.text("a text that is nobody's business")
    settle(runtime)
    with runtime.db.transaction() as session:
        [window] = session.scalars(sa.select(Transcript))
        bad = [{**window.summary["messages"][0], "is_attachment": "Jane Doe"}]
        window.summary = {**window.summary, "messages": bad}

    status, detail = program.refused(f"/conversations/{window.conversation_id}")

    assert status == 500
    assert "log" in detail
    assert "Jane" not in detail
    assert "api.failed" in caplog.text
    assert "Jane" not in caplog.text


def test_a_database_that_is_away_is_said_to_be(runtime):
    away = load_settings(
        {"database_url": "postgresql://nobody@127.0.0.1:9/none", "secret_key": "k" * 40},
        environ={},
    )
    away_runtime = Runtime.from_settings(away)
    app = create_app(runtime=away_runtime)
    answer = Program(app, "rn_any").ask("/clinics")
    pages = [app.test_client().get(path) for path in ("/", "/sign-in/a-link")]
    away_runtime.close()

    assert (answer.status_code, answer.json["status"]) == (503, 503)
    assert [page.status_code for page in pages] == [503, 503]
    assert all("database cannot be reached" in page.text for page in pages)
    assert int(answer.headers["Retry-After"]) > 0
