"""The templates of a policy, looked through and tried before it is set. Pure.

What templates are given stands here, by entry, with what it means.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from ..numbers import NumberKind
from ..telephony.conversations import Message, Window
from ..telephony.summaries import CallSummary, Direction, Leg, Outcome
from ..toml_reading import Fault, suggest
from .episodes import Episode, Happening, Kind, Stage
from .policy import TaskTerms
from .rules import EntryWords, Rules
from .templates import WordsError, find_word_template_faults, render
from .views import View, Waited, view_call, view_callback, view_digest, view_transcript
from .wording import Voice, languages

CALL = {
    "title": "Ringnote's own title",
    "direction": '"inbound" or "outbound"',
    "outcome": '"answered", "answered_then_voicemail", "voicemail", "missed", "unknown", "placed"',
    "number": "the client's number",
    "caller": "the name that the phone system showed",
    "line": "the clinic's line, by name and number",
    "answered_by": "who answered",
    "placed_by": "who dialled",
    "queue": "the queues it was in",
    "ring_group": "the ring groups it was in",
}
CALL_BODY = CALL | {
    "when": "day and time",
    "time": "the time alone",
    "waited": "about how long the caller waited",
    "talked": "about how long they talked",
    "how_far": "how far a caller got whom nobody answered",
    "way": "how an answered call came to who had it",
    "is_unanswered": "whether nobody took it, or not to its end",
    "outcome_told": "what came of it, in sentences",
    "missing": "what the phone system did not report",
    "corrected_by": "who corrected it",
}
CALLBACK = {
    "title": "Ringnote's own title",
    "number": "the number to call",
    "caller": "the name that the phone system showed",
    "line": "the clinic's line that they last called",
}
CALLBACK_BODY = CALLBACK | {
    "please": "whom to call back, in a sentence",
    "count": "how many calls there were",
    "missed": "how many of them were missed",
    "voicemails": "how many of them reached voicemail",
    "tally": "how many calls there were, when the last was and where it waited, in a sentence",
    "last_when": "day and time of the last call",
    "due": "when the task is due",
    "priority": '"low", "normal", "high" or "urgent"',
    "urgency": "the same in words, where it is high or urgent",
    "done": "when and how it was done, in a sentence",
    "calls": "the calls, each with when, what and waited",
    "since": "what was done since, each with when and what",
}
TRANSCRIPT = {
    "title": "Ringnote's own title",
    "number": "the client's number",
    "line": "the clinic's number",
}
TRANSCRIPT_BODY = TRANSCRIPT | {
    "day": "the day of the texts",
    "messages": "the texts, each with time, sender, text and is_attachment",
}
DIGEST = {
    "title": "Ringnote's own title",
    "number": "the client's number",
}
DIGEST_BODY = DIGEST | {
    "tally": "how many calls and texts waited",
    "told": "the calls and texts, each with when, what, how_far, waited and talked",
}
VARIABLES: dict[tuple[str, str], Mapping[str, str]] = {
    ("call", "title"): CALL,
    ("call", "body"): CALL_BODY,
    ("callback", "title"): CALLBACK,
    ("callback", "body"): CALLBACK_BODY,
    ("transcript", "title"): TRANSCRIPT,
    ("transcript", "body"): TRANSCRIPT_BODY,
    ("digest", "title"): DIGEST,
    ("digest", "body"): DIGEST_BODY,
}
"""What each template is given. Titles are stable: they know no time, duration or count."""
LISTS = {
    "calls": frozenset({"when", "what", "waited"}),
    "since": frozenset({"when", "what"}),
    "messages": frozenset({"time", "sender", "text", "is_attachment"}),
    "told": frozenset({"when", "what", "how_far", "waited", "talked"}),
}


def find_word_faults(rules: Rules) -> Iterator[Fault]:
    """Whatever is wrong with a policy's templates and language."""
    language = rules.words.language
    if language not in languages():
        said = f'Ringnote does not speak "{language}" yet, but {", ".join(languages())}'
        yield Fault(("words", "language"), f"{said}{suggest(language, languages())}")
    samples = _samples(Voice("America/New_York", "US"))
    for (kind, name), known in VARIABLES.items():
        own: EntryWords = getattr(rules.words, kind)
        if source := getattr(own, name):
            yield from _of_template(source, kind, name, known, samples[kind])


def _of_template(
    source: str, kind: str, name: str, known: Mapping[str, str], samples: list[View]
) -> Iterator[Fault]:
    place = ("words", kind, name)
    lists = {each: has for each, has in LISTS.items() if each in known}
    faults = list(find_word_template_faults(source, known, lists))
    for line, said in faults:
        yield Fault(place, f"in line {line} of the template: {said}")
    if faults:
        return
    try:
        for sample in samples:
            render(source, {each: sample[each] for each in known})
    except WordsError as error:
        yield Fault(place, f"tried with an invented {kind}, {error}")


def _samples(voice: Voice) -> dict[str, list[View]]:
    """Invented entries, with much that is known and with little."""
    at = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
    full = CallSummary(
        direction=Direction.INBOUND,
        outcome=Outcome.MISSED,
        evidence=("the call ended and nobody had answered",),
        number="+12125550142",
        number_raw="2125550142",
        number_kind=NumberKind.PHONE,
        caller_name="DOE JANE",
        line="+12125550100",
        line_name="Main line",
        queues=("700",),
        ring_groups=("600",),
        legs=(Leg("101", "Amy", has_rung=True),),
        has_beginning=True,
        started_at=at,
        last_event_at=at + timedelta(minutes=2),
        ended_at=at + timedelta(minutes=2),
        waited_seconds=120,
        talked_seconds=None,
        missing=(),
        filtered_by=None,
        corrected_by=None,
    )
    bare = replace(
        full,
        direction=Direction.OUTBOUND,
        outcome=Outcome.PLACED,
        caller_name="",
        line="",
        line_name="",
        queues=(),
        ring_groups=(),
        legs=(),
        waited_seconds=None,
    )
    terms = TaskTerms(at + timedelta(hours=1), "", "high")
    asked = Happening(at, Kind.ASKED, full.number, ("call", 1), "C1")
    tried = Happening(at + timedelta(hours=1), Kind.DIALLED, full.number, ("call", 2), "C1")
    episode = Episode(full.number, "C1", at, Stage.ATTEMPTED, tried.at, (asked, tried))
    texts = Window(
        number="+12125550142",
        number_raw="2125550142",
        number_kind=NumberKind.PHONE,
        line="+12125550100",
        starts_at=at,
        ends_at=at + timedelta(days=1),
        local_day=date(2026, 3, 2),
        messages=(Message("1", at, True, "Is Rex ready?", False),),
        filtered_by=None,
    )
    told: list[CallSummary | Message] = [full, bare, *texts.messages]
    waited = [Waited(at, "call", "1", None, what) for what in told]
    return {
        "call": [view_call(full, voice), view_call(bare, voice)],
        "callback": [view_callback(episode, {1: full}, terms, voice, Rules())],
        "transcript": [view_transcript(texts, voice)],
        "digest": [view_digest(full.number, waited, voice), view_digest("", waited[1:2], voice)],
    }
