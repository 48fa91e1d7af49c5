"""`make bench`: every area measures, both ways of telling it, and what is said of wrong arguments.

Nothing is asserted of how fast anything was.
"""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from ringnote.connectors import CONNECTORS

ROOT = Path(__file__).parents[1]
AREAS = ["ingest", "settle", "claim", "deliver", "match", "size", "lookup", "import", "journey"]
TIMES = {"seconds", "floor_seconds", "ratio", "ratio_low", "ratio_high", "per_second"}
WORDS = {"name", "what", "database", "floor"}


def run(*words: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "benchmarks", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def quick(tmp_path_factory) -> tuple[subprocess.CompletedProcess, dict]:
    """A quick run of all areas on SQLite, and the JSON it wrote."""
    path = tmp_path_factory.mktemp("benchmarks") / "figures.json"
    ran = run("--quick", "--database", "sqlite", "--json", path)
    assert ran.returncode == 0, ran.stderr
    return ran, json.loads(path.read_text())


def test_every_area_yields_finite_positive_figures(quick):
    rows = quick[1]["measurements"]

    assert list(dict.fromkeys(row["name"] for row in rows)) == AREAS
    figures = [
        value
        for row in rows
        for value in (*(row[name] for name in TIMES), *row["figures"].values())
    ]
    assert all(math.isfinite(figure) and figure > 0 for figure in figures)


def test_the_json_tells_of_each_row_and_of_the_machine(quick):
    known = quick[1]

    assert known.keys() == {"machine", "is_quick", "measurements"}
    assert known["machine"].keys() == {"processors", "system", "python", "fsync_ms", "sqlite"}
    for row in known["measurements"]:
        assert row.keys() == WORDS | TIMES | {"rounds", "figures"}
        assert row["database"] == "sqlite"
        assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]


def test_the_table_has_a_line_for_each_row(quick):
    ran, known = quick

    for row in known["measurements"]:
        assert f"{row['name']}: {row['what']}" in ran.stdout
        assert row["floor"] in ran.stdout


def test_a_sync_is_measured_where_it_is_asked_for_and_tells_of_its_memory(tmp_path):
    path = tmp_path / "figures.json"

    ran = run("--quick", "--only", "sync", "--database", "sqlite", "--json", path)

    assert ran.returncode == 0, ran.stderr
    rows = json.loads(path.read_text())["measurements"]
    assert [row["what"] for row in rows] == ["a client, of 400", "a client, of 1,200"]
    assert all(row["figures"]["peak_mib"] > 0 for row in rows)


def test_fairness_is_measured_where_it_is_asked_for_and_tells_of_those_in_trouble(tmp_path):
    path = tmp_path / "figures.json"

    ran = run("--quick", "--only", "fairness", "--database", "sqlite", "--json", path)

    assert ran.returncode == 0, ran.stderr
    [row] = json.loads(path.read_text())["measurements"]
    assert row["name"] == "fairness"
    assert row["figures"]["max_ms"] >= row["figures"]["p99_ms"] > 0
    trouble = ("backlog_written", "hung_at_once", "answers_429", "answers_500")
    assert all(row["figures"][name] > 0 for name in trouble)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "everything"], "invalid choice: 'everything'"),
        (["--database", "oracle"], "invalid choice: 'oracle'"),
        (["--fast"], "unrecognized arguments: --fast"),
        (["--json"], "--json: expected one argument"),
        (["--json", "no/such/folder/figures.json"], "--json: there is no folder"),
        (["--json", "docs"], "--json: docs is a folder"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(words, said):
    ran = run(*words)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_each_connector_is_measured_against_its_fake():
    command = [sys.executable, "-m", "benchmarks.connectors", "--writes", "1"]

    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)

    rows = [line.split(" | ") for line in ran.stdout.splitlines()[2:]]
    assert ran.returncode == 0, ran.stderr
    assert {name.strip("| ") for name, _, _ in rows} == {*CONNECTORS}
