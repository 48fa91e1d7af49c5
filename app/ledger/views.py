"""What the templates of entries are given: calls, callbacks and transcripts in words. Pure.

`words_checks` says of each variable what it means. Titles hold no time, duration or count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ..telephony.conversations import Message, Window
from ..telephony.summaries import CallSummary, Direction, Outcome
from .episodes import Episode, Happening, Kind, in_words
from .policy import TaskTerms, counted_as
from .rules import Rules
from .wording import Voice, tell_how_far, tell_outcome, tell_places, tell_way

View = dict[str, Any]
"""Variables by name."""
SHOWN_CALLS = 10
"""The latest calls of a callback that its task tells of one by one, and of what was done since."""
QUOTED = 200
"""Characters of a text that a task quotes."""
ABOUT_CALLS = ("how_far", "waited", "talked")
UNANSWERED = (Outcome.MISSED, Outcome.VOICEMAIL, Outcome.ANSWERED_THEN_VOICEMAIL)
"""Of these somebody should hear first, before the times."""
PLAIN = Voice("UTC", "US")
"""Titles hold no times, so that any voice says them."""


@dataclass(frozen=True, slots=True)
class Waited:
    """A call, or one text, that a digest tells of. `page` and `key` are of its whole story."""

    at: datetime
    page: Literal["call", "conversation"]
    key: str
    policy_version: int | None
    what: CallSummary | Message


def call_title(summary: CallSummary, voice: Voice = PLAIN) -> str:
    """What a call is called: stable whatever the order and time of its events."""
    if summary.direction is Direction.OUTBOUND:
        by = _placed_by(summary, voice)
        return voice.say("Call placed by {people}", people=by) if by else voice.say("Call placed")
    if summary.outcome is Outcome.ANSWERED:
        by = voice.people(summary.answered_by)
        if by:
            return voice.say("Incoming call answered by {people}", people=by)
        return voice.say("Incoming call answered")
    if summary.outcome is Outcome.ANSWERED_THEN_VOICEMAIL:
        return voice.say("Incoming call answered, then reached voicemail")
    if summary.outcome is Outcome.VOICEMAIL:
        return voice.say("Incoming call reached voicemail")
    if summary.outcome is Outcome.MISSED:
        return voice.say("Missed call")
    return voice.say("Incoming call, end not reported")


def view_call(summary: CallSummary, voice: Voice) -> View:
    """What a call's templates are given, in words; '' for what is not known."""
    outbound = summary.direction is Direction.OUTBOUND
    return {
        **_party(summary, voice),
        "title": call_title(summary, voice),
        "direction": summary.direction.value,
        "outcome": summary.outcome.value,
        "answered_by": voice.people(summary.answered_by),
        "placed_by": _placed_by(summary, voice) if outbound else "",
        "queue": voice.listed(voice.queues(summary)),
        "ring_group": voice.listed(voice.ring_groups(summary)),
        "when": voice.moment(summary.started_at),
        "time": voice.time(summary.started_at),
        "waited": _about(summary.waited_seconds, voice),
        "talked": _about(summary.talked_seconds, voice),
        "how_far": "" if outbound or summary.answered_by else tell_how_far(summary, voice),
        "way": " ".join(tell_way(summary, voice)),
        "is_unanswered": summary.outcome in UNANSWERED,
        "outcome_told": tell_outcome(summary, voice),
        "missing": "; ".join(summary.missing),
        "corrected_by": summary.corrected_by or "",
    }


