"""`ringnote events replay` of a span: counted, asked, tried out, stopped half-way."""

import json
import os
import sys

import pytest
from click.testing import CliRunner

from factories import make_client, make_clinic, make_connection
from ringnote.cli import main
from ringnote.cli import replay as command
from stories import CALLER, Phone, entries, marks, settle

OAK = ("--clinic", "Oak Street Vets")
PLAN = ["4 webhooks, of 1 call and 1 conversation."]


@pytest.fixture
def ringnote(runtime):
    def run(*words):
        words = ["events", "replay", *words]
        return CliRunner().invoke(main, words, obj=runtime, catch_exceptions=False)

    return run


@pytest.fixture
def settled(runtime, db):
    """A missed call and a text that were settled."""
    clinic = make_clinic(db, name="Oak Street Vets")
    make_connection(db, clinic)
    make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    phone = Phone(runtime, clinic)
    phone.missed("u-1")
    phone.text("Is Rex ready?")
    settle(runtime)


def test_a_span_is_counted_and_replayed_once_a_person_says_yes(
    runtime, settled, monkeypatch, capsys
):
    person, program = os.openpty()
    os.write(person, b"y\n")
    with os.fdopen(program) as stdin, monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", stdin)
        with pytest.raises(SystemExit) as ended:
            main(["events", "replay", *OAK], obj=runtime)
    os.close(person)
    told = capsys.readouterr()

    assert ended.value.code == 0
    assert told.err.startswith(f"{PLAN[0]}\nReplay these 4? [y/N]: ")
    assert told.out == "4 read anew: 4 accepted, none quarantined.\n"
    assert len(marks(runtime)) == 2


def test_where_nobody_can_be_asked_nothing_is_replayed(ringnote, runtime, settled):
    told = ringnote(*OAK)

    assert (told.exit_code, told.stdout.splitlines()) == (1, PLAN)
    assert "give --dry-run; to do it, --yes." in told.stderr
    assert marks(runtime) == []


def test_a_dry_run_tells_what_would_change_in_the_pms(ringnote, runtime, settled, db, tmp_path):
    edited = tmp_path / "new.toml"
    edited.write_text("[transcripts]\nenabled = false\n[words.call]\nbody = '{{ title }}'\n")
    set_ = ["policy", "set", "Oak Street Vets", str(edited)]
    CliRunner().invoke(main, set_, obj=runtime, catch_exceptions=False)
    before = [(each.version, each.is_wanted) for each in entries(runtime)]

    pinned = ringnote(*OAK, "--dry-run")
    newest = ringnote(*OAK, "--dry-run", "--policy", "current")
    told = json.loads(ringnote(*OAK, "--dry-run", "--policy", "current", "--json").stdout)

    nothing = ["Nothing would change in the PMS.", "Nothing was written."]
    assert pinned.stdout.splitlines() == [*PLAN, *nothing]
    assert newest.stdout.splitlines() == [
        *PLAN,
        "All are decided anew by the newest policy of their clinic.",
        "Would be amended in the PMS: 1 note.",
        "Would be withdrawn in the PMS: 1 transcript.",
        "Nothing was written.",
    ]
    assert told["changes"] == {"added": {}, "amended": {"note": 1}, "withdrawn": {"transcript": 1}}
    assert [(each.version, each.is_wanted) for each in entries(runtime)] == before
    assert marks(runtime) == []


def test_a_span_without_webhooks_is_said_to_be_empty(ringnote, settled):
    told = ringnote("--since", "2090-01-01")

    assert (told.exit_code, told.stdout) == (0, "Nothing to replay: no webhook fits.\n")


def test_many_are_spread_and_it_is_said_over_how_long(ringnote, runtime, settled, monkeypatch):
    monkeypatch.setattr(command, "MOST_AT_ONCE", 1)

    usual = ringnote(*OAK, "--yes").stdout
    slow = ringnote(*OAK, "--yes", "--rate", "1").stdout

    assert usual.endswith(
        "\n1 call and 1 conversation are settled 600 a minute, within a moment.\n"
    )
    assert slow.endswith("are settled 1 a minute, within 2 min.\n")


def test_a_replay_that_is_interrupted_says_how_far_it_came(ringnote, settled, monkeypatch):
    def stopped(*_arguments, **_options):
        yield 1
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "carry_out", stopped)

    told = ringnote(*OAK, "--yes")

    assert (told.exit_code, told.stderr) == (130, "Interrupted.\n")
    assert told.stdout == (
        "1 of 2 calls and conversations are settled anew; the others stand as they stood."
        " The same command goes through all of them.\n"
    )
