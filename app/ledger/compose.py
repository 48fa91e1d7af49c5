"""The content of entries: title, body and times as a front desk would keep them. Pure.

A PMS may cut a body short: what leads back to its story is kept apart from it, in `story`, and
written below it by delivery, which knows where the console is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

from ..telephony.conversations import Window
from ..telephony.summaries import CallSummary
from .episodes import Episode
from .policy import TaskTerms
from .rules import EntryWords, Rules
from .templates import WordsError, render, render_own
from .views import View, Waited, view_call, view_callback, view_digest, view_transcript
from .wording import Voice, iso

Content = dict[str, Any]
LONGEST_TITLE = 200


def voice_of(rules: Rules, timezone: str, region: str) -> Voice:
    """How a clinic's policy has entries worded."""
    return Voice(timezone, region, rules.words.clock, rules.words.language, rules.names)


def compose_call(summary: CallSummary, key: str, voice: Voice, rules: Rules) -> Content:
    """The content of a call's note: title, body (without the reference), `occurred_at`, `story`.

    `key` is its callUuid.
    """
    return {
        **_worded("call", view_call(summary, voice), _approximate(voice), voice, rules),
        "story": _story("call", key, voice),
        "occurred_at": iso(summary.started_at),
    }


def compose_callback(
    episode: Episode,
    summaries: Mapping[int, CallSummary],
    key: str,
    terms: TaskTerms,
    voice: Voice,
    rules: Rules,
) -> Content:
    """The content of a callback's task: who asks, what was done about it, what closed it.

    `summaries` are those of its calls, by id; `key` is the callUuid, or the conversationID, of the
    last that asks.
    """
    view, last = view_callback(episode, summaries, terms, voice, rules), episode.asks[-1]
    return {
        **_worded("callback", view, _approximate(voice), voice, rules),
        "story": _story("call" if last.subject[0] == "call" else "conversation", key, voice),
        "occurred_at": iso(episode.opened_at),
        "due_at": iso(terms.due_at),
        "assignee": terms.assignee,
        "priority": terms.priority,
        "is_done": episode.closing is not None,
    }


def compose_transcript(window: Window, key: str, voice: Voice, rules: Rules) -> Content:
    """The content of one window's transcript; `occurred_at` is its first text.

    `key` is its conversationID.
    """
    received = voice.say("Times are those of receipt.")
    return {
        **_worded("transcript", view_transcript(window, voice), received, voice, rules),
        "story": _story("conversation", key, voice),
        "occurred_at": iso(window.messages[0].at),
    }


def compose_digest(number: str, told: Sequence[Waited], voice: Voice, rules: Rules) -> Content:
    """The content of the note on what waited on a number (E.164).

    `told` is in order of time; the last is `occurred_at`, and where its story leads.
    """
    view, last = view_digest(number, told, voice), told[-1]
    return {
        **_worded("digest", view, _approximate(voice), voice, rules),
        "story": _story(last.page, last.key, voice),
        "occurred_at": iso(last.at),
    }


def _worded(kind: str, view: View, footer: str, voice: Voice, rules: Rules) -> Content:
    """Title and body by the clinic's templates; by Ringnote's own where there is none, or where one
    fails, which then is said."""
    own: EntryWords = getattr(rules.words, kind)
    title, faults = _by_template("title", own.title, view)
    body, more = _by_template("body", own.body, view)
    lines = [body or render_own(kind, {**view, "_": voice.say}), ""]
    lines += [footer] if rules.words.footer else []
    if why := "; ".join(faults + more):
        lines.append(
            voice.say(
                "In Ringnote's own words, since the policy's could not be used ({why}).", why=why
            )
        )
    return {
        "title": " ".join(title.split())[:LONGEST_TITLE] or view["title"],
        "body": "\n".join(lines).strip(),
    }


def _approximate(voice: Voice) -> str:
    return voice.say("Times are those of receipt, so durations are approximate.")


def _by_template(name: str, source: str, view: View) -> tuple[str, list[str]]:
    """What a template of the clinic says ('' if there is none or it fails), and why it failed."""
    try:
        return (render(source, view) if source else ""), []
    except WordsError as error:
        return "", [f"{name}: {error}"]


def _story(page: Literal["call", "conversation"], key: str, voice: Voice) -> dict[str, str]:
    """Where the console tells the whole story, below its address, and what to call that."""
    name = "uuid" if page == "call" else "id"
    label = voice.say("How it came about")
    return {"label": label, "path": f"{page}?{name}={quote(key, safe='')}"}
