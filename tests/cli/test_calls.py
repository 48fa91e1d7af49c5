"""`ringnote calls`, as a person or a script runs it after real calls."""

import json
import re
import shlex
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote import create_app
from ringnote.cli import main
from ringnote.directory.choices import ignore_number
from ringnote.models import Call, Policy
from stories import CALLER, LINE, Phone, moments, settle, write

UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
AT_NIGHT = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
"""01:30 in New York, and still the evening before in Los Angeles."""
LISTED = {
    *("id", "clinic", "match", "disposition", "standing", "filtered_by", "entries", "kind", "key"),
    *("purged", "purged_at"),
    *("call_uuid", "ordinal", "at", "started_at", "direction", "outcome", "title", "number"),
    *("caller_name", "line"),
}
ENTRY = {
    *("id", "clinic", "kind", "state", "standing", "client", "title", "reason", "subject"),
    *("reference", "pms_id", "version", "written_version", "due_at", "attempts", "updated_at"),
    "asks",
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


def listed(ringnote, *words):
    return [
        each["call_uuid"] for each in json.loads(ringnote("calls", "list", *words, "--json").stdout)
    ]


def bring_up_to_date(runtime, pms):
    settle(runtime)
    write(runtime, pms)


def in_other_zone(runtime, at):
    clinic = make_clinic(runtime.db, name="Elm Street Vets", timezone="America/Los_Angeles")
    return Phone(runtime, clinic, at=at)


def test_before_the_first_call_the_list_says_where_to_look(ringnote, clinic):
    told = ringnote("calls", "list")

    assert (told.exit_code, told.stdout) == (
        0,
        "No call has come yet; to see whether webhooks arrive: ringnote events list.\n",
    )


def test_a_call_is_one_line_in_the_clinic_s_own_time(ringnote, runtime, clinic):
    phone = Phone(runtime, clinic, at=AT_NIGHT)
    phone.missed("u-1")
    settle(runtime)

    heading, row = ringnote("calls", "list").stdout.splitlines()

    assert re.split(r" {2,}", heading.strip()) == [
        *("received", "number", "call", "client", "stands", "callUuid")
    ]
    assert re.split(r" {2,}", row.strip()) == [
        "2026-03-02 01:30:03 EST",
        CALLER,
        "Missed call",
        "Jane Doe",
        "due: no PMS is connected yet",
        "u-1",
    ]


def test_in_a_narrow_terminal_no_word_is_cut_or_broken(runtime, phone):
    call = "d17f9aca-e01f-4057-8a02-135e92b1d3f2"
    phone.missed(call)
    settle(runtime)

    narrow = {"FORCE_COLOR": "1", "COLUMNS": "60"}
    shown = CliRunner().invoke(main, ["calls", "list"], obj=runtime, env=narrow, color=True).stdout

    assert len(shown.splitlines()) > 2
    assert {call, CALLER} <= set(shown.split())


def test_calls_of_several_clinics_name_theirs_each_in_its_own_time(ringnote, runtime, clinic):
    Phone(runtime, clinic, at=AT_NIGHT).missed("u-1")
    in_other_zone(runtime, AT_NIGHT).missed("u-2")
    settle(runtime)

    shown = ringnote("calls", "list").stdout

    assert re.search(r"2026-03-02 01:30:03 EST +Oak Street Vets .* u-1", shown)
    assert re.search(r"2026-03-01 22:30:03 PST +Elm Street Vets .* u-2", shown)


def test_the_list_is_narrowed_to_a_clinic_and_to_an_outcome(ringnote, runtime, phone):
    phone.missed("u-1")
    phone.answered("u-2")
    in_other_zone(runtime, phone.at).missed("u-3")
    settle(runtime)

    assert listed(ringnote, "--clinic", "elm street vets") == ["u-3"]
    assert listed(ringnote, "--outcome", "missed") == ["u-3", "u-1"]
    assert listed(ringnote, "--outcome", "answered", "--clinic", "Elm Street Vets") == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--since", "2026-03-02"], ["u-new-york"]),
        (["--until", "2026-03-01"], ["u-los-angeles"]),
        (["--since", "2026-03-01", "--until", "2026-03-02"], ["u-los-angeles", "u-new-york"]),
        (["--since", "2026-03-02T01:31"], []),
        (["--since", "2026-03-02T01:30", "--until", "2026-03-02T01:31"], ["u-new-york"]),
        (["--until", "2026-03-02T01:30"], ["u-los-angeles"]),
        (["--until", "2026-03-02T00:00"], ["u-los-angeles"]),
    ],
)
def test_a_day_is_one_of_each_clinic_s_own_calendar(ringnote, runtime, clinic, words, expected):
    Phone(runtime, clinic, at=AT_NIGHT).missed("u-new-york")
    in_other_zone(runtime, AT_NIGHT).missed("u-los-angeles")
    settle(runtime)

    assert sorted(listed(ringnote, *words)) == expected


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["list", "--since", "11/20/2026"], "write it as 2026-11-20"),
        (["list", "--until", "2026-02-30"], "write it as 2026-11-20"),
        (["list", "--until", "9999-12-31"], "no time of the clinic's own clock"),
        (["list", "--since", "2026-11-20T10:00Z"], "no time of the clinic's own clock"),
        (["list", "--outcome", "lost"], "'missed'"),
        (["list", "--limit", "0"], "--limit"),
        (["show"], "UUID"),
        (["correct", "u-1"], "--answered, --missed or --internal"),
        (["correct", "u-1", "--answered", "--missed"], "--answered, --missed or --internal"),
    ],
)
def test_wrong_words_end_with_2_and_say_the_right_ones(ringnote, phone, words, meant):
    phone.missed("u-1")

    told = ringnote("calls", *words)

    assert (told.exit_code, told.stdout) == (2, "")
    assert meant in told.stderr


