"""`ringnote entries retry` of many at once, and `entries retries`: asked, followed, cancelled."""

import json
import os
import re
import sys

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from factories import make_clinic, make_connection, make_entry
from fakes import MemoryConnector
from ringnote.cli import main
from ringnote.delivery import retries
from ringnote.delivery.failed import Filter, choose
from ringnote.models import Doubt, Entry, EntryKind, EntryState, OutboxRow, Retry
from stories import write

OAK = ("--clinic", "Oak Street Vets")


@pytest.fixture
def ringnote(runtime):
    def run(*words):
        return CliRunner().invoke(main, ["entries", *words], obj=runtime, catch_exceptions=False)

    return run


@pytest.fixture
def clinic(db):
    return make_clinic(db, name="Oak Street Vets")


@pytest.fixture
def failed(db, clinic):
    """The ids of a note and two tasks that were refused, and of a note that nobody is sure of."""
    connection = make_connection(db, clinic)
    kinds = (EntryKind.NOTE, EntryKind.TASK, EntryKind.TASK, EntryKind.NOTE)
    ids = [make_entry(db, clinic, connection, kind) for kind in kinds]
    with db.transaction() as session:
        why = "the PMS refused the title"
        session.execute(sa.update(Entry).values(state=EntryState.SET_ASIDE, reason=why))
        session.execute(sa.delete(OutboxRow))
        session.get_one(Entry, ids[-1]).doubt = Doubt.ASKED
    return ids


@pytest.fixture
def terminal(runtime, monkeypatch, capsys):
    """A person at a terminal, who types an answer: what they are told, and how it ends."""

    def run(answer, *words):
        person, program = os.openpty()
        os.write(person, answer)
        with os.fdopen(program) as stdin, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            with pytest.raises(SystemExit) as ended:
                main(["entries", *words], obj=runtime)
        os.close(person)
        return capsys.readouterr(), ended.value.code

    return run


def states(db) -> list[str]:
    with db.reading() as session:
        return [state.value for state in session.scalars(sa.select(Entry.state).order_by(Entry.id))]


def test_many_are_counted_and_retried_once_a_person_says_yes(terminal, db, failed):
    told, code = terminal(b"y\n", "retry", *OAK)

    assert code == 0
    assert told.err.startswith(
        "3 failed and can be retried:\n"
        "  Oak Street Vets: 1 note, 2 tasks\n"
        "Left apart, waiting for a person, see ringnote entries list --state set_aside: 1.\n"
        "Retry these 3? [y/N]: "
    )
    assert told.out.startswith("3 will be tried again now.\n")
    assert states(db) == ["due", "due", "due", "set_aside"]


def test_nothing_is_retried_where_a_person_says_no(terminal, db, failed):
    told, code = terminal(b"n\n", "retry", *OAK)

    assert (code, told.out) == (1, "")
    assert states(db) == ["set_aside"] * 4


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_where_nobody_can_be_asked_they_are_counted_and_nothing_is_done(
    ringnote, db, failed, words
):
    told = ringnote("retry", "--kind", "task", *words)

    assert told.exit_code == 1
    assert told.stderr == "Nothing was retried; to retry them, give --yes.\n"
    if words:
        assert (json.loads(told.stdout)["counted"], json.loads(told.stdout)["retry"]) == (2, None)
    else:
        assert told.stdout.startswith("2 failed and can be retried:\n")
    assert states(db) == ["set_aside"] * 4


def test_a_dry_run_counts_and_ends_well(ringnote, clinic, db, failed):
    told = ringnote("retry", "--client", "C1", "--rate", "2", "--dry-run", "--json")

    where = {"id": clinic.id, "name": "Oak Street Vets", "timezone": "America/New_York"}
    assert told.exit_code == 0
    assert json.loads(told.stdout) == {
        "retry": None,
        "counted": 3,
        "retried": 0,
        "counts": [
            {"clinic": where, "kind": "note", "count": 1},
            {"clinic": where, "kind": "task", "count": 2},
        ],
        "left_apart": {"asking": 1, "without_pms": 0, "under_way": 0},
        "rate": 2,
        "dry_run": True,
    }
    assert "within 2 min" in ringnote("retry", *OAK, "--rate", "2", "--dry-run").stdout
    assert states(db) == ["set_aside"] * 4


