"""How a policy words what came lately: the last notes, callback tasks and transcripts. Pure.

Decided as in a rehearsal: nothing is written.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from .compose import compose_call, compose_callback, compose_digest, compose_transcript
from .policy import decide_texts
from .rehearsal import Past, fold_past_texts, is_in_digest, play
from .rules import Rules
from .views import Waited
from .wording import Voice

Worded = dict[str, Any]
"""An entry's content, its `kind`, and the `key` of what it is of: a callUuid or conversationID, of
a digest the number."""


def preview(past: Past, rules: Rules, voice: Voice, last: int) -> list[Worded]:
    """The `last` entries of each kind, the latest of each at its end; `last` is 1 or more."""
    found: list[Worded] = []
    for entries in (_notes, _tasks, _transcripts, _digests):
        told = sorted(entries(past, rules, voice), key=lambda each: str(each["occurred_at"]))
        found += told[-last:]
    return found


def _notes(past: Past, rules: Rules, voice: Voice) -> Iterator[Worded]:
    for call in past.calls:
        content = compose_call(call.summary, call.key, voice, rules)
        yield {"kind": "note", "key": call.key, **content}


def _tasks(past: Past, rules: Rules, voice: Voice) -> Iterator[Worded]:
    played = play(past, rules)
    summaries = {call.id: call.summary for call in past.calls}
    keys = {("call", call.id): call.key for call in past.calls}
    for number, (_, texts) in enumerate(fold_past_texts(past, rules)):
        keys["transcript", number] = texts.key
    for episode in played.tasks:
        key, terms = keys[episode.asks[-1].subject], played.terms[episode.number, episode.opened_at]
        content = compose_callback(episode, summaries, key, terms, voice, rules)
        yield {"kind": "task", "key": key, **content}


def _transcripts(past: Past, rules: Rules, voice: Voice) -> Iterator[Worded]:
    for window, texts in fold_past_texts(past, rules):
        kind, rule, _ = texts.match_of(window)
        is_written = decide_texts(rules, window, kind, rule) is None
        if is_written and not is_in_digest(rules, "transcripts", kind, texts.has_waited(window)):
            content = compose_transcript(window, texts.key, voice, rules)
            yield {"kind": "transcript", "key": texts.key, **content}


def _digests(past: Past, rules: Rules, voice: Voice) -> Iterator[Worded]:
    told: dict[tuple[str, str], list[Waited]] = defaultdict(list)
    in_digest = play(past, rules).in_digest
    for call in past.calls:
        if call.id in in_digest:
            whose = call.summary.number, call.client
            told[whose].append(
                Waited(call.summary.started_at, "call", call.key, None, call.summary)
            )
    for window, texts in fold_past_texts(past, rules):
        kind, rule, client = texts.match_of(window)
        is_written = decide_texts(rules, window, kind, rule) is None
        if is_written and is_in_digest(rules, "transcripts", kind, texts.has_waited(window)):
            told[window.number, client] += [
                Waited(text.at, "conversation", texts.key, None, text) for text in window.messages
            ]
    for (number, _), waited in told.items():
        ordered = sorted(waited, key=lambda each: (each.at, each.page, each.key))
        content = compose_digest(number, ordered, voice, rules)
        yield {"kind": "digest", "key": number, **content}