def test_a_clinic_that_is_not_there_is_told_with_those_that_are(ringnote, clinic):
    told = ringnote("calls", "list", "--clinic", "Elm")

    assert (told.exit_code, told.stdout) == (1, "")
    assert "there are: Oak Street Vets" in told.stderr


def test_a_list_that_nothing_fits_says_so(ringnote, runtime, phone):
    phone.missed("u-1")
    settle(runtime)

    told = ringnote("calls", "list", "--outcome", "voicemail")

    assert told.stdout == "No call fits; leave out an option to see the others.\n"


def test_a_list_that_is_cut_says_how_to_see_more(ringnote, runtime, phone):
    for number in range(3):
        phone.missed(f"u-{number}")
    settle(runtime)

    cut, whole = (ringnote("calls", "list", "--limit", each, "--json") for each in ("2", "3"))

    assert [each["call_uuid"] for each in json.loads(cut.stdout)] == ["u-2", "u-1"]
    assert cut.stderr == "There are more than these 2; to see them, raise --limit.\n"
    assert (len(json.loads(whole.stdout)), whole.stderr) == (3, "")


def test_a_withheld_caller_who_was_missed_stands_on_the_list_and_on_the_console(
    ringnote, runtime, phone
):
    phone.missed("u-1", caller="anonymous")
    settle(runtime)

    shown = ringnote("calls", "list", "--outcome", "missed").stdout
    page = create_app(runtime=runtime).test_client().get("/").text

    assert re.search(r"anonymous +Missed call +nothing is written: the number was withheld", shown)
    assert "Missed call" in page
    assert "the number was withheld" in page


def test_a_listing_as_json_has_a_shape_and_times_in_utc(ringnote, runtime, phone, clinic):
    phone.missed("u-1")
    settle(runtime)

    [told] = json.loads(ringnote("calls", "list", "--json").stdout)

    assert set(told) == LISTED
    assert told["clinic"] == {
        "id": clinic.id,
        "name": "Oak Street Vets",
        "timezone": "America/New_York",
    }
    assert {each["kind"] for each in told["entries"]} == {"note", "task"}
    assert all(set(each) == ENTRY for each in told["entries"])
    assert (told["outcome"], told["disposition"], told["match"]["client"]) == (
        "missed",
        "due",
        "C1",
    )
    times = [each for each in moments(told) if each is not None]
    assert times
    assert all(UTC_TIME.fullmatch(each) for each in times), times


