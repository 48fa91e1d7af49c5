"""What a policy says, as questions and answers that a clinic's manager reads. Pure."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from .rules import DAYS, Rules

WHEN = {"always": "", "open": ", while the clinic is open", "closed": ", while it is closed"}
STRANGER = {
    "wait": "Wait until somebody says whose the number is",
    "leave": "Are not written",
    "record": "Go to the record of strangers",
}
WINDOW = {
    "day": "One transcript a day",
    "gap": "One transcript up to a pause",
    "message": "One transcript a message",
}
BACKLOG = {"entries": "As notes and tasks of its own", "digest": "In one note"}


def tell_policy(rules: Rules) -> Iterator[tuple[str, str]]:
    """Each question with its answer in words."""
    notes, callbacks, texts = rules.notes, rules.callbacks, rules.transcripts
    if rules.watch_only:
        yield "May it write?", "No: it watches only"
    yield "Incoming calls that become a note", _listed(notes.inbound) + WHEN[notes.hours]
    yield "Calls that the clinic places", "Become a note" if notes.outbound else "Become no note"
    yield "Calls that ask for a callback", _listed(callbacks.outcomes) + WHEN[callbacks.hours]
    waits = f"Yes, once nobody answered for {callbacks.text_minutes} minutes"
    yield "Does a text alone ask for one?", waits if callbacks.texts else "No"
    after = f"{callbacks.due_minutes} minutes of opening hours"
    yield (
        "Callbacks are due",
        f"After {after}; {callbacks.again_minutes} after a try without an answer",
    )
    yield "Callbacks are for", ", else ".join(callbacks.assignee) or "Nobody in particular"
    more = f"; one step more from {callbacks.raise_after} calls on" if callbacks.raise_after else ""
    yield "How urgent", callbacks.priority.capitalize() + more
    closes = "Yes" if callbacks.closes_when_reached else "No, a person does"
    yield "Does reaching the caller close it?", closes
    yield "Texts", WINDOW[texts.window] if texts.enabled else "Are not written"
    strangers = rules.strangers
    for name in ("notes", "callbacks", "transcripts"):
        yield f"{name.capitalize()} of unknown numbers", STRANGER[getattr(strangers, name)]
    yield "What waited for its client is written", BACKLOG[rules.matching.backlog]
    yield "Open", "; ".join(_hours(rules)) or "Never"
    named = (*rules.ignore.numbers, *rules.ignore.lines, *rules.ignore.extensions)
    yield "Ignored numbers, lines and extensions", ", ".join(named) or "None"
    for what in type(rules.names).model_fields:
        if known := getattr(rules.names, what):
            told = ", ".join(f"{key} is {name}" for key, name in known.items())
            yield f"Names of {what.replace('_', ' ')}", told
    if rules.cases:
        yield "Cases of their own", ", ".join(case.name for case in rules.cases)


def _hours(rules: Rules) -> Iterator[str]:
    if rules.hours.always_open:
        yield "Always"
        return
    for spans, alike in groupby(DAYS, lambda day: getattr(rules.hours, day)):
        first, *more = map(str.capitalize, alike)
        days = f"{first} to {more[-1]}" if more else first
        if spans:
            yield f"{days} {', '.join(spans)}"
    if count := len(rules.hours.holidays):
        yield f"but for {count} holiday{'s' * (count != 1)}"


def _listed(outcomes: Sequence[str]) -> str:
    return ", ".join(each.replace("_", " ") for each in outcomes).capitalize() or "None"