def test_a_retry_of_nothing_says_so(ringnote, clinic):
    told = ringnote("retry", *OAK)

    assert told.exit_code == 0
    assert told.stdout == "Nothing to retry: none of these is retrying or set aside.\n"


def test_a_retry_at_a_rate_is_followed_and_cancelled(ringnote, runtime, db, failed):
    asked = ringnote("retry", *OAK, "--state", "set_aside", "--rate", "1", "--yes")
    write(runtime, MemoryConnector())

    assert asked.stdout.startswith("3 will be tried again, 1 a minute, within 3 min.\n")
    with db.reading() as session:
        [retry_id] = session.scalars(sa.select(Retry.id))
    [listed] = json.loads(ringnote("retries", "--json").stdout)
    one = json.loads(ringnote("retries", str(retry_id), "--json").stdout)
    assert one == listed | {"failed_for": [], "paused": []}
    assert {name: one[name] for name in ("chosen_by", "rate", "count", "done", "left")} == {
        "chosen_by": {"clinic": "Oak Street Vets", "state": "set_aside"},
        "rate": 1,
        "count": 3,
        "done": 1,
        "left": 2,
    }
    waiting = json.loads(ringnote("show", str(failed[1]), "--json").stdout)
    assert waiting["standing"] == f"due: in its turn, by retry {retry_id}"
    assert [(each["kind"], each["value"]) for each in waiting["decisions"]] == [
        ("retry", {"retry": retry_id})
    ]

    cancelled = ringnote("retry", "--cancel", str(retry_id))

    assert cancelled.stdout == (
        "Put back as they stood before: 2.\n"
        "Left as they are, since they were tried or have changed: 1.\n"
    )
    assert states(db) == ["synced", "set_aside", "set_aside", "set_aside"]
    assert re.search(r"done +left.*\n.* 1 +0 +0 +2 +", ringnote("retries").stdout)
    shown = ringnote("retries", str(retry_id)).stdout
    assert "--clinic 'Oak Street Vets' --state set_aside\n" in shown
    assert re.search(r"put back +2\n", shown)


def test_what_failed_again_is_told_with_why(ringnote, runtime, db, failed):
    ringnote("retry", *OAK, "--kind", "note", "--yes")
    with db.transaction() as session:
        session.execute(
            sa.update(Entry)
            .where(Entry.id == failed[0])
            .values(state=EntryState.SET_ASIDE, reason="the PMS refused the body")
        )
        [retry_id] = session.scalars(sa.select(Retry.id))

    assert "1 failed again: the PMS refused the body\n" in (
        ringnote("retries", str(retry_id)).stdout
    )


def test_one_whose_command_was_killed_does_not_say_that_all_the_rest_has_moved_on(
    ringnote, runtime, db, clinic, failed, monkeypatch
):
    def be_killed(_done):
        raise KeyboardInterrupt

    monkeypatch.setattr(retries, "BATCH", 1)
    with db.reading() as session:
        chosen = choose(session, Filter(clinic.id))
    retry_id = retries.begin_retry(db, chosen, {"clinic": clinic.name}, None, "kim")
    with pytest.raises(KeyboardInterrupt):
        retries.carry_out(db, retry_id, chosen.ids, be_killed)

    shown = ringnote("retries", str(retry_id)).stdout

    said = "not queued +2: they had moved on, or the command was ended before their turn"
    assert re.search(said, shown)
    again = json.loads(ringnote("retry", *OAK, "--dry-run", "--json").stdout)
    assert again["counted"] == 2


def test_before_the_first_the_list_of_retries_says_so(ringnote, clinic):
    assert ringnote("retries").stdout == "Nothing was retried by a filter yet.\n"


@pytest.mark.parametrize("words", [["retries", "7"], ["retry", "--cancel", "7"]])
def test_a_retry_that_is_not_there_is_said_on_stderr(ringnote, clinic, words):
    told = ringnote(*words)

    assert (told.exit_code, told.stdout) == (1, "")
    assert "no retry 7" in told.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--yes"],
        ["4711", "--rate", "5"],
        ["4711", "--dry-run"],
        ["--cancel", "7", "--state", "set_aside"],
        ["--failed-since", "yesterday"],
        [*OAK, "--rate", "0"],
    ],
)
def test_what_does_not_go_together_is_wrong_usage(ringnote, clinic, words):
    assert ringnote("retry", *words).exit_code == 2