def test_what_would_steer_the_terminal_is_not_printed(ringnote, runtime, phone):
    phone.rings("u-1\x1b[2J", name="DOE\x1b[31m JANE")
    phone.event("HangupCall", "u-1\x1b[2J", callerIdNum=CALLER)
    settle(runtime)

    shown = ringnote("calls", "list").output + ringnote("calls", "show", "u-1\x1b[2J").output

    assert "DOE" in shown
    assert "\x1b" not in shown


def test_the_story_leads_from_the_webhooks_to_the_note_and_its_tries(
    ringnote, runtime, clinic, pms
):
    phone = Phone(runtime, clinic, at=AT_NIGHT)
    phone.missed("u-1")
    bring_up_to_date(runtime, pms)

    shown = ringnote("calls", "show", "u-1").stdout

    assert shown.startswith("Missed call (Oak Street Vets)\n")
    for line in (
        "first heard of:  2026-03-02 01:30:03 EST",
        "outcome:         missed",
        "because:         the call ended and nobody had answered",
        "matched:         Jane Doe (C1), since one client has this number",
        "stands:          written",
    ):
        assert f"  {line}\n" in shown
    for at, event in (("03", "InboundCall"), ("06", "ringAttempt"), ("09", "HangupCall")):
        assert f"  2026-03-02 01:30:{at} EST  {event} " in shown
    assert re.search(r"Note \d+: Missed call\n", shown)
    assert re.search(r"Task \d+: Call back: missed call\n", shown)
    assert "  | From (212) 555-0142 (DOE JANE)\n" in shown
    assert len(re.findall(r"E[SD]T  create of version 1: written in \d+ ms\n", shown)) == 2


def test_the_story_as_json_has_a_shape_and_times_in_utc(ringnote, runtime, phone, pms):
    phone.missed("u-1")
    bring_up_to_date(runtime, pms)
    ringnote("calls", "correct", "u-1", "--answered", "--by", "Kim", "--why", "on the mobile")
    bring_up_to_date(runtime, pms)

    told = json.loads(ringnote("calls", "show", "u-1", "--json").stdout)

    assert set(told) == LISTED | {
        *("summary", "evidence", "missing", "events", "decisions", "earlier")
    }
    assert [each["type"] for each in told["events"]] == [
        *("InboundCall", "ringAttempt", "HangupCall")
    ]
    assert {"id", "at", "status", "reason", "fields", "changed"} <= set(told["events"][0])
    assert set(told["decisions"][0]) == {"at", "by", "kind", "value", "why"}
    whole = ENTRY | {"body", "tries", "refusal", "may_be_left", "is_left"}
    assert all(set(each) == whole for each in told["entries"])
    assert set(told["entries"][0]["tries"][0]) == {
        *("at", "duration_ms", "action", "outcome", "http_status", "version", "error"),
        *("pms_id", "exchanges"),
    }
    times = [each for each in moments(told) if each is not None]
    assert len(times) > 10
    assert all(UTC_TIME.fullmatch(each) for each in times), times


def ring(phone, number):
    phone.missed("u-1", caller=number)


def dial(phone, number):
    phone.dials("u-1", number)


def ring_inside(phone, number):
    phone.event("ringAttempt", "u-1", eventTarget="extension", extNumber="102", callerIdNum=number)
    phone.event("HangupCall", "u-1", extNumber="102", callerIdNum=number)


