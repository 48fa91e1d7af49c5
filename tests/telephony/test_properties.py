"""What holds of every history, however the phone system shuffles and repeats it.

RINGNOTE_HISTORIES is how many are invented (`make properties` sets a million).
"""

import json
import os
import random
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from invented import (
    GROUNDS,
    invent_call,
    invent_call_fact,
    invent_texts,
    repeat,
    restamp,
    shrink,
)
from ringnote.ledger.compose import compose_call, compose_transcript
from ringnote.ledger.rules import Rules
from ringnote.ledger.views import call_title
from ringnote.ledger.wording import Voice
from ringnote.telephony.calls import fold_call, settles_at, split_reused
from ringnote.telephony.conversations import fold_windows
from ringnote.telephony.facts import EventType, Fact
from ringnote.telephony.summaries import (
    CallSummary,
    Direction,
    Outcome,
    summary_from_json,
    summary_to_json,
)

HISTORIES = int(os.environ.get("RINGNOTE_HISTORIES", "20000"))
BATCHES = 20
VOICE = Voice("America/New_York", "US")
RULES = Rules()
ANSWERED = {Outcome.ANSWERED, Outcome.ANSWERED_THEN_VOICEMAIL}

Fault = str | None
Judge = Callable[[random.Random, Sequence[Fact]], Fault]


def fold(facts: Sequence[Fact]) -> CallSummary:
    return fold_call(facts, [], GROUNDS)


def parties(summary: CallSummary) -> tuple:
    """What another order of arrival may not change."""
    return (
        summary.direction,
        summary.outcome,
        summary.evidence,
        summary.number,
        summary.number_raw,
        summary.caller_name,
        summary.line,
        summary.legs,
        summary.queues,
        summary.ring_groups,
        summary.missing,
        summary.filtered_by,
        call_title(summary),
    )


def is_strongly_answered(facts: Sequence[Fact]) -> bool:
    return any(
        fact.type is EventType.EXTENSION_ANSWERED
        or (fact.type is EventType.HANGUP_CALL and fact.fields.get("extension"))
        for fact in facts
    )


def judge_call(dice: random.Random, facts: Sequence[Fact]) -> Fault:
    """What is wrong with how this call is read, or None."""
    summary = fold(facts)
    if fold(repeat(dice, facts)) != summary:
        return "another order or repetition of the same stamped events gives another summary"
    if parties(fold(restamp(dice, facts))) != parties(summary):
        return "another order of arrival gives another outcome, party or title"
    if summary_from_json(json.loads(json.dumps(summary_to_json(summary)))) != summary:
        return "it does not come back from JSON"
    if is_strongly_answered(facts):
        more = fold([*facts, invent_call_fact(dice, len(facts))])
        if more.direction is not Direction.OUTBOUND and more.outcome not in ANSWERED:
            return "one more event turned an answered call into another"
    if summary.spoke_last not in {"", *(leg.extension for leg in summary.answered_by)}:
        return "somebody spoke last who answered nothing"
    hangups = [fact for fact in facts if fact.type is EventType.HANGUP_CALL]
    if summary.outcome is Outcome.MISSED and not hangups:
        return "it is called missed without a hangup"
    if min(summary.waited_seconds or 0, summary.talked_seconds or 0) < 0:
        return "it lasted less than nothing"
    if summary.number and summary.number in GROUNDS.lines and not summary.filtered_by:
        return "the clinic's own line is taken for a client"
    compose_call(summary, "call-1", VOICE, RULES)
    return None


def judge_reuse(dice: random.Random, facts: Sequence[Fact]) -> Fault:
    groups = split_reused(facts)
    if split_reused(repeat(dice, facts)) != groups:
        return "another order gives other calls"
    if sorted(fact.event_id for group in groups for fact in group) != sorted(
        fact.event_id for fact in facts
    ):
        return "an event is in no call, or in two"
    return None


def judge_texts(dice: random.Random, facts: Sequence[Fact]) -> Fault:
    windows = fold_windows(facts, VOICE.timezone, GROUNDS)
    if fold_windows(repeat(dice, facts), VOICE.timezone, GROUNDS) != windows:
        return "another order or repetition of the same stamped texts gives other windows"
    ids = [
        event_id
        for window in windows
        for message in window.messages
        for event_id in (message.event_id, *message.repeats)
    ]
    if sorted(ids) != sorted(fact.event_id for fact in facts):
        return "a text is in no window, or in two"
    for window in windows:
        compose_transcript(window, "c-1", VOICE, RULES)
        if not all(window.starts_at <= each.at < window.ends_at for each in window.messages):
            return "a text is outside its window"
    return None


@pytest.mark.parametrize("batch", range(BATCHES))
@pytest.mark.parametrize(
    ("invent", "judge", "share"),
    [
        (invent_call, judge_call, 1.0),
        (invent_call, judge_reuse, 0.1),
        (invent_texts, judge_texts, 0.25),
    ],
    ids=["calls", "reused", "texts"],
)
def test_it_holds_of_every_history(invent, judge: Judge, share, batch):
    for seed in range(batch, int(HISTORIES * share), BATCHES):
        facts = invent(random.Random(seed))
        if fault := judge(random.Random(seed), facts):
            few = shrink(facts, lambda some, seed=seed: judge(random.Random(seed), some) == fault)
            told = "\n".join(
                f"  {each.at:%H:%M:%S} {each.type} {dict(each.fields)}" for each in few
            )
            pytest.fail(f"seed {seed}: {fault}\n{told}")


def test_when_a_call_settles_does_not_depend_on_the_order():
    for seed in range(2000):
        facts = invent_call(random.Random(seed))
        grace = timedelta(seconds=20)
        when = settles_at(facts, grace)
        assert settles_at(repeat(random.Random(seed), facts), grace) == when
        assert when >= facts[0].at
