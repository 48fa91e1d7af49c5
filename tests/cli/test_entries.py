"""`ringnote entries`, as a person or a script runs it once entries stand somewhere."""

import json
import re
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote.cli import main
from ringnote.clock import utc_now
from ringnote.connectors.sandbox import SandboxConnector
from ringnote.errors import RecordRejected, Temporary
from ringnote.models import Connection, ConnectionState, EntryState, OutboxRow
from stories import CALLER, Phone, entries, moments, settle, write

LISTED = {
    *("id", "clinic", "kind", "state", "standing", "client", "title", "reason", "subject"),
    *("reference", "pms_id", "version", "written_version", "due_at", "attempts", "updated_at"),
    "asks",
    "origins",
}


@pytest.fixture
def ringnote(runtime):
    def run(*words):
        return CliRunner().invoke(main, words, obj=runtime, catch_exceptions=False)

    return run


@pytest.fixture
def clinic(db):
    clinic = make_clinic(db, name="Oak Street Vets", timezone="America/New_York")
    make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    return clinic


@pytest.fixture
def phone(runtime, clinic):
    return Phone(runtime, clinic)


@pytest.fixture
def pms(db, clinic):
    make_connection(db, clinic)
    return MemoryConnector()


@pytest.fixture
def refused(runtime, phone, pms):
    """The id of a note that the PMS refused."""
    pms.failures = [RecordRejected("the PMS refused the title", status=422)]
    phone.answered("u-1")
    settle(runtime)
    write(runtime, pms)
    [entry] = entries(runtime)
    assert entry.state is EntryState.SET_ASIDE
    return entry.id


def listed(ringnote, *words):
    return json.loads(ringnote("entries", "list", *words, "--json").stdout)


def test_before_the_first_entry_the_list_says_where_they_come_from(ringnote, clinic):
    assert ringnote("entries", "list").stdout == (
        "No entry has come yet; they come of calls and texts: ringnote calls list.\n"
    )


def test_entries_are_listed_with_where_they_stand(ringnote, runtime, phone, pms):
    phone.missed("u-1")
    settle(runtime)
    write(runtime, pms)

    _, task, note = ringnote("entries", "list").stdout.splitlines()

    for row, words in ((task, "task +C1 +Call back: missed call"), (note, "note +C1 +Missed call")):
        assert re.fullmatch(rf"\d+ +\d{{4}}-.* E[SD]T +{words} +written *", row)


def test_entries_are_narrowed_by_state_and_clinic_and_cut(ringnote, runtime, db, phone, refused):
    other = Phone(runtime, make_clinic(db, name="Elm Street Vets"))
    other.missed("u-2")
    settle(runtime)

    assert [each["id"] for each in listed(ringnote, "--state", "set_aside")] == [refused]
    assert [each["id"] for each in listed(ringnote, "--clinic", "oak street vets")] == [refused]
    assert {each["state"] for each in listed(ringnote, "--clinic", "Elm Street Vets")} == {
        "waiting"
    }
    assert len(listed(ringnote, "--limit", "2")) == 2
    assert "raise --limit" in ringnote("entries", "list", "--limit", "2").stderr
    assert "No entry fits" in ringnote("entries", "list", "--state", "retrying").stdout


def test_a_task_that_waits_says_why_as_its_note_does(ringnote, runtime, phone):
    phone.missed("u-1", caller="+12125550177")
    settle(runtime)

    assert {(each["kind"], each["standing"]) for each in listed(ringnote)} == {
        ("note", "waiting: no client has this number"),
        ("task", "waiting: no client has this number"),
    }


def test_an_entry_leads_back_to_the_calls_and_texts_that_it_comes_of(ringnote, runtime, phone):
    phone.missed("u-1")
    phone.missed("u-2")
    phone.text("Is Rex ready?")
    settle(runtime)

    origins = {
        (each["kind"], *(f"{one['kind']} {one['key']}" for one in each["origins"]))
        for each in listed(ringnote)
    }

    assert origins == {
        ("note", "call u-1"),
        ("note", "call u-2"),
        ("task", "call u-1", "call u-2"),
        ("transcript", "transcript c-1"),
    }


def test_a_listing_as_json_has_a_shape_and_times_in_utc(ringnote, runtime, phone, pms):
    phone.missed("u-1")
    settle(runtime)

    told = listed(ringnote)

    assert all(set(each) == LISTED for each in told)
    assert [each["state"] for each in told] == ["due", "due"]
    times = [each for each in moments(told) if each is not None]
    assert len(times) == 4
    assert all(datetime.fromisoformat(each).utcoffset() == timedelta(0) for each in times)


