"""Cliniko: the contract, and what is special to its documentation."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from connectors.cliniko_fake import ClinikoPms
from connectors.served import served

from ringnote.connectors.base import Kind, Note
from ringnote.connectors.cliniko import ClinikoConnector, root_of
from ringnote.errors import ConfigError, CredentialsRejected, RecordGone
from ringnote.testing import BODY, NAME, NUMBER, TITLE, ConnectorContract, gather

WHEN = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
NOTE = Note("1", TITLE, BODY, WHEN, "R-1")
MAIL = {"contact_email": "desk@clinic.example"}

pms = served(ClinikoPms)


class TestClinikoConnector(ConnectorContract):
    connector_class = ClinikoConnector
    unknown_client = "999999"


def test_the_account_is_told_by_its_name_and_id(pms, http) -> None:
    told = pms.connector(http).check()

    assert (told.account, told.identity, told.missing) == ("Elm Street Physio", "123", ())


def test_calls_and_texts_are_memos_of_their_own_types(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, (NUMBER,))])
    connector = pms.connector(http, confidential="yes", to_name="Reception")

    for is_transcript in (False, True):
        note = replace(NOTE, client_id=client_id, is_transcript=is_transcript)
        connector.create_note(note, "key")

    memos = pms.memos.values()
    assert [each["type_code"] for each in memos] == [3, 1]
    assert {(each["category_code"], each["direction_code"]) for each in memos} == {(12, 2)}
    assert {(each["from"], each["to"], each["confidential"]) for each in memos} == {
        ("Ringnote", "Reception", True)
    }


def test_what_a_person_archived_is_gone_and_not_found(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, ())])
    connector = pms.connector(http)
    pms_id = connector.create_note(replace(NOTE, client_id=client_id), "key").pms_id

    connector.delete_note(pms_id)

    assert pms.memos[pms_id]["archived_at"]
    assert connector.find_by_reference(Kind.NOTE, client_id, "R-1") is None
    with pytest.raises(RecordGone):
        connector.update_note(pms_id, NOTE)


def test_lines_are_told_as_they_were_written_however_they_end(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, ())])
    connector = pms.connector(http)
    pms_id = connector.create_note(replace(NOTE, client_id=client_id), "key").pms_id
    pms.memos[pms_id]["content"] = pms.memos[pms_id]["content"].replace("\n", "\r\n")

    told = connector.get_note(pms_id)

    assert (told.title, told.body) == (TITLE, BODY)
    assert connector.find_by_reference(Kind.NOTE, client_id, "R-1") == pms_id


def test_a_merged_patient_leads_to_the_one_who_stays(pms, http) -> None:
    winner, loser = pms.add_clients([("Ada Ito", ()), ("Ada Itoh", ())])
    *_, last = pms.connector(http).iter_clients(None)
    pms.merge_clients(winner, loser)

    delta = gather(pms.connector(http), last.cursor)

    assert (delta[loser].is_deleted, delta[loser].merged_into) == (True, winner)


def test_nobody_is_skipped_who_moves_up_a_place_during_the_walk(pms, http) -> None:
    ids = pms.add_clients((f"Client {n}", ()) for n in range(205))
    pages = pms.connector(http).iter_clients(None)
    told = {each.id for each in next(pages).clients}
    for client_id in ids[:5]:
        pms.rename_client(client_id, "Renamed Meanwhile")

    told |= {each.id for page in pages for each in page.clients}

    assert told == set(ids)


def test_a_page_full_of_one_moment_is_got_over(pms, http) -> None:
    pms.step = timedelta()
    ids = pms.add_clients((f"Client {n}", ()) for n in range(205))

    assert set(gather(pms.connector(http), None)) == set(ids)


def test_a_walk_goes_on_from_every_cursor_it_gave(pms, http) -> None:
    connector = pms.connector(http)
    ids = pms.add_clients((f"Client {n}", ()) for n in range(102))
    *_, full = connector.iter_clients(None)
    for client_id in ids[:101]:
        pms.remove_client(client_id)
    pms.add_clients((f"Newcomer {n}", ()) for n in range(120))

    pages = list(connector.iter_clients(full.cursor))

    assert [len(each.clients) for each in pages] == [100, 1, 0, 100, 22]
    for number, page in enumerate(pages[:-1]):
        assert list(connector.iter_clients(page.cursor)) == pages[number + 1 :]


def test_rights_that_are_missing_are_named(pms, http, httpserver) -> None:
    httpserver.expect_request("/v1/settings/public").respond_with_json({"account": {}})
    empty = {"patients": [], "links": {}}
    httpserver.expect_request("/v1/patients").respond_with_json(empty)
    httpserver.expect_request("/v1/communications").respond_with_json({}, status=403)

    [missing] = pms.connector(http, base_url=httpserver.url_for("/v1")).check().missing

    assert missing.startswith("read communications")


def test_an_address_of_something_else_is_told_as_such(pms, http) -> None:
    with pytest.raises(CredentialsRejected, match="base_url"):
        pms.connector(http, base_url=f"{pms.root}/v2").check()


@pytest.mark.parametrize(("key", "host"), [("k-uk1", "api.uk1"), ("MS0xLWtleQ-au12", "api.au12")])
def test_the_key_says_where_its_account_is(key, host) -> None:
    assert root_of(key) == f"https://{host}.cliniko.com/v1"


@pytest.mark.parametrize("key", ["", "key", "key-uk1.evil", "key-uk1/", "key-u/1", "a:b-uk1"])
def test_a_key_that_says_nothing_of_the_sort_is_refused(http, key) -> None:
    with pytest.raises(ConfigError, match=r"api_key (must be|is missing)"):
        ClinikoConnector(MAIL, {"api_key": key}, http)


def test_every_wrong_setting_is_named_and_none_is_quoted(http) -> None:
    wrong = {"contact_email": "the desk", "confidential": "ja", "base_url": "here"}

    with pytest.raises(ConfigError) as raised:
        ClinikoConnector(wrong, {"api_key": "a\nb"}, http)

    named = sorted(fault.split()[0] for fault in raised.value.faults)
    assert named == ["api_key", "base_url", "confidential", "contact_email"]
