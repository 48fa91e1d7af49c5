"""GNU Health: the contract, and what is special to Tryton."""

import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from connectors.gnuhealth_pms import GnuHealthPms
from connectors.served import served
from connectors.tryton_fake import SessionDead, Tryton, UserError

from ringnote.connectors.base import Kind, Note, Task
from ringnote.connectors.gnuhealth import GnuHealthConnector
from ringnote.errors import (
    ConfigError,
    CredentialsRejected,
    OutcomeUnknown,
    RecordRejected,
    Temporary,
)
from ringnote.exchanges import recording
from ringnote.http import Http
from ringnote.testing import BODY, NAME, TITLE, ConnectorContract, gather

SECRET = "password-of-4711"
WHEN = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
NOTE = Note("1", TITLE, BODY, WHEN, "R-1")
TASK = Task("1", "Call back: missed call", BODY, WHEN, "R-2", assignee="Front desk")


class FakeGnuHealth(GnuHealthPms):
    def __init__(self) -> None:
        self.tryton = Tryton("admin", SECRET)
        super().__init__(self._answer, SECRET)

    def _answer(self, body: dict, authorization: str) -> tuple[int, object]:
        try:
            result = self.tryton.call(body["method"], body["params"], authorization)
        except SessionDead:
            return 401, None
        except UserError as error:
            return 200, {"id": 1, "error": ["UserError", [str(error), "", None]]}
        return 200, {"id": 1, "result": result}


pms = served(FakeGnuHealth)


class TestGnuHealthConnector(ConnectorContract):
    connector_class = GnuHealthConnector
    unknown_client = "999999"


def test_many_threads_sign_in_once(pms, http) -> None:
    connector = pms.connector(http)
    threads = [threading.Thread(target=connector.check) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert pms.logins == 1


def test_the_session_that_the_server_gives_is_kept_nowhere(pms, http) -> None:
    with recording() as exchanges:
        pms.connector(http).check()

    [session] = {each.rpartition(":")[2] for each in pms.tryton._sessions}
    assert exchanges[0]["method"] == "POST"
    assert "common.db.login" in exchanges[0]["body"]
    assert exchanges[0]["answer"] == '{"id": 1, "result": [1, "⟪session⟫"]}'
    assert session not in str(exchanges)


def test_a_dead_session_is_renewed_and_nothing_is_written_twice(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, ())])
    connector = pms.connector(http)
    connector.check()
    pms.tryton.end_sessions()
    pms._session = ""

    connector.create_note(replace(NOTE, client_id=client_id), "key")

    assert pms.logins == 2
    assert len(pms.kept(Kind.NOTE, client_id)) == 1


def test_a_merged_party_leads_to_the_one_that_replaces_it(pms, http) -> None:
    winner, loser = pms.add_clients([("Ada Ito", ()), ("Ada Itoh", ())])
    merged = {"active": False, "replaced_by": int(winner)}
    pms.rpc("model.party.party.write", [int(loser)], merged)

    walked = gather(pms.connector(http), None)

    assert (walked[loser].is_deleted, walked[loser].merged_into) == (True, winner)
    assert walked[winner].merged_into is None


def test_a_new_number_of_an_old_party_is_told_by_the_next_delta(pms, http) -> None:
    ids = pms.add_clients((f"Client {n}", ()) for n in range(5))
    connector = pms.connector(http)
    *_, last = connector.iter_clients(None)
    number = {"party": int(ids[2]), "type": "mobile", "value": "+12125550150"}
    pms.rpc("model.party.contact_mechanism.create", [number])

    delta = gather(connector, last.cursor)

    assert [phone.number for phone in delta[ids[2]].phones] == ["+1 212-555-0150"]
    assert ids[1] not in delta


def test_a_task_says_when_it_is_due_and_for_whom(pms, http) -> None:
    [client_id] = pms.add_clients([(NAME, ())])

    pms.connector(http).create_task(replace(TASK, client_id=client_id), "key")

    [work] = pms.rpc("model.project.work.search_read", [], 0, 9, None, ["comment"])
    assert work["comment"].splitlines()[0] == "Due 2026-03-02 14:30 UTC for Front desk"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (["UserError", [f"{NAME} is not valid", "", None]], RecordRejected),
        (["UserWarning", ["x", f"{NAME} is not valid"]], RecordRejected),
        (["ConcurrencyException", "Record was modified"], Temporary),
        (["LoginException", ["password"]], CredentialsRejected),
        (["DatabaseOperationalError", NAME], Temporary),
        ("no list", Temporary),
    ],
)
def test_an_error_under_200_is_told_as_what_it_is(httpserver, http, error, expected) -> None:
    login = {"id": 1, "result": [1, "a-session"]}
    httpserver.expect_ordered_request("/clinic/").respond_with_json(login)
    httpserver.expect_ordered_request("/clinic/").respond_with_json({"id": 1, "error": error})
    connector = connect(httpserver, http)

    with pytest.raises(expected) as raised:
        connector.create_note(NOTE, "key")

    assert NAME not in str(raised.value)


@pytest.mark.parametrize("answer", [[], {"id": 1}, {"id": 1, "result": []}])
def test_a_create_that_tells_no_id_is_in_doubt(httpserver, http, answer) -> None:
    login = {"id": 1, "result": [1, "a-session"]}
    httpserver.expect_ordered_request("/clinic/").respond_with_json(login)
    httpserver.expect_ordered_request("/clinic/").respond_with_json(answer)

    with pytest.raises(OutcomeUnknown):
        connect(httpserver, http).create_note(NOTE, "key")


def test_access_that_is_missing_is_named(httpserver, http) -> None:
    may = dict.fromkeys(("read", "write", "create", "delete"), True)
    access = {"party.party": may, "ir.note": may, "project.work": {**may, "create": False}}
    for result in ([1, "a-session"], [], access):
        answer = {"id": 1, "result": result}
        httpserver.expect_ordered_request("/clinic/").respond_with_json(answer)

    [missing] = connect(httpserver, http).check().missing

    assert missing.startswith("create project.work")


def test_a_database_that_is_not_there_is_told_as_such(httpserver, http) -> None:
    with pytest.raises(CredentialsRejected, match="database"):
        connect(httpserver, http, status=404).check()


def test_every_wrong_setting_is_named_and_none_is_quoted(http) -> None:
    wrong = {"base_url": "health", "database": "a b", "user": "x:y", "company": "Oak"}

    with pytest.raises(ConfigError) as raised:
        GnuHealthConnector(wrong, {"password": " "}, http)

    named = sorted(fault.split()[0] for fault in raised.value.faults)
    assert named == ["base_url", "company", "database", "password", "user"]


def connect(httpserver, http: Http, status: int | None = None) -> GnuHealthConnector:
    """A connector to a server that answers as it is told."""
    if status:
        httpserver.expect_request("/clinic/").respond_with_json({}, status=status)
    settings = {"base_url": httpserver.url_for(""), "database": "clinic", "user": "admin"}
    return GnuHealthConnector(settings, {"password": SECRET}, http)
