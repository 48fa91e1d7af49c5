"""Every history in this folder, posted over HTTP to a served application at the times it tells.

A history is a TOML file: what was posted and when, and what Ringnote makes of it. `README.md` here
says how to add one. RINGNOTE_WRITE_HISTORIES=1 writes what came out into the files, to be read
with care before it is committed.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from retelling import History, PretendClock, Stage, read_history, write_history
from ringnote import create_receiver
from ringnote.db import Database
from ringnote.runtime import Runtime
from ringnote.settings import load_settings
from serving import served

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*/*.toml"))
IS_WRITING = bool(os.environ.get("RINGNOTE_WRITE_HISTORIES"))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stage(request, tmp_path_factory) -> Iterator[Stage]:
    """A served application whose clock the histories set."""
    folder = tmp_path_factory.mktemp("histories")
    clock = PretendClock()
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), folder / "db.sqlite3")
        url = f"sqlite:///{folder / 'db.sqlite3'}"
    else:
        url = request.getfixturevalue("postgres_copy")
    settings = load_settings({"database_url": url, "data_dir": folder}, environ={})
    db = Database(url, clock=clock)
    runtime = Runtime(settings, db, clock)
    with served(create_receiver(runtime=runtime)) as address:
        yield Stage(runtime, clock, address)
    runtime.close()


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_history_leads_to_what_it_says(stage, path):
    history = read_history(path)

    came_out = stage.play(history)

    if IS_WRITING:
        write_history(path, came_out)
        return
    assert came_out == history.expected


def test_there_are_at_least_sixty():
    assert len(FILES) >= 60


def test_a_history_that_expects_another_outcome_fails(stage):
    """The comparison itself can fail."""
    history: History = read_history(FILES[0])
    history.expected["calls"] = [{"uuid": "another"}]

    assert stage.play(history) != history.expected