@pytest.mark.parametrize(
    ("happens", "number", "reason"),
    [
        (ring_inside, "101", "an internal call between extensions"),
        (dial, "*97", "a star code was dialled"),
        (dial, "911", "an emergency number"),
        (dial, "102", "an extension or short code, so no client"),
        (dial, LINE, "the other party is one of the clinic's own lines"),
        (ring, "anonymous", "the number was withheld, so there is no client to write to"),
        (ring, "+12125550177", "ignored by Kim: a supplier"),
        (dial, CALLER, "the policy writes no notes of outbound calls"),
    ],
)
def test_a_call_without_a_note_says_why(
    ringnote, runtime, db, phone, clinic, happens, number, reason
):
    phone.missed("u-0")
    with db.transaction() as session:
        rules = {"notes": {"outbound": False}}
        session.execute(sa.update(Policy).values(rules=rules))
        ignore_number(
            *(session, db, clinic.id, "+12125550177"), by="Kim", why="a supplier", now=phone.at
        )
    settle(runtime)
    happens(phone, number)
    settle(runtime)

    shown = ringnote("calls", "show", "u-1").stdout
    told = json.loads(ringnote("calls", "show", "u-1", "--json").stdout)

    assert f"  stands:          nothing is written: {reason}\n" in shown
    assert (told["disposition"], told["filtered_by"], told["entries"]) == ("filtered", reason, [])


def test_a_call_under_way_says_so(ringnote, runtime, phone):
    phone.at = datetime.now(UTC)
    phone.rings("u-1")
    settle(runtime)

    shown = ringnote("calls", "show", "u-1").stdout

    assert shown.startswith("Call under way (Oak Street Vets)\n")
    assert "  stands:          under way, or about to be settled\n" in shown


def test_a_call_that_waits_says_what_to_do(ringnote, runtime, db, phone, clinic):
    make_client(db, clinic, "C2", "John Doe", numbers=[CALLER])
    phone.answered("u-1")
    settle(runtime)

    shown = ringnote("calls", "show", "u-1").stdout
    [command] = re.findall(r"to do: .*: ringnote (.*) CLIENT\n", shown)
    mapped = ringnote(*shlex.split(command), "C2")
    settle(runtime)

    assert "  matched:         C1 or C2, since 2 clients share this number\n" in shown
    assert mapped.exit_code == 0
    assert "John Doe (C2)" in ringnote("calls", "show", "u-1").stdout


def test_a_call_that_is_not_there_is_said_on_stderr(ringnote, clinic):
    for command in (["show", "u-9"], ["show", "u-9", "--json"], ["correct", "u-9", "--missed"]):
        told = ringnote("calls", *command)

        assert (told.exit_code, told.stdout) == (1, "")
        assert told.stderr == "Error: No call has the callUuid u-9; see: ringnote calls list\n"


def test_a_call_uuid_that_two_clinics_had_asks_which(ringnote, runtime, phone):
    phone.missed("u-1")
    in_other_zone(runtime, phone.at).answered("u-1")
    settle(runtime)

    for command in (["show", "u-1"], ["correct", "u-1", "--missed"]):
        told = ringnote("calls", *command)

        assert told.exit_code == 1
        assert "name one with --clinic: Elm Street Vets, Oak Street Vets" in told.stderr
    shown = ringnote("calls", "show", "u-1", "--clinic", "Elm Street Vets").stdout
    assert "answered by Amy (101) (Elm Street Vets)" in shown


def test_of_a_call_uuid_that_was_used_again_the_latest_call_is_told(ringnote, runtime, clinic):
    phone = Phone(runtime, clinic, at=AT_NIGHT)
    phone.answered("u-1")
    phone.at += timedelta(days=2)
    phone.missed("u-1")
    settle(runtime)

    shown = ringnote("calls", "show", "u-1").stdout

    assert shown.startswith("Missed call")
    assert "  used before:     2026-03-02 01:30:03 EST\n" in shown
    assert "ExtensionAnswered" not in shown


def test_a_call_corrected_as_answered_amends_the_note_and_withdraws_the_task(
    ringnote, runtime, phone, pms
):
    phone.missed("u-1")
    bring_up_to_date(runtime, pms)
    assert len(pms.tasks) == 1

    told = ringnote(
        "calls", "correct", "u-1", "--answered", "--by", "Kim", "--why", "on the mobile"
    )
    bring_up_to_date(runtime, pms)

    assert "u-1 counts as answered from now on (it was missed)." in told.stdout
    [note] = pms.notes.values()
    assert (note.title, pms.tasks) == ("Incoming call answered", {})
    assert "Corrected by Kim" in note.body
    shown = ringnote("calls", "show", "u-1").stdout
    assert "  because:         corrected by Kim\n" in shown
    assert re.search(r"E[SD]T  Kim: correct outcome=answered \(on the mobile\)\n", shown)
    assert re.search(r"Task \d+: Call back: missed call\n  stands: +withdrawn", shown)


