"""Invented histories of one call or conversation, as facts, from a seed: likely ones and absurd."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from ringnote.telephony.facts import MESSAGES, EventType, Fact, Grounds

START = datetime(2026, 3, 8, 6, 30, tzinfo=UTC)
"""Half an hour before the clocks of New York go forward."""
LINE = "+12125550100"
GROUNDS = Grounds(region="US", lines=frozenset({LINE}))
CALLERS = ("+12125550142", "2125550142", "12125550199", "anonymous", "", "101", LINE, "junk")
EXTENSIONS = ("101", "102", "105", "")
NAMES = ("Amy", "Bo", "")
CALL_TYPES = tuple(each for each in EventType if each not in MESSAGES)
TEXTS = ("ok", "ok", "Is Rex ready?", "", "image/jpeg 4711")


def invent_call(dice: random.Random) -> list[Fact]:
    """One to fourteen facts of one callUuid, in order of receipt."""
    kinds = CALL_TYPES if dice.random() < 0.7 else dice.sample(CALL_TYPES, 3)
    spread = dice.choice((5, 300, 3600, 100_000))
    facts = [
        _call_fact(dice, number, dice.choice(kinds), spread)
        for number in range(dice.randint(1, 14))
    ]
    return sorted(facts, key=lambda fact: (fact.at, fact.event_id))


def invent_call_fact(dice: random.Random, number: int) -> Fact:
    """One more fact for a call that has fewer than `number`."""
    return _call_fact(dice, number, dice.choice(CALL_TYPES), 300)


def invent_texts(dice: random.Random) -> list[Fact]:
    """One to fourteen facts of one conversationID, in order of receipt."""
    spread = dice.choice((5, 60, 200_000))
    facts = []
    for number in range(dice.randint(1, 14)):
        client = dice.choice(CALLERS)
        kind = dice.choice(MESSAGES)
        inbound = kind is EventType.INBOUND_MESSAGE
        fields = {
            "from_number": client if inbound else LINE,
            "to_number": LINE if inbound else client,
            "text": dice.choice(TEXTS),
        }
        facts.append(Fact(f"e{number:02}", _moment(dice, spread), kind, _told(fields)))
    return sorted(facts, key=lambda fact: (fact.at, fact.event_id))


def restamp(dice: random.Random, facts: Sequence[Fact]) -> list[Fact]:
    """The same facts, received in another order at the same moments."""
    moments = [fact.at for fact in facts]
    dice.shuffle(moments)
    return [
        Fact(fact.event_id, at, fact.type, fact.fields)
        for fact, at in zip(facts, moments, strict=True)
    ]


def repeat(dice: random.Random, facts: Sequence[Fact]) -> list[Fact]:
    """The same stamped facts in another order, some of them several times."""
    again = [*facts, *dice.choices(facts, k=dice.randint(0, 5))]
    dice.shuffle(again)
    return again


def shrink(facts: Sequence[Fact], fails: Callable[[Sequence[Fact]], bool]) -> list[Fact]:
    """As few of these facts as still fail, so that a person can read them."""
    kept = list(facts)
    for fact in facts:
        fewer = [each for each in kept if each is not fact]
        if fewer and fails(fewer):
            kept = fewer
    return kept


def _call_fact(dice: random.Random, number: int, kind: EventType, spread: int) -> Fact:
    fields = {"caller_number": dice.choice(CALLERS), "caller_name": dice.choice(("", "DOE", "[V]"))}
    if kind is EventType.INBOUND_CALL:
        fields |= {"did_number": dice.choice((LINE, "12125550101", "")), "did_description": "Main"}
        fields["cid_prefix"] = dice.choice(("", "Sales:"))
    elif kind is EventType.OUTBOUND_CALL:
        fields = {"number_dialed": dice.choice((*CALLERS, "911", "*97"))}
        fields |= {"extension": dice.choice(EXTENSIONS), "extension_name": dice.choice(NAMES)}
    elif kind is EventType.RING_GROUP_ENTERED:
        fields["ring_group"] = dice.choice(("600", "601"))
    elif kind is EventType.QUEUE_ENTERED:
        fields["queue"] = dice.choice(("700", "701"))
    else:
        fields |= {"extension": dice.choice(EXTENSIONS), "extension_name": dice.choice(NAMES)}
    return Fact(f"e{number:02}", _moment(dice, spread), kind, _told(fields))


def _told(fields: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


def _moment(dice: random.Random, spread: int) -> datetime:
    # Whole seconds, so that moments coincide now and then.
    return START + timedelta(seconds=dice.randint(0, spread))
