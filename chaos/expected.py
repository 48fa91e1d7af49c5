"""What the PMS should say, told from the acknowledged webhooks alone: no table is looked at."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ringnote.ledger.episodes import fold_episodes, read_call
from ringnote.ledger.policy import decide_call
from ringnote.ledger.rules import Rules
from ringnote.ledger.views import call_title
from ringnote.numbers import NumberKind, read_number
from ringnote.sandbox.people import OWN_LINE
from ringnote.telephony.calls import fold_call
from ringnote.telephony.facts import MESSAGES, EventType, Fact, Grounds
from ringnote.telephony.parse import read_event, subject_of
from ringnote.telephony.summaries import CallSummary, Outcome

from .record import Post

GROUNDS = Grounds("US", frozenset({OWN_LINE}))
TIMEZONE = "America/New_York"

Subject = tuple[str, str]
"""A clinic's containerId with a callUuid, a conversationID or a number."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should stand for one subject: at which client, under which title, with which texts."""

    client: str
    title: str
    texts: frozenset[str] = frozenset()
    is_done: bool = False
    """Of a task: whether the caller was reached since."""


@dataclass
class Expected:
    """Notes by call, tasks by the number that asked first, transcripts by conversation."""

    notes: dict[Subject, Wanted] = field(default_factory=dict)
    tasks: dict[Subject, list[Wanted]] = field(default_factory=lambda: defaultdict(list))
    transcripts: dict[Subject, Wanted] = field(default_factory=dict)


def expect(
    posts: Iterable[Post],
    clients: Sequence[Mapping[str, Any]],
    received_at: Mapping[int, datetime],
) -> Expected:
    """What follows from these posts, for a PMS with these clients.

    `received_at` are the times of receipt by a post's number: who called before whom is told by
    them alone.
    """
    subjects: dict[tuple[str, str, str], list[Fact]] = defaultdict(list)
    for post in posts:
        reading = read_event(post.webhook.body)
        kind, key = subject_of(reading) or ("", "")
        fact = Fact(
            str(post.number),
            received_at.get(post.number, post.acknowledged_at),
            EventType(reading.event_type),
            reading.fields,
        )
        subjects[post.clinic, kind, key].append(fact)
    owners = _owners(clients)
    expected = Expected()
    calls: dict[Subject, list[CallSummary]] = defaultdict(list)
    for (clinic, kind, key), facts in subjects.items():
        if kind == "conversation":
            _expect_transcript(expected, (clinic, key), facts, owners)
            continue
        summary = fold_call(facts, (), GROUNDS)
        client = owners.get(summary.number)
        wants = decide_call(Rules(), summary, "", "", TIMEZONE)
        if client is None or summary.number_kind is not NumberKind.PHONE:
            continue
        if wants.note:
            expected.notes[clinic, key] = Wanted(client, call_title(summary))
        calls[clinic, client].append(summary)
    for (clinic, client), summaries in calls.items():
        _expect_tasks(expected, clinic, client, summaries)
    return expected


def _expect_tasks(
    expected: Expected, clinic: str, client: str, summaries: Sequence[CallSummary]
) -> None:
    happenings = []
    for place, summary in enumerate(summaries):
        asks = decide_call(Rules(), summary, "", "", TIMEZONE).callback
        if happening := read_call(place, summary, client, asks=asks, closes=True):
            happenings.append(happening)
    for episode in fold_episodes(happenings):
        asking = [summaries[ask.subject[1]] for ask in episode.asks]
        only_missed = all(call.outcome is Outcome.MISSED for call in asking)
        title = f"Call back: {'missed call' if only_missed else 'voicemail'}"
        want = Wanted(client, title, is_done=not episode.is_open)
        expected.tasks[clinic, episode.number].append(want)


def _expect_transcript(
    expected: Expected, subject: Subject, facts: Sequence[Fact], owners: Mapping[str, str]
) -> None:
    for fact in facts:
        is_inbound = fact.type is MESSAGES[0]
        number = read_number(fact.fields["from_number" if is_inbound else "to_number"], "US").e164
        if client := owners.get(number):
            texts = frozenset(fact.fields["text"] for fact in facts)
            expected.transcripts[subject] = Wanted(client, "Text conversation", texts)


def _owners(clients: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The client of each number that is one client's alone."""
    found: dict[str, set[str]] = defaultdict(set)
    for client in clients:
        for phone in client["phones"]:
            found[read_number(phone["number"], "US").e164].add(client["id"])
    return {number: next(iter(ids)) for number, ids in found.items() if len(ids) == 1}