def test_a_call_corrected_as_missed_opens_a_callback(ringnote, runtime, phone, pms):
    phone.answered("u-1")
    bring_up_to_date(runtime, pms)

    ringnote("calls", "correct", "u-1", "--missed")
    bring_up_to_date(runtime, pms)

    assert [note.title for note in pms.notes.values()] == ["Missed call"]
    assert [task.title for task in pms.tasks.values()] == ["Call back: missed call"]


def test_a_call_corrected_as_internal_leaves_nothing_in_the_pms(ringnote, runtime, phone, pms):
    phone.missed("u-1")
    bring_up_to_date(runtime, pms)

    ringnote("calls", "correct", "u-1", "--internal")
    bring_up_to_date(runtime, pms)

    assert (pms.notes, pms.tasks) == ({}, {})
    shown = ringnote("calls", "show", "u-1").stdout
    assert "nothing is written: an internal call between extensions" in shown


def test_the_last_correction_wins_and_all_are_told(ringnote, runtime, phone, pms):
    phone.missed("u-1")
    settle(runtime)
    for outcome in ("--answered", "--missed"):
        ringnote("calls", "correct", "u-1", outcome, "--by", "Kim")
        bring_up_to_date(runtime, pms)

    told = json.loads(ringnote("calls", "show", "u-1", "--json").stdout)

    assert [each["value"]["outcome"] for each in told["decisions"]] == ["answered", "missed"]
    assert told["outcome"] == "missed"
    assert len(pms.tasks) == 1


def test_a_correction_outlives_a_replay_and_what_comes_later(ringnote, runtime, phone, pms):
    phone.missed("u-1")
    settle(runtime)
    ringnote("calls", "correct", "u-1", "--answered", "--by", "Kim")
    bring_up_to_date(runtime, pms)
    before = dict(pms.notes)

    replayed = ringnote("events", "replay", "--clinic", "Oak Street Vets", "--yes")
    phone.event("HangupCall", "u-1", extNumber="", callerIdNum=CALLER)
    bring_up_to_date(runtime, pms)

    assert replayed.stdout == "3 read anew: 3 accepted, none quarantined.\n"
    assert listed(ringnote, "--outcome", "answered") == ["u-1"]
    assert (pms.notes, pms.tasks) == (before, {})


def test_a_correction_as_json_says_who_said_what_of_what(ringnote, runtime, phone):
    phone.missed("u-1")
    settle(runtime)

    told = json.loads(
        ringnote("calls", "correct", "u-1", "--answered", "--why", "x", "--json").stdout
    )

    assert told.pop("by")
    assert told == {"call_uuid": "u-1", "outcome": "answered", "was": "missed", "why": "x"}


def test_a_part_of_another_call_is_corrected_there(ringnote, runtime, phone):
    phone.rings("u-1")
    phone.answer("u-1")
    phone.event("ringAttempt", "u-2", eventTarget="extension", extNumber="105", callerIdNum=CALLER)
    phone.event("ExtensionAnswered", "u-2", extensionNumber="105", callerIdNum=CALLER)
    phone.event("HangupCall", "u-2", extNumber="105", callerIdNum=CALLER)
    phone.event("HangupCall", "u-1", extNumber="101", callerIdNum=CALLER)
    settle(runtime)

    told = ringnote("calls", "correct", "u-2", "--missed")

    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr == "Error: u-2 is a part of call u-1: correct that one.\n"


def test_a_call_whose_webhooks_were_purged_cannot_be_corrected(ringnote, runtime, db, phone):
    phone.missed("u-1")
    settle(runtime)
    with db.transaction() as session:
        session.execute(sa.update(Call).values(frozen_at=phone.at))

    told = ringnote("calls", "correct", "u-1", "--answered")

    assert told.exit_code == 1
    assert "it stays as it is" in told.stderr