def view_callback(
    episode: Episode,
    summaries: Mapping[int, CallSummary],
    terms: TaskTerms,
    voice: Voice,
    rules: Rules,
) -> View:
    """What a callback's templates are given, in words; '' for what is not known.

    `summaries` are those of its calls, by id.
    """
    calls, asks = [summaries[each] for each in episode.calls], episode.asks
    missed = sum(counted_as(rules, call) is Outcome.MISSED for call in calls)
    texts = _asking_texts(episode)
    last_when = voice.moment(max(each.at for each in (*asks, *texts)))
    party = _party(calls[-1], voice) if calls else _unnamed(episode.number, voice)
    whom = f"{party['number']} ({party['caller']})" if party["caller"] else party["number"]
    urgencies = {"high": voice.say("High priority."), "urgent": voice.say("Urgent.")}
    since = [each for each in episode.members if each.kind is not Kind.ASKED]
    return {
        **party,
        "title": _callback_title(len(calls), missed, voice),
        "please": voice.say("Please call {whom} back.", whom=whom),
        "done": _done(episode, voice),
        "count": str(len(asks)),
        "missed": str(missed),
        "voicemails": str(len(calls) - missed),
        "tally": tell_tally(calls, missed, len(texts), last_when, voice),
        "last_when": last_when,
        "due": voice.moment(terms.due_at),
        "priority": terms.priority,
        "urgency": urgencies.get(terms.priority, ""),
        "calls": [_asked(ask, summaries, voice) for ask in asks[-SHOWN_CALLS:]],
        "since": [
            {"when": voice.moment(each.at), "what": _what(each, voice)}
            for each in since
            if each != episode.closing
        ][-SHOWN_CALLS:],
    }


def view_transcript(window: Window, voice: Voice) -> View:
    """What a transcript's templates are given, in words."""
    return {
        "number": voice.number(window.number, window.number_raw),
        "line": voice.line(window.line),
        "title": voice.say("Text conversation"),
        "day": voice.day(window.local_day),
        "messages": [
            {
                "time": voice.time(message.at),
                "sender": voice.say("Client") if message.is_inbound else voice.say("Clinic"),
                "text": message.text,
                "is_attachment": message.is_attachment,
            }
            for message in window.messages
        ],
    }


def tell_tally(
    calls: Sequence[CallSummary], missed: int, texts: int, when: str, voice: Voice
) -> str:
    """How many calls there were, `missed` of them missed, and texts; when the last was (in words),
    and how long the last call waited where."""
    mailed = len(calls) - missed
    parts = [voice.say_many("{count} missed call", "{count} missed calls", missed)] * bool(missed)
    parts += [
        voice.say_many(
            "{count} call that reached voicemail", "{count} calls that reached voicemail", mailed
        )
    ] * bool(mailed)
    parts += [voice.say_many("{count} text from them", "{count} texts from them", texts)] * bool(
        texts
    )
    is_one = len(calls) + texts == 1
    last = when if is_one else voice.say("the last {when}", when=when)
    said = {"calls": voice.listed(parts), "when": last}
    if not texts and (wait := _wait(calls[-1], voice)):
        return voice.say("{calls}, {when}, {wait}.", **said, wait=wait)
    return voice.say("{calls}, {when}.", **said)


def view_digest(number: str, told: Sequence[Waited], voice: Voice) -> View:
    """What a digest's template is given, in words; `told` is in order of time."""
    calls = sum(isinstance(each.what, CallSummary) for each in told)
    texts = len(told) - calls
    parts = [voice.say_many("{count} call", "{count} calls", calls)] * bool(calls)
    parts += [voice.say_many("{count} text", "{count} texts", texts)] * bool(texts)
    return {
        "title": voice.say("Earlier calls and texts"),
        "number": voice.number(number, number),
        "tally": voice.listed(parts),
        "told": [{"when": voice.moment(each.at), **_waited(each.what, voice)} for each in told],
    }


def _waited(what: CallSummary | Message, voice: Voice) -> dict[str, str]:
    """A call, or a text in full; '' for what is not known, or has no place in it."""
    if isinstance(what, Message):
        mark = f"[{voice.say('attachment')}] " if what.is_attachment else ""
        said = "they texted: {text}" if what.is_inbound else "the clinic texted: {text}"
        return {"what": voice.say(said, text=mark + what.text)} | dict.fromkeys(ABOUT_CALLS, "")
    return {
        "what": call_title(what, voice),
        "how_far": tell_how_far(what, voice) if what.outcome in UNANSWERED else "",
        "waited": _about(what.waited_seconds, voice),
        "talked": _about(what.talked_seconds, voice),
    }