def test_an_entry_is_shown_with_its_text_and_every_try(ringnote, runtime, pms, refused):
    shown = ringnote("entries", "show", str(refused)).stdout
    told = json.loads(ringnote("entries", "show", str(refused), "--json").stdout)

    assert f"Note {refused}: Incoming call answered by Amy (101)\n" in shown
    assert "  stands:          set aside: the PMS refused the title\n" in shown
    assert "  comes of:        call u-1\n" in shown
    assert "  | From (212) 555-0142" in shown
    assert re.search(
        r"E[SD]T  create of version 1: set_aside in \d+ ms, HTTP 422: the PMS refused the title\n",
        shown,
    )
    assert set(told) == LISTED | {
        *("body", "tries", "decisions", "refusal", "may_be_left", "is_left"),
    }


def test_what_was_said_to_the_pms_is_shown_in_short_without_its_secrets(
    ringnote, runtime, db, clinic, phone, httpserver
):
    make_connection(db, clinic)
    error = {"error": {"code": "title", "message": "no such title " + "x" * 300}}
    httpserver.expect_request("/api/v1/notes").respond_with_json(error, status=422)
    phone.answered("u-1")
    settle(runtime)
    settings = {"base_url": httpserver.url_for("")}
    write(runtime, SandboxConnector(settings, {"token": "s3cret"}, runtime.http))

    whole, brief = ringnote("entries", "show", "1", "--exchanges"), ringnote("entries", "show", "1")

    assert re.search(r"\n    POST /api/v1/notes: HTTP 422 in \d+ ms\n", whole.stdout)
    sent, answer = re.findall(r"\n      [><] (.*)(?=\n)", whole.stdout)
    assert sent.startswith('{"client_id": "C1", ')
    assert re.fullmatch(r'\{"error": .*x… \(\d+ more characters\)', answer)
    assert "s3cret" not in whole.stdout
    assert "POST" not in brief.stdout
    assert "ringnote entries show 1 --exchanges" in brief.stderr
    assert "ringnote entries curl 1" in whole.stderr


def test_what_the_pms_said_of_a_refused_record_and_what_to_do_are_shown(
    ringnote, runtime, db, clinic, phone, httpserver
):
    make_connection(db, clinic)
    error = {"error": {"code": "invalid", "message": "the file of Jane Doe is closed"}}
    httpserver.expect_request("/api/v1/notes").respond_with_json(error, status=422)
    phone.answered("u-1")
    settle(runtime)
    settings = {"base_url": httpserver.url_for("")}
    write(runtime, SandboxConnector(settings, {"token": "s3cret"}, runtime.http))

    shown = ringnote("entries", "show", "1").stdout
    listed_as = ringnote("entries", "list").stdout

    assert "  the PMS said:    the file of Jane Doe is closed\n" in shown
    assert "  that means:      The PMS does not take this record as it is.\n" in shown
    assert "  to try again:    ringnote entries retry 1\n" in shown
    assert "  to leave it:     ringnote entries leave 1\n" in shown
    assert "Jane" not in listed_as
    assert "Jane" not in entries(runtime)[0].reason


def test_what_the_pms_refuses_is_left_until_it_is_retried_or_changes(
    ringnote, runtime, phone, pms, refused
):
    left = json.loads(
        ringnote("entries", "leave", str(refused), "--why", "a test call", "--json").stdout
    )
    twice = ringnote("entries", "leave", str(refused))
    told = json.loads(ringnote("entries", "show", str(refused), "--json").stdout)
    settle(runtime)
    still = entries(runtime)[0].state
    retried = ringnote("entries", "retry", str(refused))
    write(runtime, pms)

    assert left["state"] == "withdrawn"
    assert left["standing"].endswith("left it, as the PMS refuses it")
    assert (twice.exit_code, "it is withdrawn, not set aside" in twice.stderr) == (1, True)
    assert [(each["kind"], each["why"]) for each in told["decisions"]] == [("leave", "a test call")]
    assert (told["is_left"], told["refusal"]) == (True, None)
    assert still is EntryState.WITHDRAWN
    assert retried.exit_code == 0
    assert entries(runtime)[0].state is EntryState.SYNCED


def test_what_was_left_is_retried_within_what_is_asked_for_alone(ringnote, runtime, refused):
    ringnote("entries", "leave", str(refused))

    ran = ringnote("entries", "retry", str(refused), "--kind", "task")

    assert (ran.exit_code, entries(runtime)[0].state) == (1, EntryState.WITHDRAWN)


