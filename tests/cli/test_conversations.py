"""`ringnote conversations`, as a person or a script runs it after real texts."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote.cli import main
from stories import CALLER, Phone, moments, settle, write

EVENING = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
"""23:00 of 1 March in New York."""


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
    return Phone(runtime, clinic, at=EVENING)


def test_before_the_first_text_the_list_says_where_to_look(ringnote, clinic):
    assert ringnote("conversations", "list").stdout.startswith("No text has come yet; ")


def test_a_day_of_texts_is_one_line_in_the_clinic_s_own_time(ringnote, runtime, phone):
    phone.text("Is Rex ready?")
    phone.text("Yes.", inbound=False)
    settle(runtime)

    [_, row] = ringnote("conversations", "list").stdout.splitlines()

    assert re.split(r" {2,}", row.strip()) == [
        "2026-03-01 23:00:06 EST",
        CALLER,
        "2 texts",
        "Jane Doe",
        "due: no PMS is connected yet",
        "c-1",
    ]


def test_the_list_is_narrowed_by_the_clinic_s_own_days_and_cut(ringnote, runtime, phone):
    phone.text("Is Rex ready?")
    phone.at += timedelta(days=1)
    phone.text("Is Rex ready now?")
    settle(runtime)

    def days(*words):
        told = ringnote("conversations", "list", *words, "--json")
        return [each["day"] for each in json.loads(told.stdout)], told.stderr

    assert days("--until", "2026-03-01") == (["2026-03-01"], "")
    assert days("--since", "2026-03-02") == (["2026-03-02"], "")
    assert days("--limit", "1") == (
        ["2026-03-02"],
        "There are more than these 1; to see them, raise --limit.\n",
    )
    assert "No text fits" in ringnote("conversations", "list", "--since", "2026-03-03").stdout


def test_the_story_tells_each_day_with_its_texts_and_its_transcript(ringnote, runtime, db, phone):
    make_connection(db, phone.clinic)
    pms = MemoryConnector()
    phone.text("Is Rex ready?")
    phone.text("Is Rex ready?")
    phone.at += timedelta(days=1)
    phone.text("Yes, from 3 pm.", inbound=False)
    settle(runtime)
    write(runtime, pms)

    shown = ringnote("conversations", "show", "c-1").stdout

    first, second = shown.split("\n\n1 text (Oak Street Vets)\n")
    assert first.startswith("1 text (Oak Street Vets)\n  conversationID:  c-1\n")
    assert "  2026-03-01 23:00:03 EST  client: Is Rex ready?  (came 2 times)\n" in first
    assert "Yes, from 3 pm." not in first
    assert "  2026-03-02 23:00:09 EST  clinic: Yes, from 3 pm.\n" in second
    for part in (first, second):
        assert "  matched:         Jane Doe (C1), since one client has this number\n" in part
        assert re.search(r"EST  (in|out)boundMessage ", part)
        assert "  | Texts with (212) 555-0142 on " in part
        assert re.search(r"E[SD]T  create of version \d: written in \d+ ms", part)


def test_texts_with_an_ignored_number_say_why_there_is_no_transcript(ringnote, runtime, phone):
    ringnote("numbers", "ignore", "Oak Street Vets", CALLER, "--why", "a supplier")
    phone.text("Your order is on its way.")
    settle(runtime)

    shown = ringnote("conversations", "show", "c-1").stdout

    assert re.search(r"stands: +nothing is written: ignored by .*: a supplier\n", shown)


def test_the_story_as_json_has_a_shape_and_times_in_utc(ringnote, runtime, phone):
    phone.text("Is Rex ready?")
    settle(runtime)

    told = json.loads(ringnote("conversations", "show", "c-1", "--json").stdout)

    assert set(told) == {"conversation", "windows"}
    [window] = told["windows"]
    assert {"clinic", "match", "standing", "entries", "events", "messages", "day"} <= set(window)
    assert window["messages"][0]["text"] == "Is Rex ready?"
    times = [each for each in moments(told) if each is not None]
    assert times
    assert all(datetime.fromisoformat(each).utcoffset() == timedelta(0) for each in times)


def test_a_conversation_that_is_not_there_is_said_on_stderr(ringnote, clinic):
    told = ringnote("conversations", "show", "c-9", "--json")

    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr == (
        "Error: There is no conversation c-9; see: ringnote conversations list\n"
    )


def test_a_conversation_id_that_two_clinics_had_asks_which(ringnote, runtime, db, phone):
    other = Phone(runtime, make_clinic(db, name="Elm Street Vets"))
    for each in (phone, other):
        each.text("Is Rex ready?")
    settle(runtime)

    told = ringnote("conversations", "show", "c-1")
    shown = ringnote("conversations", "show", "c-1", "--clinic", "elm street vets")

    assert told.exit_code == 1
    assert "name one with --clinic: Elm Street Vets, Oak Street Vets" in told.stderr
    assert shown.stdout.startswith("1 text (Elm Street Vets)\n")
