"""The pages on connectors: that none lacks a part, and that they show what is really written."""

import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ringnote.connectors import CONNECTORS
from ringnote.connectors.base import Capabilities
from ringnote.ledger.compose import compose_call, compose_callback
from ringnote.ledger.episodes import Episode, Happening, Kind, Stage
from ringnote.ledger.policy import TaskTerms
from ringnote.ledger.rules import Rules
from ringnote.ledger.wording import Voice
from ringnote.numbers import NumberKind
from ringnote.telephony.summaries import CallSummary, Direction, Leg, Outcome

DOCS = Path(__file__).parents[2] / "docs" / "connectors"
PARTS = ["Connecting", "What appears where", "What it can do, and how", "How sure this is"]
AT = datetime(2026, 11, 26, 15, 42, tzinfo=UTC)
MISSED = CallSummary(
    direction=Direction.INBOUND,
    outcome=Outcome.MISSED,
    evidence=(),
    number="+12125550142",
    number_raw="+12125550142",
    number_kind=NumberKind.PHONE,
    caller_name="DOE JANE",
    line="+12125550100",
    line_name="Main line",
    queues=("700",),
    ring_groups=(),
    legs=(Leg("101", "Amy", has_rung=True),),
    has_beginning=True,
    started_at=AT,
    last_event_at=AT,
    ended_at=AT,
    waited_seconds=40,
    talked_seconds=None,
    missing=(),
    filtered_by=None,
    corrected_by=None,
)
ANSWERED = replace(
    MISSED,
    outcome=Outcome.ANSWERED,
    legs=(Leg("101", "Amy", has_rung=True, has_answered=True),),
    waited_seconds=12,
    talked_seconds=180,
)
LATER = replace(MISSED, started_at=AT + timedelta(minutes=9), ended_at=AT + timedelta(minutes=9))


def written():
    """The lines of a call that was answered, of one that was missed, and of callbacks."""
    voice, terms = Voice("America/New_York", "US"), TaskTerms(AT + timedelta(hours=2), "", "")
    calls = {1: MISSED, 2: LATER}
    asks = tuple(
        Happening(each.started_at, Kind.ASKED, each.number, ("call", number), "C1")
        for number, each in calls.items()
    )
    contents = [compose_call(each, "u", voice, Rules()) for each in (MISSED, ANSWERED)]
    for asked in (asks[:1], asks):
        episode = Episode(MISSED.number, "C1", AT, Stage.OPEN, AT, asked)
        contents.append(compose_callback(episode, calls, "u", terms, voice, Rules()))
    return [line for each in contents for line in [each["title"], *each["body"].splitlines()]]


def test_what_is_done_instead_is_told_of_all_that_a_pms_may_lack():
    told = (DOCS.parent / "adding-a-connector.md").read_text()
    instead = told.split("| without | what is done instead |")[1].split("\n\n")[0]
    may_lack = [each.name for each in fields(Capabilities) if each.default is False]

    assert len(may_lack) > 9
    assert [name for name in may_lack if f"`{name}`" not in instead] == []


@pytest.mark.parametrize("name", sorted({*CONNECTORS} - {"rest", "sandbox"}))
def test_a_page_lacks_no_part_and_shows_texts_as_they_are_written(name):
    parts = re.split("^## ", (DOCS / f"{name}.md").read_text(), flags=re.MULTILINE)
    told = {title: text for title, _, text in (part.partition("\n") for part in parts[1:])}
    picture = told["What appears where"].split("```")[1]
    shown = re.findall(r"(?:Thu .*|From \(|Please call|Nobody|\d missed|Line:).*", picture)

    assert list(told) == PARTS
    assert "connection test" in told["Connecting"]
    assert "| limits |" in told["What it can do, and how"]
    assert "Incoming call answered by Amy (101)" in picture
    assert "Call back: missed call" in picture
    assert "Text conversation" in picture
    assert len(shown) > 2
    assert [each for each in shown if each not in written()] == []
