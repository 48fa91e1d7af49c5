"""The example of a plugin: installed as a package is, found by Ringnote, held to the contract."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hosting import EXAMPLES


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the example installed in it; built of a copy, so that nothing is left over."""
    folder = tmp_path_factory.mktemp("kennelbook")
    copy = shutil.copytree(EXAMPLES / "kennelbook", folder / "source")
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    pip = (sys.executable, "-m", "pip", "install", "-q", *offline)
    run(*pip, "--target", folder / "site", copy)
    return folder / "site"


def run(*words: str | Path, path: Path | None = None, folder: Path | None = None) -> str:
    """What it wrote; fails with what it said if it failed."""
    environ = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    done = subprocess.run(
        words, env=environ, cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_ringnote_lists_it_beside_its_own(installed):
    ringnote = Path(sys.executable).with_name("ringnote")

    listed = json.loads(run(ringnote, "connector", "list", "--json", path=installed))

    assert listed[-1] == {
        "name": "kennelbook",
        "title": "Kennelbook",
        "package": "ringnote-kennelbook 1.0",
        "fault": None,
    }
    assert listed[-2]["name"] == "sandbox"


def test_its_own_tests_hold_it_to_the_contract(installed):
    pytest_ = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")

    said = run(*pytest_, path=installed, folder=installed.parent / "source")

    assert int(said.split(" passed")[0].split()[-1]) > 30
