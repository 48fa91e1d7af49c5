"""What the phone system does not report: a clinic's traffic, read for holes in its set-up. Pure.

Each finding rests on what came, never on what should be there: an extension that nobody rings and
a queue that a clinic doesn't have leave no trace and are not missed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .calls import UNREPORTED_AFTER
from .facts import MESSAGES, EventType
from .parse import read_tenant

FEW = 3
"""Calls from which on a thing that never came is no accident."""
MANY = 20
QUEUE_SILENT_AFTER = timedelta(days=2)
CLINIC_SILENT_AFTER = timedelta(hours=12)
LONGER = 2
"""A silence this many times the longest one before is unusual."""
PLACEHOLDER_REASON = "placeholder"
NUMBERS_TAB = "Phone numbers"
EXTENSIONS_TAB = "Extensions"
TABS = {
    EventType.INBOUND_CALL: "Phone numbers → each number → Inbound call",
    EventType.HANGUP_CALL: "Phone numbers → each number → Hangup",
    EventType.INBOUND_MESSAGE: "Phone numbers → each number → Inbound text",
    EventType.OUTBOUND_MESSAGE: "Phone numbers → each number → Outbound text",
    EventType.EXTENSION_RINGS: "Extensions → each extension → Ring attempt",
    EventType.EXTENSION_ANSWERED: "Extensions → each extension → Answered",
    EventType.INBOUND_CALL_COMPLETED: "Extensions → each extension → Completed",
    EventType.VOICEMAIL_HANGUP: "Extensions → each extension → Voicemail",
    EventType.OUTBOUND_CALL: "Extensions → each extension → Outbound call",
    EventType.RING_GROUP_ENTERED: "Ring groups → each ring group → Ring attempt",
    EventType.QUEUE_ENTERED: "Queues → each queue → Entered",
}
"""Where each webhook is pasted into the phone system."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One event as it was kept; `is_accepted` is False for a quarantined one."""

    at: datetime
    is_accepted: bool
    reason: str | None
    type: str | None
    key: str | None
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is set up wrongly, as far as the traffic tells.

    `tab` is where in the phone system to look, `seen` how many calls or webhooks show it.
    """

    kind: str
    says: str
    tab: str
    seen: int


@dataclass(slots=True)
class _Seen:
    """What came of one callUuid."""

    last_at: datetime
    types: set[str] = field(default_factory=set)
    line: str = ""
    answered: set[str] = field(default_factory=set)
    hung_up: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Rhythm:
    """How often anything came."""

    beats: int = 0
    last_at: datetime | None = None
    longest: timedelta = timedelta(0)

    def beat(self, at: datetime) -> None:
        if self.last_at is not None:
            self.longest = max(self.longest, at - self.last_at)
        self.beats += 1
        self.last_at = at


def find_gaps(
    sightings: Iterable[Sighting], container: tuple[str, str], now: datetime
) -> list[Gap]:
    """What a clinic's sightings, in order of receipt, show to be missing or wrong.

    `container` is the clinic's own (containerId, tenantId).
    """
    calls: dict[str, _Seen] = {}
    queues: dict[str, datetime] = {}
    texts: Counter[str] = Counter()
    refused: dict[tuple[str, str], int] = Counter()
    rhythm = _Rhythm()
    for sighting in sightings:
        rhythm.beat(sighting.at)
        if not sighting.is_accepted:
            refused[_refusal(sighting, container)] += 1
        elif sighting.type in MESSAGES:
            texts[sighting.type] += 1
        elif sighting.key and sighting.type in TABS:
            _add(calls.setdefault(sighting.key, _Seen(sighting.at)), sighting)
            if queue := sighting.fields.get("queue"):
                queues[queue] = sighting.at
    over = [call for call in calls.values() if now - call.last_at > UNREPORTED_AFTER]
    return [
        *_of_refusals(refused),
        *_of_lines(over),
        *_of_extensions(over),
        *_of_what_never_comes(over, set().union(*(call.types for call in calls.values()))),
        *_of_queues(queues, list(calls.values()), now),
        *_of_texts(texts),
        *_of_silence(rhythm, now),
    ]


def _add(call: _Seen, sighting: Sighting) -> None:
    call.last_at = sighting.at
    call.types.add(sighting.type or "")
    call.line = call.line or sighting.fields.get("did_number", "")
    extension = sighting.fields.get("extension")
    if extension and sighting.type == EventType.EXTENSION_ANSWERED:
        call.answered.add(extension)
    if extension and sighting.type == EventType.HANGUP_CALL:
        call.hung_up.add(extension)


def _refusal(sighting: Sighting, container: tuple[str, str]) -> tuple[str, str]:
    """The kind of a quarantined event, and what of it a person must see."""
    reason = sighting.reason or ""
    if PLACEHOLDER_REASON in reason:
        return "placeholder", sighting.type or ""
    theirs = sighting.fields.get("container_id", "")
    tenant = read_tenant(sighting.fields.get("tenant_id"))
    if theirs and (theirs, tenant) != container:
        return "foreign_container", f"{theirs}, tenant {tenant}" if tenant else theirs
    return "unusable", reason


def _of_refusals(refused: Mapping[tuple[str, str], int]) -> Iterator[Gap]:
    for (kind, what), count in sorted(refused.items()):
        many = _count(count, "webhook")
        if kind == "placeholder":
            said = f"{many} carried placeholders that the phone system did not replace"
            yield Gap(kind, f"{said}: its template was changed", _tab(what), count)
        elif kind == "foreign_container":
            said = f"{many} came from another account of the phone system, container {what}"
            hint = "this clinic's URL was pasted there, or the clinic was added with another number"
            yield Gap(kind, f"{said}: {hint}", "Every tab of that account", count)
        else:
            yield Gap(kind, f"{many} could not be used: {what}", "The webhook's template", count)


def _of_lines(over: list[_Seen]) -> Iterator[Gap]:
    lines: dict[str, list[_Seen]] = defaultdict(list)
    for call in over:
        if call.line:
            lines[call.line].append(call)
    for line, calls in sorted(lines.items()):
        endless = [each for each in calls if EventType.HANGUP_CALL not in each.types]
        if len(endless) >= FEW and 2 * len(endless) > len(calls):
            said = f"The end of {len(endless)} of {_count(len(calls), 'call')} on line {line}"
            tab = f"{NUMBERS_TAB} → {line} → Hangup"
            yield Gap(
                "no_hangup",
                f"{said} was never reported, so none is called missed",
                tab,
                len(endless),
            )
    ended = [each for each in over if EventType.HANGUP_CALL in each.types]
    headless = [each for each in ended if EventType.INBOUND_CALL not in each.types]
    if len(headless) >= FEW and 2 * len(headless) > len(ended):
        said = f"The arrival of {len(headless)} of {_count(len(ended), 'call')} was never reported"
        hint = "their notes name no line and no waiting"
        yield Gap("no_arrival", f"{said}: {hint}", TABS[EventType.INBOUND_CALL], len(headless))


def _of_extensions(over: list[_Seen]) -> Iterator[Gap]:
    silent: Counter[str] = Counter()
    heard: set[str] = set()
    for call in over:
        heard |= call.answered
        silent.update(call.hung_up)
    for extension, count in sorted(silent.items()):
        if count >= FEW and extension not in heard:
            said = f"Extension {extension} had {_count(count, 'call')} and never reported an answer"
            hint = "who answered and how long they talked is unknown after a transfer"
            tab = f"{EXTENSIONS_TAB} → {extension} → Answered"
            yield Gap("no_answer", f"{said}: {hint}", tab, count)


def _of_what_never_comes(over: list[_Seen], types: set[str]) -> Iterator[Gap]:
    inbound = [each for each in over if EventType.INBOUND_CALL in each.types]
    if len(inbound) >= MANY:
        for kind, what in (
            (EventType.EXTENSION_RINGS, "that a phone rang"),
            (EventType.OUTBOUND_CALL, "an outgoing call"),
        ):
            if kind not in types:
                said = f"{_count(len(inbound), 'call')} came in, and {what} was never reported"
                yield Gap("never_" + kind.name.lower(), said, TABS[kind], len(inbound))


def _of_queues(queues: Mapping[str, datetime], calls: list[_Seen], now: datetime) -> Iterator[Gap]:
    for queue, last_at in sorted(queues.items()):
        since = sum(call.last_at > last_at + UNREPORTED_AFTER for call in calls)
        if now - last_at > QUEUE_SILENT_AFTER and since >= MANY:
            said = f"Queue {queue} has reported nobody since {last_at:%Y-%m-%d}"
            said += f", while {_count(since, 'call')} came"
            yield Gap("silent_queue", said, f"Queues → {queue} → Entered", since)


def _of_texts(texts: Mapping[str, int]) -> Iterator[Gap]:
    for here, there in (MESSAGES, MESSAGES[::-1]):
        if texts.get(here, 0) >= MANY and not texts.get(there, 0):
            way = "to" if there is EventType.OUTBOUND_MESSAGE else "from"
            said = f"{_count(texts[here], 'text')} came, and none {way} a client was ever reported"
            yield Gap("half_conversations", said, TABS[there], texts[here])


def _of_silence(rhythm: _Rhythm, now: datetime) -> Iterator[Gap]:
    if rhythm.last_at is None:
        yield Gap("nothing", "No webhook has come", TABS[EventType.HANGUP_CALL], 0)
        return
    silence = now - rhythm.last_at
    if rhythm.beats >= MANY and silence > max(LONGER * rhythm.longest, CLINIC_SILENT_AFTER):
        said = f"Nothing has come for {_hours(silence)}; before, it never took longer than"
        tab = "Any tab: is the URL still there, and does it open in a browser?"
        yield Gap("silent", f"{said} {_hours(rhythm.longest)}", tab, 0)


def _tab(event_type: str) -> str:
    return TABS.get(EventType(event_type), "") if event_type in TABS else "The webhook's template"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _hours(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{max(hours, 1):.0f} h"
