"""`ringnote events`, as a person or a script runs it on what really came."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from factories import make_client, make_clinic
from ringnote.cli import main
from ringnote.models import EntryKind, Event
from stories import CALLER, Phone, calls, entries, marks, moments, settle

AT_NIGHT = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
"""01:30 in New York."""
LISTED = {
    *("id", "clinic", "at", "type", "status", "reason", "subject", "key", "fields"),
}


@pytest.fixture
def ringnote(runtime):
    def run(*words):
        return CliRunner().invoke(main, words, obj=runtime, catch_exceptions=False)

    return run


@pytest.fixture
def clinic(db):
    clinic = make_clinic(
        db, name="Oak Street Vets", container_id="123456", timezone="America/New_York"
    )
    make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    return clinic


@pytest.fixture
def phone(runtime, clinic):
    return Phone(runtime, clinic, at=AT_NIGHT)


def hangup_of(phone, container):
    """The id of a hangup that names this container."""
    body = phone.body("HangupCall", "u-1", extNumber="101", callerIdNum=CALLER)
    return phone.post(body.replace(b"123456", container)).event_id


def due_of_task(runtime):
    [task] = [each for each in entries(runtime) if each.kind is EntryKind.TASK]
    return datetime.fromisoformat(task.content["due_at"])


def stored(runtime):
    with runtime.db.reading() as session:
        return list(session.scalars(sa.select(Event).order_by(Event.id)))


def test_before_the_first_webhook_the_list_says_what_to_do(ringnote, clinic):
    told = ringnote("events", "list")

    assert told.exit_code == 0
    assert told.stdout.startswith("No webhook has come yet; enter the clinic's webhook URL in each")


def test_webhooks_are_listed_in_the_clinic_s_own_time_with_what_became_of_them(ringnote, phone):
    phone.event("HangupCall", "u-1", extNumber="101", callerIdNum=CALLER)
    refused = hangup_of(phone, b"654321")

    _, newest, oldest = ringnote("events", "list").stdout.splitlines()

    assert re.match(r"2026-03-02 01:30:03 EST +HangupCall +accepted +u-1 ", oldest)
    assert re.match(r"2026-03-02 01:30:06 EST +HangupCall +quarantined +it names another", newest)
    assert newest.split()[-1] == refused


def test_webhooks_are_narrowed_by_clinic_status_and_day_and_cut(ringnote, runtime, db, phone):
    hangup_of(phone, b"654321")
    phone.event("HangupCall", "u-1")
    other = make_clinic(db, name="Elm Street Vets", timezone="America/Los_Angeles")
    Phone(runtime, other, at=AT_NIGHT).event("HangupCall", "u-2")

    def kept(*words):
        told = ringnote("events", "list", *words, "--json")
        return [(each["clinic"]["name"], each["status"]) for each in json.loads(told.stdout)]

    oak, elm = "Oak Street Vets", "Elm Street Vets"
    assert kept("--status", "quarantined") == [(oak, "quarantined")]
    assert kept("--clinic", "elm street vets") == [(elm, "accepted")]
    assert kept("--since", "2026-03-02", "--status", "accepted") == [(oak, "accepted")]
    assert kept("--until", "2026-03-01") == [(elm, "accepted")]
    assert len(kept("--limit", "2")) == 2
    assert "raise --limit" in ringnote("events", "list", "--limit", "2").stderr
    assert "No webhook fits" in ringnote("events", "list", "--since", "2026-03-03").stdout


def test_a_listing_as_json_has_a_shape_and_times_in_utc(ringnote, phone):
    phone.event("HangupCall", "u-1", extNumber="101")

    [told] = json.loads(ringnote("events", "list", "--json").stdout)

    assert set(told) == LISTED
    assert (told["at"], told["subject"], told["key"]) == ("2026-03-02T06:30:03Z", "call", "u-1")
    assert told["fields"]["extension"] == "101"


def test_a_webhook_is_shown_with_its_bytes_and_what_was_read(ringnote, phone):
    event_id = hangup_of(phone, b"123456")

    shown = ringnote("events", "show", event_id.lower()).stdout
    told = json.loads(ringnote("events", "show", event_id, "--json").stdout)

    assert re.search(r"^received +2026-03-02 01:30:03 EST$", shown, re.M)
    assert re.search(r"^call +u-1$", shown, re.M)
    assert re.search(r"^extension +101$", shown, re.M)
    assert "\nAs it came\neventType=HangupCall&containerId=123456&" in shown
    assert set(told) == LISTED | {"body", "content_type"}
    assert told["body"] == stored_body(phone)
    assert list(moments(told)) == ["2026-03-02T06:30:03Z"]


def stored_body(phone):
    return bytes(stored(phone.runtime)[0].body).decode()


def test_a_webhook_in_quarantine_says_why_and_how_to_have_it_read_anew(ringnote, phone):
    event_id = hangup_of(phone, b"654321")

    told = ringnote("events", "show", event_id)

    assert re.search(r"^reason +it names another clinic", told.stdout, re.M)
    assert f"ringnote events replay {event_id}" in told.stderr


def test_bytes_that_would_steer_the_terminal_are_not_printed(ringnote, phone):
    event_id = phone.post(b"\x1b[2J\xff{broken").event_id

    shown = ringnote("events", "show", event_id).output + ringnote("events", "list").output

    assert "{broken" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("command", ["show", "replay"])
def test_an_event_that_is_not_there_is_said_on_stderr(ringnote, clinic, command):
    told = ringnote("events", command, "01ARZ3NDEKTSV4RRFFQ69G5FAV")

    assert (told.exit_code, told.stdout) == (1, "")
    assert "event 01ARZ3NDEKTSV4RRFFQ69G5FAV; see: ringnote events list" in told.stderr


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["list", "--status", "lost"], "'quarantined'"),
        (["list", "--since", "yesterday"], "write it as 2026-11-20"),
        (["show"], "ID"),
        (["replay"], "--clinic, --status, --since or --until"),
    ],
)
def test_wrong_words_end_with_2_and_say_the_right_ones(ringnote, clinic, words, meant):
    told = ringnote("events", *words)

    assert (told.exit_code, told.stdout) == (2, "")
    assert meant in told.stderr


def test_a_repaired_set_up_and_a_replay_bring_the_note(ringnote, runtime, phone):
    event_id = hangup_of(phone, b"654321")
    [before] = stored(runtime)
    settle(runtime)
    assert calls(runtime) == []

    ringnote("clinic", "set", "Oak Street Vets", "--container", "654321")
    told = ringnote("events", "replay", event_id)
    settle(runtime)

    assert told.stdout == "1 read anew: 1 accepted, none quarantined.\n"
    assert [(each.kind.value, each.client) for each in entries(runtime)] == [("note", "C1")]
    [after] = stored(runtime)
    assert (after.body, after.received_at) == (before.body, before.received_at)


def test_a_replay_that_does_not_help_says_where_to_read_why(ringnote, phone):
    hangup_of(phone, b"654321")

    told = ringnote("events", "replay", "--status", "quarantined", "--yes")

    assert told.stdout == (
        "1 read anew: 0 accepted, 1 quarantined; why: ringnote events list --status quarantined\n"
    )


def test_a_replay_changes_no_entry_that_is_right(ringnote, runtime, phone):
    phone.missed("u-1")
    phone.text("Is Rex ready?")
    settle(runtime)
    before = [(each.id, each.version, each.updated_at) for each in entries(runtime)]

    oak = ("--clinic", "Oak Street Vets")
    told = json.loads(ringnote("events", "replay", *oak, "--yes", "--json").stdout)
    assert len(marks(runtime)) == 2
    settle(runtime)

    assert {name: told[name] for name in ("replayed", "accepted", "calls", "conversations")} == {
        "replayed": 4,
        "accepted": 4,
        "calls": 1,
        "conversations": 1,
    }
    assert [(each.id, each.version, each.updated_at) for each in entries(runtime)] == before


@pytest.mark.parametrize(("policy", "minutes"), [("pinned", 60), ("current", 30)])
def test_a_replay_decides_by_the_policy_that_it_is_told_to(
    ringnote, runtime, phone, policy, minutes, tmp_path
):
    phone.missed("u-1")
    settle(runtime)
    before = due_of_task(runtime)
    edited = tmp_path / "new.toml"
    shown = ringnote("policy", "show", "Oak Street Vets").stdout
    edited.write_text(shown.replace("due_minutes = 60", "due_minutes = 30"))
    ringnote("policy", "set", "Oak Street Vets", str(edited))

    ringnote("events", "replay", "--clinic", "Oak Street Vets", "--policy", policy, "--yes")
    settle(runtime)

    assert before - due_of_task(runtime) == timedelta(minutes=60 - minutes)


def test_only_what_was_chosen_is_read_anew(ringnote, runtime, phone):
    phone.event("HangupCall", "u-1")
    phone.at += timedelta(days=1)
    phone.event("HangupCall", "u-2")
    settle(runtime)

    ringnote("events", "replay", "--since", "2026-03-03", "--yes")

    assert [mark.subject_key for mark in marks(runtime)] == ["u-2"]