def _party(summary: CallSummary, voice: Voice) -> dict[str, str]:
    outbound = summary.direction is Direction.OUTBOUND
    return {
        "number": voice.number(summary.number, summary.number_raw),
        "caller": "" if outbound else summary.caller_name,
        "line": voice.line(summary.line, summary.line_name),
    }


def _asking_texts(episode: Episode) -> list[Happening]:
    """All that they texted, where a text is among what asks."""
    if len(episode.calls) == len(episode.asks):
        return []
    asked = [each for each in episode.asks if each.subject[0] != "call"]
    return [*asked, *(each for each in episode.members if each.kind is Kind.TEXT_IN)]


def _unnamed(number: str, voice: Voice) -> dict[str, str]:
    return {"number": voice.number(number, number), "caller": "", "line": ""}


def _callback_title(calls: int, missed: int, voice: Voice) -> str:
    if not calls:
        return voice.say("Call back: text")
    if missed == calls:
        return voice.say("Call back: missed call")
    return voice.say("Call back: voicemail")


def _placed_by(summary: CallSummary, voice: Voice) -> str:
    dialled = [leg for leg in summary.legs if not leg.has_answered] or list(summary.legs)
    return voice.people(dialled)


def _about(seconds: int | None, voice: Voice) -> str:
    return voice.about(seconds) if seconds else ""


def _wait(call: CallSummary, voice: Voice) -> str:
    """How long a caller waited and where, in words; '' if neither is known."""
    waited = _about(call.waited_seconds, voice)
    parts = [voice.say("waited {time}", time=waited)] * bool(waited)
    return " ".join([*parts, voice.listed(tell_places(call, voice))]).strip()


def _asked(ask: Happening, summaries: Mapping[int, CallSummary], voice: Voice) -> dict[str, str]:
    if ask.subject[0] != "call":
        said = voice.say("they texted: {text}", text=_shortened(ask.text))
        return {"when": voice.moment(ask.at), "what": said, "waited": ""}
    call = summaries[ask.subject[1]]
    far = tell_how_far(call, voice)
    what = {
        Outcome.MISSED: voice.say("missed, {how_far}", how_far=far),
        Outcome.VOICEMAIL: voice.say("reached voicemail, {how_far}", how_far=far),
        Outcome.ANSWERED_THEN_VOICEMAIL: voice.say("answered, then reached voicemail"),
    }.get(call.outcome, call_title(call, voice))
    return {
        "when": voice.moment(call.started_at),
        "what": what,
        "waited": _about(call.waited_seconds, voice),
    }


def _done(episode: Episode, voice: Voice) -> str:
    if episode.closing is None:
        return ""
    when, how = voice.moment(episode.closing.at), _how(episode.closing, voice)
    return voice.say("Done {when}: {how}.", when=when, how=how)


def _what(happening: Happening, voice: Voice) -> str:
    """What was done about a callback, or came of it."""
    by, quoted = happening.by, _shortened(happening.text)
    match happening.kind:
        case Kind.DIALLED if by:
            return voice.say("called by {who}; whether it was answered is not reported", who=by)
        case Kind.DIALLED:
            return voice.say("called; whether it was answered is not reported")
        case Kind.TEXT_OUT:
            return voice.say("the clinic texted: {text}", text=quoted)
        case Kind.TEXT_IN:
            return voice.say("they texted: {text}", text=quoted)
        case Kind.CLOSED:
            return voice.say("closed by {who}", who=in_words(happening))
        case Kind.REOPENED:
            return voice.say("reopened by {who}", who=in_words(happening))
        case _:
            return _how(happening, voice)


def _how(closing: Happening, voice: Voice) -> str:
    if closing.kind is not Kind.ANSWERED:
        return in_words(closing)
    if closing.by:
        return voice.say("a call with them was answered by {who}", who=closing.by)
    return voice.say("a call with them was answered")


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= QUOTED else f"{line[: QUOTED - 1]}…"
