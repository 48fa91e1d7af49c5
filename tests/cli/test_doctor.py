"""`ringnote doctor` on what really came."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner

from factories import make_clinic, make_connection
from ringnote.cli import main
from ringnote.clock import utc_now
from ringnote.directory.sync_state import claim, finish, stop_early
from stories import Phone


@pytest.fixture
def doctor(runtime):
    def run(*words):
        return CliRunner().invoke(main, ["doctor", *words], obj=runtime)

    return run


@pytest.fixture
def phone(runtime):
    clinic = make_clinic(runtime.db, name="Oak Street Vets")
    return Phone(runtime, clinic, at=utc_now() - timedelta(hours=9))


def test_a_line_without_hangups_is_told_with_its_tab(doctor, phone):
    for number in range(5):
        phone.rings(f"u-{number}")

    told = doctor()

    assert told.exit_code == 1
    assert "Oak Street Vets: The end of 5 of 5 calls on line +12125550100 was never" in told.output
    assert "look at: Phone numbers → +12125550100 → Hangup" in told.output


def test_it_is_told_as_json(doctor, phone):
    phone.post(b"eventType=HangupCall&containerId=654321&callUuid=u-1")

    [gap] = json.loads(doctor("--json").output)

    assert (gap["clinic"]["name"], gap["kind"], gap["seen"]) == (
        "Oak Street Vets",
        "foreign_container",
        1,
    )


def test_a_clinic_with_nothing_to_mend_ends_with_0(doctor, phone):
    phone.answered("u-1")

    told = doctor("--clinic", "oak street vets")

    assert (told.exit_code, told.output) == (
        0,
        "Nothing is missing from what came in the last 28 days.\n",
    )


def test_only_the_days_that_were_asked_for_are_looked_at(doctor, phone):
    phone.at -= timedelta(days=3)
    phone.post(b"eventType=HangupCall&containerId=654321&callUuid=u-1")

    kinds = [gap["kind"] for gap in json.loads(doctor("--days", "1", "--json").output)]

    assert kinds == ["nothing"]


def test_a_clinic_that_is_not_there_is_named(doctor, phone):
    told = doctor("--clinic", "Elm")

    assert told.exit_code == 1
    assert "Oak Street Vets" in told.output


def test_a_sync_that_stopped_is_told_with_how_far_it_came_and_why(doctor, runtime, phone):
    phone.answered("u-1")
    connection = make_connection(runtime.db, phone.clinic)
    claimed = claim(runtime.db, connection.id)
    stop_early(runtime.db, claimed, "the PMS answered with garbage")

    told = doctor()

    assert told.exit_code == 1
    assert "The sync of its clients stopped before its end, 0 of all clients read:" in told.output
    assert "the PMS answered with garbage (last run to its end: never)" in told.output
    assert "look at: ringnote clients sync 'Oak Street Vets'" in told.output


def test_a_sync_that_came_to_its_end_is_nothing_to_mend(doctor, runtime, phone):
    phone.answered("u-1")
    connection = make_connection(runtime.db, phone.clinic)
    claimed = claim(runtime.db, connection.id)
    with runtime.db.transaction() as session:
        finish(session, runtime.db, claimed, restart=False, now=utc_now())

    assert doctor().exit_code == 0
