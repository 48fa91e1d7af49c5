"""Provet Cloud: the contract, and what is special to what is known of it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from connectors.provet_fake import PAGE, ProvetPms
from connectors.served import served

from ringnote.connectors.base import Kind, Note, Rate, Task
from ringnote.connectors.provet import ProvetConnector, ProvetNotesConnector
from ringnote.errors import ConfigError, CredentialsRejected, RecordRejected, Temporary
from ringnote.testing import BODY, NAME, NUMBER, TITLE, ConnectorContract, Kept, gather

WHEN = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
NOTE = Note("1", TITLE, BODY, WHEN, "R-1")
TASK = Task("1", "Call back: missed call", BODY, WHEN, "R-2")

pms = served(ProvetPms)


class TestProvetConnector(ConnectorContract):
    connector_class = ProvetConnector
    unknown_client = "999999"
    assignee = "75"


def test_callbacks_are_notes_until_it_is_known_how_a_done_task_is_told(pms, http) -> None:
    connector = pms.connector(http, done_status="")

    able = connector.capabilities
    assert isinstance(connector, ProvetNotesConnector)
    assert (able.tasks, able.read_tasks, able.update_note) == (False, False, True)
    assert connector.check().missing == ()


def test_each_kind_of_list_has_a_rate_of_its_own(pms, http) -> None:
    kinds: list[str] = []
    [client_id] = pms.add_clients([(NAME, (NUMBER,))])
    connector = pms.connector(http.knowing({}, kinds.append))

    connector.find_clients(NUMBER)
    pms_id = connector.create_task(replace(TASK, client_id=client_id), "key").pms_id
    connector.get_task(pms_id)
    connector.find_by_reference(Kind.NOTE, client_id, "R-1")

    assert kinds == ["", "client", "", "task", "note"]
    assert {"", *kinds} == {each.kind for each in connector.rates}
    assert Rate(50, 60.0, "note") in connector.rates


def test_a_number_is_found_whole_where_the_filter_wants_it_whole(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, (NUMBER,))])
    connector = pms.connector(http, phone_filter="phonenumbers.phone_number__is")

    assert [each.id for each in connector.find_clients(NUMBER)] == [client_id]
    assert connector.check().missing == ()


def test_nobody_is_found_by_the_end_of_a_number_alone(pms, http) -> None:
    ids = pms.add_clients([("Ada Ito", ("+12125550142",)), ("Ben Ito", ("+13105550142",))])

    found = pms.connector(http).find_clients(NUMBER)

    assert [each.id for each in found] == ids[:1]


def test_filters_that_are_not_heeded_are_named(pms, http) -> None:
    first, second = pms.add_clients([("Ada Ito", ()), ("Ben Ito", (NUMBER,))])
    wrong = pms.connector(http, phone_filter="mobile__is", client_filter="owner")
    for client_id in (first, second):
        wrong.create_note(replace(NOTE, client_id=client_id), "key")

    missing = wrong.check().missing

    assert [each.partition(":")[0] for each in missing] == [
        "search by number",
        "look up notes of a client",
    ]
    with pytest.raises(Temporary, match="client_filter"):
        wrong.find_by_reference(Kind.NOTE, first, "R-7")


def test_a_search_that_heeds_no_number_ends(pms, http) -> None:
    pms.add_clients((f"Client {n}", ()) for n in range(6 * PAGE))

    with pytest.raises(Temporary, match="phone_filter"):
        pms.connector(http, phone_filter="mobile__is").find_clients(NUMBER)


def test_numbers_that_are_told_elsewhere_are_named(pms, http) -> None:
    pms.add("client", {"phone_numbers": [f"{pms.root}phonenumber/1/"], "archived": False})

    [missing] = pms.connector(http).check().missing

    assert missing.startswith("read clients' numbers")


def test_rights_that_are_missing_are_named(pms, http, httpserver) -> None:
    empty = {"results": [], "next": None}
    token = {"access_token": "t", "expires_in": 60}
    httpserver.expect_request("/1/oauth2/token/").respond_with_json(token)
    httpserver.expect_request("/1/api/0.1/client/").respond_with_json(empty)
    httpserver.expect_request("/1/api/0.1/note/").respond_with_json({}, status=403)
    httpserver.expect_request("/1/api/0.1/task/").respond_with_json(empty)

    [missing] = pms.connector(http, base_url=httpserver.url_for("/1")).check().missing

    assert missing.startswith("read notes")


def test_an_address_of_something_else_is_told_as_such(pms, http, httpserver) -> None:
    token = {"access_token": "t", "expires_in": 60}
    httpserver.expect_request("/1/oauth2/token/").respond_with_json(token)
    httpserver.expect_request("/1/api/0.1/client/").respond_with_json({}, status=404)

    with pytest.raises(CredentialsRejected, match="base_url"):
        pms.connector(http, base_url=httpserver.url_for("/1")).check()


def test_a_walk_whose_page_is_gone_has_come_to_the_end(pms, http) -> None:
    ids = pms.add_clients((f"Client {n}", ()) for n in range(PAGE + 1))
    connector = pms.connector(http)
    first = next(iter(connector.iter_clients(None)))
    del pms.records["client"][int(ids[-1])]

    [last] = connector.iter_clients(first.cursor)

    assert (last.clients, list(last.cursor)) == ((), ["since"])


def test_what_changes_during_a_walk_is_told_by_the_next_one(pms, http) -> None:
    ids = pms.add_clients((f"Client {n}", ()) for n in range(PAGE + 1))
    pages = pms.connector(http).iter_clients(None)
    next(pages)
    pms.rename_client(ids[0], "Renamed Meanwhile")
    pms.rename_client(ids[-1], "Renamed Later")
    *_, last = pages

    assert gather(pms.connector(http), last.cursor)[ids[0]].name == "Renamed Meanwhile"


def test_a_next_page_elsewhere_is_not_asked_for(pms, http, httpserver) -> None:
    token = {"access_token": "t", "expires_in": 60}
    httpserver.expect_request("/1/oauth2/token/").respond_with_json(token)
    page = {"results": [], "next": "http://127.0.0.1:9/1/api/0.1/client/?page=2"}
    httpserver.expect_request("/1/api/0.1/client/").respond_with_json(page)

    with pytest.raises(Temporary, match="not its own"):
        list(pms.connector(http, base_url=httpserver.url_for("/1")).iter_clients(None))


def test_who_is_no_user_there_is_named_in_the_text(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, ())])
    task = replace(TASK, client_id=client_id, assignee="Front desk")

    pms_id = pms.connector(http).create_task(task, "key").pms_id

    assert pms.kept(Kind.TASK, client_id) == [
        Kept(pms_id, TASK.title, f"For Front desk\n{TASK.body}")
    ]


def test_an_id_that_leads_elsewhere_is_refused_before_it_is_sent(pms, http) -> None:
    with pytest.raises(RecordRejected):
        pms.connector(http).create_note(replace(NOTE, client_id="../task/1"), "key")

    assert pms.tokens.given == []


def test_every_wrong_setting_is_named_and_none_is_quoted(http) -> None:
    wrong = {"base_url": "https://us.provetcloud.com", "note_field": "The text", "note_type": "x"}

    with pytest.raises(ConfigError) as raised:
        ProvetConnector({**wrong, "done_status": "1"}, {"client_secret": "s"}, http)

    named = sorted(fault.split()[0] for fault in raised.value.faults)
    assert named == ["base_url", "client_id", "done_status", "note_field", "note_type"]
