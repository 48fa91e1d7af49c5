"""HubSpot: the contract, and every request and answer held to HubSpot's own OpenAPI document."""

import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from connectors.hubspot_fake import Exchange, HubSpotPms
from connectors.served import served

from ringnote.connectors.base import Kind, Note, Rate, Task
from ringnote.connectors.hubspot import HubSpotConnector
from ringnote.connectors.hubspot_records import task_properties
from ringnote.errors import ConfigError, CredentialsRejected, RateLimited, Temporary
from ringnote.http import Http
from ringnote.testing import BODY, BODY_2, NAME, TITLE, ConnectorContract, Kept, gather
from ringnote.testing.repeating import Repeating

DOCUMENT = "HUBSPOT_OPENAPI"
"""The path of HubSpot's OpenAPI document of its CRM objects, which is not ours to pass on."""
NOTE = Note("501", TITLE, BODY, datetime(2026, 3, 2, 14, 30, tzinfo=UTC), "R-1")
TASK = Task("501", "Call back: missed call", BODY_2, NOTE.occurred_at, "R-2")


pms = served(HubSpotPms)


class TestHubSpotConnector(ConnectorContract):
    connector_class = HubSpotConnector
    unknown_client = "999999"


def test_a_transcript_is_a_communication_and_stays_one(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, ("+12125550142",))])
    connector = pms.connector(http)
    transcript = replace(NOTE, client_id=client_id, is_transcript=True)

    pms_id = connector.create_note(transcript, "key").pms_id
    found = connector.find_by_reference(Kind.NOTE, client_id, "R-1")
    connector.update_note(pms_id, replace(transcript, body="one more"))

    assert found == pms_id
    assert pms.kept(Kind.NOTE, client_id) == [Kept(pms_id, TITLE, "one more")]
    connector.delete_note(pms_id)
    assert pms.kept(Kind.NOTE, client_id) == []


def test_what_is_not_among_the_records_that_are_told_may_be_among_the_others(
    pms, http, monkeypatch
) -> None:
    monkeypatch.setattr("connectors.hubspot_fake.MOST_ASSOCIATED", 2)
    [client_id] = pms.add_clients([(NAME, ())])
    connector = pms.connector(http)
    for number in (1, 2, 3):
        note = replace(NOTE, client_id=client_id, body=f"Ringnote R-{number}")
        connector.create_note(note, f"key-{number}")

    assert connector.find_by_reference(Kind.NOTE, client_id, "R-2")
    with pytest.raises(Temporary, match="a part of this contact's records"):
        connector.find_by_reference(Kind.NOTE, client_id, "R-3")


@pytest.mark.parametrize(("priority", "there"), [("low", "LOW"), ("urgent", "HIGH")])
def test_a_task_has_a_priority_that_hubspot_knows(priority, there) -> None:
    assert task_properties(replace(TASK, priority=priority))["hs_task_priority"] == there


def test_what_looks_like_html_arrives_as_it_was_written(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, ("+12125550142",))])
    body = "is <b>it</b> 5 < 6 & 'so'?\nRingnote R-1"

    pms.connector(http).create_note(replace(NOTE, client_id=client_id, body=body), "key")

    [kept] = pms.kept(Kind.NOTE, client_id)
    assert kept.body == body


def test_searches_have_a_rate_of_their_own_and_an_account_may_have_another(pms, http) -> None:
    kinds: list[str] = []
    connector = pms.connector(http.knowing({}, kinds.append))
    connector.find_clients("+12125550142")
    connector.create_note(replace(NOTE, client_id=pms.add_clients([(NAME, ())])[0]), "key")

    higher = HubSpotConnector({"requests_in_10_seconds": "190"}, {"token": "pat-1"}, http)

    assert kinds == ["search", ""]
    searches = Rate(4, 1.0, "search", counts_for_all=True)
    assert connector.rates == (Rate(100, 10.0), searches)
    assert higher.rates == (Rate(190, 10.0), searches)


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [("SECONDLY", 1), ("TEN_SECONDLY_ROLLING", 10), ("DAILY", 3600), ("ANOTHER", None)],
)
def test_the_limit_that_was_reached_tells_when_to_come_back(http, httpserver, limit, seconds):
    told = {"status": "error", "errorType": "RATE_LIMIT", "policyName": limit}
    httpserver.expect_request("/crm/v3/objects/contacts").respond_with_json(told, 429)
    settings = {"base_url": httpserver.url_for("")}

    with pytest.raises(RateLimited) as raised:
        HubSpotConnector(settings, {"token": "t"}, http).check()

    assert raised.value.retry_after == seconds
    with pytest.raises(ConfigError, match="requests_in_10_seconds must be a whole number"):
        HubSpotConnector({"requests_in_10_seconds": "0"}, {"token": "pat-1"}, http)


