"""FHIR R4: the contract, and what is special to the standard and to signing in by OAuth 2."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from connectors.fhir_fake import FhirPms
from connectors.served import served

from ringnote.connectors.base import Kind, Note, Task, TaskStatus
from ringnote.connectors.fhir import FhirConnector
from ringnote.connectors.fhir_resources import make_task
from ringnote.connectors.oauth import LIVES_SECONDS
from ringnote.errors import (
    ConfigError,
    OutcomeUnknown,
    RecordGone,
    RecordRejected,
    Temporary,
)
from ringnote.testing import BODY, NAME, TITLE, ConnectorContract, Kept, gather

WHEN = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
NOTE = Note("r-1", TITLE, BODY, WHEN, "R-1")
TASK = Task("r-1", "Call back: missed call", BODY, WHEN, "R-2")


pms = served(FhirPms)


class TestFhirConnector(ConnectorContract):
    connector_class = FhirConnector
    unknown_client = "r-999999"


def test_one_token_serves_many_threads(pms, http) -> None:
    connector = pms.connector(http)
    threads = [threading.Thread(target=connector.check) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(pms.tokens.given) == 1


def test_a_token_that_is_taken_no_longer_is_renewed_once(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, ())])
    connector = pms.connector(http)
    connector.check()
    pms.tokens.given.append("somebody-elses")

    connector.create_note(replace(NOTE, client_id=client_id), "key")

    assert len(pms.tokens.given) == 3
    assert len(pms.kept(Kind.NOTE, client_id)) == 1


def test_a_token_is_renewed_before_it_expires(pms, http, monkeypatch) -> None:
    pms.tokens.lives_seconds = 100
    connector = pms.connector(http)
    connector.check()
    now = 89.0

    monkeypatch.setattr("ringnote.connectors.oauth.time.monotonic", lambda: now + 1e9)
    connector.check()

    assert len(pms.tokens.given) == 2


@pytest.mark.parametrize(("lives", "fetched"), [("3600", 1), (None, 2), ("soon", 2), (-1, 2)])
def test_a_token_lives_as_long_as_is_told_in_whatever_form(
    pms, http, monkeypatch, lives, fetched
) -> None:
    pms.tokens.lives_seconds = lives
    connector = pms.connector(http)
    connector.check()
    later = time.monotonic() + 2 * LIVES_SECONDS

    monkeypatch.setattr("ringnote.connectors.oauth.time.monotonic", lambda: later)
    connector.check()

    assert len(pms.tokens.given) == fetched


def test_a_token_that_does_not_expire_needs_no_signing_in(pms, http) -> None:
    pms.tokens.given.append("a-fixed-one")
    connector = FhirConnector({"base_url": pms.root}, {"token": "a-fixed-one"}, http)

    assert connector.check().missing == ()
    assert pms.tokens.given == ["a-fixed-one"]


def test_a_patient_who_is_not_there_gets_no_note(pms, http) -> None:
    with pytest.raises(RecordRejected):
        pms.connector(http).create_note(replace(NOTE, client_id="r-77"), "key")

    assert pms.kept_resources["Communication"] == {}


def test_an_id_that_leads_elsewhere_is_refused_before_it_is_sent(pms, http) -> None:
    with pytest.raises(RecordRejected):
        pms.connector(http).create_note(replace(NOTE, client_id="../Task/1"), "key")

    assert pms.tokens.given == []


def test_what_is_withdrawn_is_marked_as_entered_in_error(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, ())])
    connector = pms.connector(http)
    pms_id = connector.create_note(replace(NOTE, client_id=client_id), "key").pms_id

    connector.delete_note(pms_id)

    assert pms.kept_resources["Communication"][pms_id]["status"] == "entered-in-error"
    assert connector.find_by_reference(Kind.NOTE, client_id, "R-1") is None
    with pytest.raises(RecordGone):
        connector.update_note(pms_id, NOTE)


def test_an_update_keeps_what_others_added(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, ())])
    connector = pms.connector(http)
    pms_id = connector.create_note(replace(NOTE, client_id=client_id), "key").pms_id
    pms.change("Communication", pms_id, {"priority": "urgent"})

    connector.update_note(pms_id, replace(NOTE, body="another"))

    kept = pms.kept_resources["Communication"][pms_id]
    assert (kept["priority"], kept["payload"]) == ("urgent", [{"contentString": "another"}])


@pytest.mark.parametrize(
    ("priority", "there"),
    [("low", "routine"), ("normal", "routine"), ("high", "urgent"), ("urgent", "asap")],
)
def test_a_task_has_its_priority_in_the_words_of_the_standard(priority, there) -> None:
    assert make_task(replace(TASK, priority=priority))["priority"] == there


def test_who_changes_it_at_the_same_time_is_not_overwritten(pms, http, monkeypatch) -> None:
    [client_id] = pms.add_clients([(NAME, ())])
    connector = pms.connector(http)
    pms_id = connector.create_task(replace(TASK, client_id=client_id), "key").pms_id
    read = FhirConnector._read

    def read_and_be_overtaken(self, kind, resource_id):
        stands = read(self, kind, resource_id)
        pms.close(resource_id)
        return stands

    monkeypatch.setattr(FhirConnector, "_read", read_and_be_overtaken)
    with pytest.raises(Temporary) as raised:
        connector.update_task(pms_id, TASK)

    assert raised.value.status == 412
    assert pms.kept_resources["Task"][pms_id]["status"] == "completed"


@pytest.mark.parametrize("status", ["completed", "cancelled", "rejected", "failed"])
def test_a_task_that_needs_nobody_any_more_is_done(pms, http, status) -> None:
    [client_id] = pms.add_clients([(NAME, ())])
    connector = pms.connector(http)
    pms_id = connector.create_task(replace(TASK, client_id=client_id), "key").pms_id
    pms.change("Task", pms_id, {"status": status})

    assert connector.get_task(pms_id) == TaskStatus(is_done=True)


def test_a_merged_patient_leads_to_the_one_that_replaces_it(pms, http) -> None:
    winner, loser = pms.add_clients([("Ada Ito", ()), ("Ada Itoh", ())])
    link = {"other": {"reference": f"Patient/{winner}"}, "type": "replaced-by"}
    pms.change("Patient", loser, {"link": [link], "active": False})

    walked = gather(pms.connector(http), None)

    assert walked[loser].merged_into == winner
    assert walked[winner].merged_into is None


def test_a_next_page_elsewhere_is_not_asked_for(pms, http, httpserver) -> None:
    elsewhere = "http://127.0.0.1:9/fhir/R4/Patient?page=2"
    bundle = {"resourceType": "Bundle", "link": [{"relation": "next", "url": elsewhere}]}
    httpserver.expect_request("/fhir/Patient").respond_with_json(bundle)
    connector = FhirConnector({"base_url": httpserver.url_for("/fhir")}, {"token": "t"}, http)

    with pytest.raises(Temporary, match="not its own"):
        list(connector.iter_clients(None))


def test_a_create_answered_by_location_alone_is_known(pms, http, httpserver) -> None:
    httpserver.expect_request("/fhir/Patient/r-1").respond_with_json({"resourceType": "Patient"})
    location = {"Location": "https://ehr.example.com/fhir/Communication/c-9/_history/1"}
    httpserver.expect_request("/fhir/Communication").respond_with_data("", 201, location)
    connector = FhirConnector({"base_url": httpserver.url_for("/fhir")}, {"token": "t"}, http)

    assert connector.create_note(NOTE, "key").pms_id == "c-9"


def test_an_error_under_201_leaves_open_whether_it_was_written(pms, http, httpserver) -> None:
    httpserver.expect_request("/fhir/Patient/r-1").respond_with_json({"resourceType": "Patient"})
    outcome = {"resourceType": "OperationOutcome", "issue": []}
    httpserver.expect_request("/fhir/Communication").respond_with_json(outcome, status=201)
    connector = FhirConnector({"base_url": httpserver.url_for("/fhir")}, {"token": "t"}, http)

    with pytest.raises(OutcomeUnknown):
        connector.create_note(NOTE, "key")


def test_rights_that_are_missing_are_named(pms, http, httpserver) -> None:
    bundle = {"resourceType": "Bundle", "entry": []}
    for kind in ("Patient", "Communication"):
        httpserver.expect_request(f"/fhir/{kind}").respond_with_json(bundle)
    httpserver.expect_request("/fhir/Task").respond_with_json({}, status=403)
    connector = FhirConnector({"base_url": httpserver.url_for("/fhir")}, {"token": "t"}, http)

    [missing] = connector.check().missing

    assert "Task" in missing


@pytest.mark.parametrize(("status", "body"), [(503, ""), (200, "<html>"), (200, "[]")])
def test_where_no_token_can_be_had_just_now_it_is_tried_again(
    httpserver, http, status, body
) -> None:
    httpserver.expect_request("/token").respond_with_data(body, status)
    settings = {
        "base_url": httpserver.url_for("/fhir"),
        "token_url": httpserver.url_for("/token"),
        "client_id": "c",
    }
    connector = FhirConnector(settings, {"client_secret": "s"}, http)

    with pytest.raises(Temporary):
        connector.create_note(NOTE, "key")


def test_every_wrong_setting_is_named_and_none_is_quoted(http) -> None:
    with pytest.raises(ConfigError) as raised:
        FhirConnector({"base_url": "ehr", "token_url": "x"}, {"client_secret": "a\nb"}, http)

    assert [fault.split()[0] for fault in raised.value.faults] == [
        "base_url",
        "token_url",
        "client_id",
        "client_secret",
    ]


def test_a_transcript_is_told_apart_from_a_call(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, ())])
    note = replace(NOTE, client_id=client_id, is_transcript=True)

    pms_id = pms.connector(http).create_note(note, "key").pms_id

    kept = pms.kept_resources["Communication"][pms_id]
    assert kept["medium"][0]["coding"][0]["code"] == "SMSWRIT"
    assert pms.kept(Kind.NOTE, client_id) == [Kept(pms_id, TITLE, BODY)]
