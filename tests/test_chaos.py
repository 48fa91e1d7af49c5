"""`make chaos`, half a minute of it: on each database nothing is lost, doubled, stale or stuck, and
where the fence is broken the suite says so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from postgres import NoPostgresError, find_binaries

ROOT = Path(__file__).parents[1]
SEEDS = (5, 9, 13, 21)
CLEAN = {"LOST": 0, "DUPLICATED": 0, "STALE": 0, "STUCK": 0}


def run(path, *words) -> tuple[subprocess.CompletedProcess, dict]:
    """A run, and what it wrote as JSON."""
    command = [sys.executable, "-m", "chaos", "--json", path, *words]
    ran = subprocess.run(map(str, command), cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert path.exists(), ran.stderr
    return ran, json.loads(path.read_text())


def require(database):
    if database == "postgresql":
        try:
            find_binaries()
        except NoPostgresError as error:
            pytest.skip(f"no PostgreSQL on this machine: {error}")


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_whatever_goes_wrong_nothing_acknowledged_is_lost_and_nothing_written_twice(
    database, tmp_path
):
    require(database)

    ran, told = run(
        tmp_path / "run.json", "--database", database, "--minutes", 0.4, "--kills", 12, "--seed", 1
    )

    counts = told["counts"]
    assert {kind: counts[kind] for kind in CLEAN} == CLEAN, ran.stdout
    assert ran.returncode == 0
    assert counts["KILL web"] + counts["KILL worker"] >= 8
    assert counts["database restarts"] == (1 if database == "postgresql" else 0)
    assert counts["acknowledged"] > 100
    assert min(counts["notes"], counts["tasks"], counts["transcripts"]) > 0


def test_a_broken_fence_is_noticed(tmp_path):
    require("postgresql")
    words = ("--minutes", 0.3, "--kills", 2, "--break-fence")

    # On a slow machine all may be at rest before the one that was stopped is overtaken.
    for seed in SEEDS:
        ran, told = run(tmp_path / f"{seed}.json", *words, "--seed", seed)
        if told["wrong"]["STALE"]:
            break

    assert ran.returncode == 1
    assert told["wrong"]["STALE"], ran.stdout
