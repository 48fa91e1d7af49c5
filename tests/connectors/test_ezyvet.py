"""ezyVet: the contract, and what is special to what is known of it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from connectors.ezyvet_fake import EzyVetPms
from connectors.served import served

from ringnote.connectors.base import Kind, Note
from ringnote.connectors.ezyvet import EzyVetConnector
from ringnote.errors import (
    ConfigError,
    CredentialsRejected,
    OutcomeUnknown,
    RecordRejected,
    Temporary,
)
from ringnote.testing import BODY, NAME, NUMBER, TITLE, ConnectorContract, gather

WHEN = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
NOTE = Note("1", TITLE, BODY, WHEN, "R-1")
TOKEN = {"access_token": "t", "expires_in": 1_209_600}

pms = served(EzyVetPms)


class TestEzyVetConnector(ConnectorContract):
    connector_class = EzyVetConnector
    unknown_client = "999999"


def test_a_token_that_died_before_its_time_is_renewed_and_nothing_written_twice(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, ())])
    connector = pms.connector(http)
    connector.check()
    pms.tokens.given.append("another-one")

    connector.create_note(replace(NOTE, client_id=client_id), "key")

    assert len(pms.tokens.given) == 3
    assert len(pms.kept(Kind.NOTE, client_id)) == 1


@pytest.mark.parametrize("kind", ["1", "2", "3", "4", "7", "9"])
def test_what_ezyvet_could_send_to_somebody_is_no_setting(http, pms, kind) -> None:
    for name in ("call_type", "transcript_type"):
        with pytest.raises(ConfigError, match=f"{name} must be 5, 6 or 8"):
            pms.connector(http, **{name: kind})


def test_a_call_and_a_day_of_texts_are_of_different_types(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, ())])
    note = replace(NOTE, client_id=client_id)

    for is_transcript in (False, True):
        pms.connector(http).create_note(replace(note, is_transcript=is_transcript), "key")

    written = pms.records["communication"].values()
    assert [each["contact_detail_type_id"] for each in written] == ["5", "8"]
    assert {(each["status"], each["format"]) for each in written} == {("Done", "PlainText")}


def test_numbers_come_with_their_contacts_and_addresses_do_not(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, (NUMBER, "212-555-0143"))])

    client = gather(pms.connector(http), None)[client_id]

    assert [each.number for each in client.phones] == [NUMBER, "212-555-0143"]


def test_a_contact_is_told_whose_number_alone_changed(pms, http) -> None:
    ids = pms.add_clients((f"Client {n}", ("212-555-0150",)) for n in range(3))
    connector = pms.connector(http)
    *_, last = connector.iter_clients(None)
    pms.add("contactdetail", {"contact_id": ids[0], "value": NUMBER})

    delta = gather(connector, last.cursor)

    assert list(delta)[-1] == ids[0]
    assert [each.number for each in delta[ids[0]].phones] == ["212-555-0150", NUMBER]


def test_a_walk_goes_on_from_every_cursor_it_gave(pms, http) -> None:
    connector = pms.connector(http)
    pms.add_clients((f"Client {n}", ()) for n in range(3))
    *_, full = connector.iter_clients(None)
    pms.add_clients((f"Newcomer {n}", (NUMBER,)) for n in range(210))

    pages = list(connector.iter_clients(full.cursor))

    assert [len(each.clients) for each in pages] == [200, 11, 101, 101, 11]
    for number, page in enumerate(pages[:-1]):
        rest = list(connector.iter_clients(page.cursor))
        assert rest == pages[number + 1 :]


def test_what_changes_during_a_walk_is_told_by_the_next_one(pms, http) -> None:
    ids = pms.add_clients((f"Client {n}", ()) for n in range(201))
    pages = pms.connector(http).iter_clients(None)
    next(pages)
    pms.rename_client(ids[0], "Renamed Meanwhile")
    pms.rename_client(ids[-1], "Renamed Later")
    *_, last = pages

    assert gather(pms.connector(http), last.cursor)[ids[0]].name == "Renamed Meanwhile"


def test_fields_that_are_not_heeded_are_named(pms, http) -> None:
    first, second = pms.add_clients([("Ada Ito", ()), ("Ben Ito", ())])
    connector = pms.connector(http)
    for client_id in (first, second):
        connector.create_note(replace(NOTE, client_id=client_id), "key")
    wrong = pms.connector(http, contact_field="owner")

    [missing] = wrong.check().missing

    assert connector.check().missing == ()
    assert missing.startswith("look up a communication by owner")
    with pytest.raises(Temporary, match="contact_field"):
        wrong.find_by_reference(Kind.NOTE, first, "R-7")


def test_scopes_that_are_missing_are_named(pms, http, httpserver) -> None:
    httpserver.expect_request("/v1/oauth/access_token").respond_with_json(TOKEN)
    page = {"meta": {"items_page_total": "1"}, "items": [{"contact": {"id": "7"}}]}
    httpserver.expect_request("/v1/contact").respond_with_json(page)
    empty = {"meta": {"items_page_total": "0"}, "items": []}
    httpserver.expect_request("/v1/contactdetail").respond_with_json(empty)
    httpserver.expect_request("/v1/communication").respond_with_json({}, status=403)

    [missing] = pms.connector(http, base_url=httpserver.url_for("")).check().missing

    assert "read-communication" in missing


def test_an_address_of_something_else_is_told_as_such(pms, http, httpserver) -> None:
    httpserver.expect_request("/v1/oauth/access_token").respond_with_json(TOKEN)
    httpserver.expect_request("/v1/contact").respond_with_json({}, status=404)

    with pytest.raises(CredentialsRejected, match="base_url"):
        pms.connector(http, base_url=httpserver.url_for("")).check()


@pytest.mark.parametrize("told", [{"messages": []}, {"items": []}, {"items": [{"contact": {}}]}])
def test_a_create_that_tells_no_id_is_in_doubt(pms, http, httpserver, told) -> None:
    httpserver.expect_request("/v1/oauth/access_token").respond_with_json(TOKEN)
    httpserver.expect_request("/v1/communication").respond_with_json(told)

    with pytest.raises(OutcomeUnknown):
        pms.connector(http, base_url=httpserver.url_for("")).create_note(NOTE, "key")


def test_an_id_of_another_shape_is_refused_before_it_is_sent(pms, http) -> None:
    with pytest.raises(RecordRejected):
        pms.connector(http).create_note(replace(NOTE, client_id="C-1"), "key")

    assert pms.tokens.given == []


def test_every_wrong_setting_is_named_and_none_is_quoted(http) -> None:
    wrong = {"base_url": "ezyvet", "text_field": "The text", "status_field": "subject"}

    with pytest.raises(ConfigError) as raised:
        EzyVetConnector(wrong, {"client_secret": "a\nb"}, http)

    assert [fault.split()[0] for fault in raised.value.faults] == [
        "site_uid",
        "partner_id",
        "client_id",
        "base_url",
        "client_secret",
        "text_field",
        "text_field",
    ]