def test_a_merged_contact_leads_to_the_one_it_was_merged_into(pms, http) -> None:
    winner, loser, *_ = pms.add_clients((f"Client {n}", (f"212-555-01{n:02}",)) for n in range(9))
    connector = pms.connector(http)
    *_, last = connector.iter_clients(None)
    pms.merge_clients(winner, loser)

    delta = gather(connector, {**last.cursor})

    assert (delta[loser].is_deleted, delta[loser].merged_into) == (True, winner)
    assert not delta[winner].is_deleted


def test_a_delta_of_more_than_a_search_tells_goes_on_where_it_ended(pms, http, monkeypatch) -> None:
    monkeypatch.setattr("ringnote.connectors.hubspot_contacts.SEARCH_ENDS", 400)
    monkeypatch.setattr("ringnote.connectors.hubspot_contacts.SEARCH_PAGE", 100)
    connector = pms.connector(http)
    *_, last = connector.iter_clients(None)
    ids = pms.add_clients((f"Client {n}", ()) for n in range(950))

    delta = gather(connector, last.cursor)

    assert set(delta) == set(ids)
    searches = [each for each in pms.seen if each[1].endswith("/search")]
    assert max(int(body["after"]) for *_, body, _, _ in searches if body) < 400


def test_a_walk_goes_on_from_every_cursor_it_gave(pms, http) -> None:
    connector = pms.connector(http)
    pms.add_clients((f"Client {n}", ()) for n in range(150))
    *_, full = connector.iter_clients(None)
    changed = pms.add_clients((f"Newcomer {n}", ()) for n in range(450))
    for client_id in changed[:220]:
        pms.remove_client(client_id)

    pages = list(connector.iter_clients(full.cursor))

    assert len(pages) > 3
    for number, page in enumerate(pages[:-1]):
        rest = list(connector.iter_clients(page.cursor))
        assert [each.clients for each in rest] == [each.clients for each in pages[number + 1 :]]


def test_the_portal_is_told_so_that_another_one_s_token_is_another_account(pms, http) -> None:
    assert pms.connector(http).check().identity == "4711"


def test_scopes_that_are_missing_are_named(httpserver, http) -> None:
    empty = {"results": []}
    httpserver.expect_request("/crm/v3/objects/contacts").respond_with_json(empty)
    httpserver.expect_request("/crm/v3/objects/calls").respond_with_json(empty)
    for kind in ("tasks", "communications"):
        httpserver.expect_request(f"/crm/v3/objects/{kind}").respond_with_json({}, status=403)
    connector = HubSpotConnector({"base_url": httpserver.url_for("")}, {"token": "pat-1"}, http)

    missing = connector.check().missing

    assert [re.findall(r"scopes of (\w+)", each) for each in missing] == [
        ["communications"],
        ["tasks"],
    ]


@pytest.mark.parametrize("status", [423, 477])
def test_an_account_on_the_move_is_tried_again_later(httpserver, http, status) -> None:
    httpserver.expect_request("/crm/v3/objects/calls").respond_with_json({}, status=status)
    connector = HubSpotConnector({"base_url": httpserver.url_for("")}, {"token": "pat-1"}, http)

    with pytest.raises(Temporary) as raised:
        connector.create_note(NOTE, "key")

    assert raised.value.status == status


def test_every_wrong_setting_is_named_and_none_is_quoted(http) -> None:
    wrong = {"base_url": "hubspot", "phone_properties": "Mobile No", "call_association": "x"}

    with pytest.raises(ConfigError) as raised:
        HubSpotConnector(wrong, {"token": "pat\n1"}, http)

    named = sorted(fault.split()[0] for fault in raised.value.faults)
    assert named == ["base_url", "call_association", "phone_properties", "token"]


def test_a_token_that_may_not_read_contacts_is_refused(httpserver, http) -> None:
    httpserver.expect_request("/crm/v3/objects/contacts").respond_with_json({}, status=403)
    connector = HubSpotConnector({"base_url": httpserver.url_for("")}, {"token": "pat-1"}, http)

    with pytest.raises(CredentialsRejected):
        connector.check()


