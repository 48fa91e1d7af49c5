"""How a policy words what came lately: the last notes, callback tasks and transcripts. Pure.

Decided as in a rehearsal: nothing is written, and whoever answered last is not looked for.
"""

from collections.abc import Iterator
from typing import Any

from .compose import compose_call, compose_callback, compose_transcript
from .policy import decide_texts
from .rehearsal import Past, fold_past_texts, play
from .rules import Rules
from .wording import Voice

Worded = dict[str, Any]
"""An entry's content, its `kind`, and the `key` (callUuid or conversationID) of what it is of."""


def preview(past: Past, rules: Rules, voice: Voice, last: int) -> list[Worded]:
    """The `last` entries of each kind, the latest of each at its end; `last` is 1 or more."""
    found: list[Worded] = []
    for entries in (_notes, _tasks, _transcripts):
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
        if decide_texts(rules, window, kind, rule) is None:
            content = compose_transcript(window, texts.key, voice, rules)
            yield {"kind": "transcript", "key": texts.key, **content}
