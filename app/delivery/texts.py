"""The texts that go to a PMS: within its limits, and beside what its users wrote there. Pure."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime

from ..connectors.base import NoteText

MORE = "…"
CUT = "\n… (cut: the PMS takes no more)\n"
JOINER = "\u200d"
TONES = range(0x1F3FB, 0x1F400)
FLAGS = range(0x1F1E6, 0x1F200)
"""Letters of which two make a flag."""
WITHDRAWN = "This does not hold any more: what it was written for turned out otherwise."
ADDED = "Added by Ringnote on {when}; what stands above was changed by hand."


def merge(
    standing: NoteText, sent: Sequence[NoteText], text: NoteText, signature: str, at: datetime
) -> NoteText:
    """What a note is to say that stands in the PMS as `standing` and should say `text`.

    What is ours (one of `sent`, or all that `signature` ends where nothing is known of what was
    sent) is replaced, and what a person wrote around it is kept; where ours cannot be told from
    theirs any more, `text` is added below. Merging again changes nothing.
    """
    body, theirs = _plain(text.body), _plain(standing.body)
    ours = [_plain(each.body) for each in sent]
    titles = {each.title for each in sent} | {text.title}
    title = text.title if standing.title in titles or not sent else standing.title
    if not sent and theirs.endswith(signature):
        return text
    if theirs == body or theirs in ours:
        return NoteText(title, text.body)
    # The newest first: an older one may be a part of it.
    for mine in [body, *reversed(ours)]:
        if mine and mine in theirs:
            return NoteText(title, theirs.replace(mine, body, 1))
    line = ADDED.format(when=f"{at:%Y-%m-%d %H:%M} UTC")
    return NoteText(title, f"{theirs}\n\n{line}\n{body}" if theirs else body)


def ours_in(standing: NoteText, sent: Sequence[NoteText], signature: str) -> NoteText | None:
    """Which text of ours it is that stands there, beside a person's words or alone."""
    theirs = _plain(standing.body)
    if not sent:
        return standing if theirs.endswith(signature) else None
    return next((each for each in reversed(sent) if _plain(each.body) in theirs), None)


def is_edited(standing: NoteText, sent: Sequence[NoteText], signature: str) -> bool:
    """Whether a person changed what we wrote."""
    theirs = _plain(standing.body)
    if not sent:
        return not theirs.endswith(signature)
    return theirs not in {_plain(each.body) for each in sent}


def addition(text: NoteText, of: datetime) -> NoteText:
    """A note of its own in place of an amendment."""
    said = f"Addition to the note of {of:%Y-%m-%d %H:%M} UTC, which should now read:"
    return NoteText(f"Addition: {text.title}", f"{said}\n\n{text.body}")


def withdrawn(title: str, signature: str) -> NoteText:
    """What stands in place of a record that cannot be removed."""
    return NoteText(f"Withdrawn: {title}", f"{WITHDRAWN}\n{signature}")


def fit(
    text: NoteText, max_title: int | None, max_body: int | None, kept_lines: int = 1
) -> NoteText:
    """The text within a PMS's limits (characters). A body keeps its last `kept_lines`: the
    reference, and before it the link to its story."""
    title, body = text.title, text.body
    if max_title is not None and len(title) > max_title:
        title = cut(title, max_title - len(MORE)).rstrip() + MORE
    if max_body is not None and len(body) > max_body:
        lines = body.split("\n")
        head, last = "\n".join(lines[:-kept_lines]), "\n".join(lines[-kept_lines:])
        body = cut(head, max(0, max_body - len(CUT) - len(last))).rstrip() + CUT + last
    return NoteText(title, body)


def cut(text: str, characters: int) -> str:
    """At most so many characters from the start, with none that people see as one cut in two."""
    end = min(max(characters, 0), len(text))
    while 0 < end < len(text) and _is_inside(text, end):
        end -= 1
    return text[:end]


def _is_inside(text: str, place: int) -> bool:
    """Whether the characters on both sides of a place belong together."""
    before, after = text[place - 1], text[place]
    if before == "\r" and after == "\n":
        return True
    if unicodedata.category(after).startswith("M") or JOINER in (before, after):
        return True
    if ord(after) in TONES:
        return True
    if ord(after) in FLAGS:
        start = place
        while start > 0 and ord(text[start - 1]) in FLAGS:
            start -= 1
        return (place - start) % 2 == 1
    return False


def _plain(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip()
