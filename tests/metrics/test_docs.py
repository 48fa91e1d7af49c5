"""What the page on deploying says of the metrics, against what a scrape tells."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from factories import make_clinic, make_connection
from ringnote.delivery.retry import Next
from ringnote.metrics.census import UNFINISHED
from ringnote.metrics.exposition import expose
from ringnote.metrics.tally import Answer, Tally
from scrapes import read, watched

PAGE = (Path(__file__).parents[2] / "docs" / "deploying.md").read_text()
SECTION = PAGE.partition("## Watching it\n")[2].partition("\n## ")[0]
ROWS = [line.split("|")[1:-1] for line in SECTION.splitlines() if line.startswith("| `")]
EXPRESSIONS = re.findall(r"^ +expr: (.+)$", SECTION, re.MULTILINE)
NAME = re.compile(r"\bringnote_\w+")


@pytest.fixture
def text(runtime):
    """A scrape of a process that has done something of everything."""
    monitored = watched(runtime, data_is_persistent=True)
    make_connection(runtime.db, make_clinic(runtime.db))
    tally = monitored.own(Tally)
    tally.count_try("sandbox", "written", 0.1)
    yield expose(monitored)[0].decode()
    monitored.close()


def test_every_metric_is_in_a_table_and_nothing_else_is(text):
    told = {name for row in ROWS for name in NAME.findall(row[0])}

    # The parser leaves the suffix out of a counter's name.
    families = {
        family.name + "_total" * (family.type == "counter")
        for family in text_string_to_metric_families(text)
    }
    assert told == families


def test_every_alert_asks_for_samples_that_there_are(text):
    samples = {name for name, *_ in read(text)}

    asked = {name for expression in EXPRESSIONS for name in NAME.findall(expression)}
    assert len(EXPRESSIONS) > 5
    assert len(asked) > 5
    assert asked - samples == set()


def test_every_value_of_a_label_that_is_named_is_one(text):
    values = {
        "answer": set(Answer),
        "state": {*UNFINISHED, "active", "resting", "watch_only", "paused", "refused"},
        "job": {"ringnote"},
    }

    selected = [each for said in EXPRESSIONS for each in re.findall(r'(\w+)="(\w+)"', said)]
    assert len(selected) > 4
    assert [each for each in selected if each[1] not in values[each[0]]] == []
    rows = {row[0].strip(): row[1] for row in ROWS if len(row) == 3}
    answers = re.findall(r"`(\w+)`", rows["`ringnote_webhooks_total`"])
    assert answers == ["answer", *Answer]
    outcomes = re.findall(r"`(\w+)`", rows["`ringnote_tries_total`"])
    assert outcomes == ["connector", "outcome", *Next]
    states = re.findall(r"`(\w+)`", rows["`ringnote_entries`"])
    assert states == ["state", *UNFINISHED]