def test_every_request_and_every_answer_is_as_hubspot_documents_it(pms, http) -> None:
    path = os.environ.get(DOCUMENT)
    if not path:
        pytest.skip(f"{DOCUMENT} names no OpenAPI document of HubSpot's CRM objects")
    document = json.loads(Path(path).read_text())
    do_everything(pms, http)

    faults = [fault for each in pms.seen for fault in find_faults(document, each)]

    # Whose account it is, a document of HubSpot's own tells that is not of its CRM objects.
    assert set(faults) == {"GET /account-info/v3/details is not documented"}
    assert {(method, re.sub("[0-9]+$", "*", path)) for method, path, *_ in pms.seen} >= {
        ("POST", "/crm/v3/objects/contacts/search"),
        ("POST", "/crm/v3/objects/communications"),
        ("POST", "/crm/v3/objects/calls/batch/read"),
        ("PATCH", "/crm/v3/objects/tasks/*"),
        ("DELETE", "/crm/v3/objects/calls/*"),
    }


def test_a_request_that_hubspot_does_not_document_is_noticed(pms, http) -> None:
    path = os.environ.get(DOCUMENT)
    if not path:
        pytest.skip(f"{DOCUMENT} names no OpenAPI document of HubSpot's CRM objects")
    document = json.loads(Path(path).read_text())
    body = {"properties": {"hs_timestamp": 17}}

    faults = find_faults(document, ("POST", "/crm/v3/objects/calls", {"x": "1"}, body, 201, None))

    assert len(faults) >= 3


def do_everything(pms: HubSpotPms, http: Http) -> None:
    """Have the connector make each of its requests."""
    connector = pms.connector(http)
    ids = pms.add_clients((f"Client {n}", (f"(212) 555-{n:04d}",)) for n in range(120))
    *_, last = connector.iter_clients(None)
    pms.rename_client(ids[0], NAME)
    pms.remove_client(ids[1])
    list(connector.iter_clients(last.cursor))
    connector.check()
    connector.find_clients("+12125550002")
    for note in (NOTE, replace(NOTE, is_transcript=True, reference="R-3")):
        pms_id = connector.create_note(note, "key").pms_id
        connector.update_note(pms_id, note)
        connector.find_by_reference(Kind.NOTE, note.client_id, note.reference)
        connector.delete_note(pms_id)
    pms_id = connector.create_task(TASK, "key").pms_id
    connector.update_task(pms_id, TASK)
    connector.complete_task(pms_id)
    connector.reopen_task(pms_id)
    connector.get_task(pms_id)
    connector.find_by_reference(Kind.TASK, TASK.client_id, TASK.reference)
    connector.delete_task(pms_id)


def find_faults(document: dict[str, Any], exchange: Exchange) -> list[str]:
    """In what an exchange differs from the document."""
    method, path, query, body, status, told = exchange
    operation = _operation(document, method, path)
    if operation is None:
        return [f"{method} {path} is not documented"]
    known = {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}
    faults = [f"{method} {path} has no ?{name}" for name in query.keys() - known]
    if body is not None:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        faults += _mismatches(document, schema, body)
    answer = operation["responses"].get(str(status), operation["responses"]["default"])
    if told is not None and "content" in answer:
        [content] = answer["content"].values()
        faults += _mismatches(document, content["schema"], told)
    return faults


def _operation(document: dict[str, Any], method: str, path: str) -> dict[str, Any] | None:
    # A literal path goes before one with an id in its place.
    for template in sorted(document["paths"], key=lambda each: each.count("{")):
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(pattern, path) and method.lower() in document["paths"][template]:
            found: dict[str, Any] = document["paths"][template][method.lower()]
            return found
    return None


def _mismatches(document: dict[str, Any], schema: dict[str, Any], value: object) -> list[str]:
    whole = {**schema, "components": document["components"]}
    return [error.message for error in jsonschema_rs.Draft202012Validator(whole).iter_errors(value)]


def test_a_list_of_archived_contacts_that_repeats_is_given_up(pms):
    since = "2100-01-01T00:00:00Z"
    for client_id in pms.add_clients((f"Client {number}", ()) for number in range(101)):
        pms.remove_client(client_id)
    repeating = Repeating()

    with pytest.raises(Temporary, match="the same page of archived contacts twice"):
        list(pms.connector(repeating).iter_clients({"since": since}))

    repeating.close()
