"""What was texted: pure folds of a conversation's facts into messages and windows."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ..numbers import Number, NumberKind, read_number
from .facts import EventType, Fact, Grounds


@dataclass(frozen=True, slots=True)
class Message:
    """One text. `repeats` are the ids of events that said the same again within the window."""

    event_id: str
    at: datetime
    is_inbound: bool
    text: str
    is_attachment: bool
    repeats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """One day's texts with one counterpart."""

    number: str
    number_raw: str
    number_kind: NumberKind
    line: str
    starts_at: datetime
    ends_at: datetime
    local_day: date
    messages: tuple[Message, ...]
    filtered_by: str | None


def fold_windows(
    facts: Iterable[Fact],
    timezone: str,
    grounds: Grounds,
    repeat_window: timedelta = timedelta(seconds=10),
) -> list[Window]:
    """The windows of a conversation: one clinic-local day and counterpart each, in order."""
    zone = ZoneInfo(timezone)
    groups: dict[tuple[str, date], list[Fact]] = {}
    for fact in sorted({fact.event_id: fact for fact in facts}.values(), key=_stamp):
        number = read_number(_client_side(fact), grounds.region)
        key = (number.e164 or number.raw, fact.at.astimezone(zone).date())
        groups.setdefault(key, []).append(fact)
    return [_window(day, group, zone, grounds, repeat_window) for (_, day), group in groups.items()]


def _window(
    day: date, facts: list[Fact], zone: ZoneInfo, grounds: Grounds, repeat_window: timedelta
) -> Window:
    number = read_number(_client_side(facts[0]), grounds.region)
    line = min(_clinic_side(fact) for fact in facts)
    messages: list[Message] = []
    for fact in facts:
        inbound = fact.type is EventType.INBOUND_MESSAGE
        text = fact.fields.get("text", "")
        for place, kept in enumerate(messages):
            same = kept.text == text and kept.is_inbound is inbound
            if same and fact.at - kept.at <= repeat_window:
                messages[place] = replace(kept, repeats=(*kept.repeats, fact.event_id))
                break
        else:
            messages.append(Message(fact.event_id, fact.at, inbound, text, False))
    starts = datetime.combine(day, time.min, zone)
    ends = datetime.combine(day + timedelta(days=1), time.min, zone)
    return Window(
        number=number.e164,
        number_raw=number.raw,
        number_kind=number.kind,
        line=read_number(line, grounds.region).e164 or line,
        starts_at=starts.astimezone(UTC),
        ends_at=ends.astimezone(UTC),
        local_day=day,
        messages=tuple(messages),
        filtered_by=_filtered(number, grounds),
    )


def _filtered(number: Number, grounds: Grounds) -> str | None:
    if number.kind is NumberKind.EXTENSION:
        return "a short code, so no client"
    if number.e164 and number.e164 in grounds.lines:
        return "the other party is one of the clinic's own lines"
    return None


def _client_side(fact: Fact) -> str:
    name = "from_number" if fact.type is EventType.INBOUND_MESSAGE else "to_number"
    return fact.fields.get(name, "")


def _clinic_side(fact: Fact) -> str:
    name = "to_number" if fact.type is EventType.INBOUND_MESSAGE else "from_number"
    return fact.fields.get(name, "")


def _stamp(fact: Fact) -> tuple[datetime, str]:
    return fact.at, fact.event_id
