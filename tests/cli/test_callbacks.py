"""`ringnote callbacks` and `ringnote report`, as a person or a script runs them."""

import json

import pytest
from click.testing import CliRunner

from factories import make_client, make_clinic
from ringnote.cli.callbacks import callbacks as command
from ringnote.cli.report import report
from ringnote.errors import InputError
from stories import CALLER, Phone, callbacks, settle


@pytest.fixture
def callback(runtime):
    clinic = make_clinic(runtime.db, name="Elm Street Vets")
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    Phone(runtime, clinic).missed("u-1")
    settle(runtime)
    return str(callbacks(runtime)[0].id)


def run(runtime, *arguments, of=command):
    return CliRunner().invoke(of, arguments, obj=runtime, catch_exceptions=False)


def test_those_still_to_call_back_are_listed_as_one_array(runtime, callback):
    [told] = json.loads(run(runtime, "list", "--json").stdout)

    assert (told["client_name"], told["state"], told["asked"]) == ("Jane Doe", "open", 1)


def test_one_is_closed_with_a_reason_told_and_reopened(runtime, callback):
    closed = json.loads(run(runtime, "close", callback, "--why", "came in", "--json").stdout)
    listed = run(runtime, "list").stdout
    reopened = json.loads(run(runtime, "reopen", callback, "--json").stdout)

    assert closed["state"] == "done"
    assert "Nobody is to be called back" in listed
    assert [each["kind"] for each in reopened["decisions"]] == ["close", "reopen"]
    assert reopened["state"] == "open"


def test_its_story_is_told_to_a_person(runtime, callback):
    story = run(runtime, "show", callback).stdout

    assert "asked to be called back  (call u-1)" in story
    assert "1 missed call" in story


def test_one_that_does_not_exist_is_told_with_what_to_do(runtime, callback):
    with pytest.raises(InputError, match="ringnote callbacks list"):
        run(runtime, "close", "99999", "--why", "x")


def test_a_day_is_reported_to_a_person_a_program_and_as_a_mail(runtime, callback):
    day = callbacks(runtime)[0].opened_at.date().isoformat()

    text = run(runtime, "day", "elm street vets", "--day", day, of=report).stdout
    told = json.loads(run(runtime, "day", "elm street vets", "--json", of=report).stdout)
    mail = run(runtime, "day", "elm street vets", "--mail", of=report).stdout

    assert "Nothing is unexplained." in text
    assert told["unexplained"] == []
    assert mail.startswith("Subject: Elm Street Vets, ")
