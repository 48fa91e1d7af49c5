"""The command as a whole: its help, its wrong uses, its errors."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from sqlalchemy.exc import OperationalError

from ringnote.cli import CHAPTERS, COMMANDS, main
from ringnote.db import Database
from ringnote.errors import ConfigError
from ringnote.runtime import Runtime

RINGNOTE = str(Path(sys.executable).with_name("ringnote"))


@pytest.fixture
def broken(monkeypatch):
    """Makes the command `check` raise whatever it is given."""

    def install(error: BaseException) -> None:
        @click.command()
        def check() -> None:
            raise error

        monkeypatch.setattr("ringnote.cli.check.check", check)

    return install


def test_help_teaches_chapters_first_steps_and_the_environment():
    result = CliRunner().invoke(main, ["--help"])

    assert result.exit_code == 0
    for word in (*CHAPTERS, "First steps", "ringnote clinic add", "RINGNOTE_DATABASE_URL"):
        assert word in result.output


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_that_help_names_is_there(name):
    result = CliRunner().invoke(main, [name, "--help"])

    assert (result.exit_code, result.exception) == (0, None)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["clinc"], "'clinic'"),
        (["clinic", "ad"], "'add'"),
        (["clinic", "add", "X", "--contaner", "1"], "--container"),
        (["clinic", "add", "X", "--container", "1"], "--timezone"),
        (["clinic", "show"], "CLINIC"),
        (["serve", "--port", "99999"], "--port"),
    ],
)
def test_a_wrong_use_ends_with_2_and_names_the_right_word(arguments, meant):
    result = CliRunner().invoke(main, arguments)

    assert result.exit_code == 2
    assert meant in result.stderr
    assert result.stdout == ""


def test_an_error_is_one_message_on_stderr_and_stdout_stays_empty(runtime):
    result = CliRunner().invoke(main, ["clinic", "show", "nobody", "--json"], obj=runtime)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: No clinic is called 'nobody'")


def test_several_faults_are_a_list(broken):
    broken(ConfigError("one is wrong", "two is missing"))

    result = CliRunner().invoke(main, ["check"])

    assert result.exit_code == 1
    assert (
        result.stderr == "Error: there are several faults:\n  - one is wrong\n  - two is missing\n"
    )


def test_a_database_that_cannot_be_used_is_an_error_in_words(broken):
    broken(OperationalError("SELECT 1", {}, Exception("the disk is full\nand more")))

    result = CliRunner().invoke(main, ["check"])

    assert (result.exit_code, result.stderr) == (
        1,
        "Error: The database cannot be used: the disk is full\n",
    )


def test_a_database_without_tables_tells_what_to_do(runtime, tmp_path):
    db = Database(f"sqlite:///{tmp_path / 'empty.sqlite3'}")

    result = CliRunner().invoke(main, ["clinic", "list"], obj=Runtime(runtime.settings, db))

    db.dispose()
    assert result.exit_code == 1
    assert "run: ringnote migrate" in result.stderr


def test_ctrl_c_ends_with_130(broken):
    broken(KeyboardInterrupt())

    result = CliRunner().invoke(main, ["check"])

    assert (result.exit_code, result.stderr) == (130, "Interrupted.\n")


def test_a_bug_is_not_hidden(broken):
    broken(ZeroDivisionError("a bug"))

    assert isinstance(CliRunner().invoke(main, ["check"]).exception, ZeroDivisionError)


def test_wrong_settings_are_told_before_anything_is_done(tmp_path):
    environ = {"RINGNOTE_DATABASE_URL": "mysql://x", "RINGNOTE_LOG_FORMAT": "xml"}

    ran = subprocess.run(
        [RINGNOTE, "clinic", "list", "--json"],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert (ran.returncode, ran.stdout) == (1, "")
    assert "RINGNOTE_DATABASE_URL" in ran.stderr
    assert "RINGNOTE_LOG_FORMAT" in ran.stderr
    assert "Traceback" not in ran.stderr