def test_a_change_of_what_was_left_is_written(ringnote, runtime, phone, pms, refused):
    ringnote("entries", "leave", str(refused))

    ringnote("calls", "correct", "u-1", "--missed")
    settle(runtime)
    write(runtime, pms)

    note = next(each for each in entries(runtime) if each.id == refused)
    assert note.state is EntryState.SYNCED
    assert len(pms.notes) == 1


def test_what_was_perhaps_written_cannot_be_left(ringnote, runtime, db, phone, pms, refused):
    with db.transaction() as session:
        row = {"entry_id": refused, "connection_id": 1, "is_in_doubt": True, "attempts": 1}
        times = dict.fromkeys(("due_at", "queued_at"), utc_now() + timedelta(days=999))
        session.add(OutboxRow(**row, **times))

    told = ringnote("entries", "leave", str(refused))

    assert told.exit_code == 1
    assert "perhaps it was written" in told.stderr
    assert entries(runtime)[0].state is EntryState.SET_ASIDE


@pytest.mark.parametrize("command", ["show", "retry", "leave", "confirm"])
def test_an_entry_that_is_not_there_is_said_on_stderr(ringnote, clinic, command):
    told = ringnote("entries", command, "4711")

    assert (told.exit_code, told.stdout) == (1, "")
    assert "4711" in told.stderr


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["list", "--state", "written"], "'synced'"),
        (["show", "u-1"], "'u-1' is no id: that is a whole number"),
        (["show", "99999999999999999999"], "ID"),
        (["retry"], "--clinic or --state"),
        (["retry", "--state", "synced"], "'set_aside'"),
    ],
)
def test_wrong_words_end_with_2_and_say_the_right_ones(ringnote, clinic, words, meant):
    told = ringnote("entries", *words)

    assert (told.exit_code, told.stdout) == (2, "")
    assert meant in told.stderr


def test_what_was_set_aside_is_written_once_retried(ringnote, runtime, pms, refused):
    told = ringnote("entries", "retry", str(refused))
    write(runtime, pms)

    assert told.stdout == "1 will be tried again now.\n"
    assert [entry.state for entry in entries(runtime)] == [EntryState.SYNCED]
    assert len(pms.notes) == 1


def test_who_had_one_tried_again_is_told_with_it_and_with_its_call(ringnote, refused, monkeypatch):
    monkeypatch.setenv("LOGNAME", "jo")
    ringnote("entries", "retry", str(refused))

    shown = json.loads(ringnote("entries", "show", str(refused), "--json").stdout)
    call = json.loads(ringnote("calls", "show", "u-1", "--json").stdout)

    [decision] = shown["decisions"]
    assert (decision["kind"], decision["value"]) == ("retry", {"entry": refused})
    assert decision["by"] == "jo"
    assert call["decisions"] == [decision]


def test_what_waits_for_its_next_try_is_tried_now(ringnote, runtime, phone, pms):
    pms.failures = [Temporary("the PMS is busy", status=503)]
    phone.answered("u-1")
    settle(runtime)
    write(runtime, pms)
    [waits] = listed(ringnote, "--state", "retrying")

    told = json.loads(ringnote("entries", "retry", str(waits["id"]), "--json").stdout)

    assert re.fullmatch(r"retrying in .*: the PMS is busy", waits["standing"])
    assert told == {
        "retried": 1,
        "ids": [waits["id"]],
        "entries": [{"id": waits["id"], "state": "due", "standing": "due"}],
    }


@pytest.mark.parametrize("by", [["1"], ["--state", "set_aside", "--yes"]])
def test_a_retry_that_must_wait_says_for_what(ringnote, runtime, db, refused, by):
    with db.transaction() as session:
        paused = {"state": ConnectionState.PAUSED, "paused_reason": "the token was refused"}
        session.execute(sa.update(Connection).values(**paused))

    told = ringnote("entries", "retry", *by)

    assert told.stdout == (
        "1 cannot be tried yet: due: the connection is paused (the token was refused).\n"
    )


def test_what_stands_in_the_pms_is_not_retried_and_neither_is_what_was_named_with_it(
    ringnote, runtime, phone, pms, refused
):
    phone.answered("u-2")
    settle(runtime)
    write(runtime, pms)
    [written] = [entry.id for entry in entries(runtime) if entry.id != refused]

    told = ringnote("entries", "retry", str(refused), str(written))

    assert told.exit_code == 1
    assert f"Entry {written} cannot be retried: it is synced" in told.stderr
    assert [each["id"] for each in listed(ringnote, "--state", "set_aside")] == [refused]
