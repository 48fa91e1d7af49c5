"""What an entry says in a PMS, within what that PMS can do. Pure: a try asks it what to send.

A PMS without tasks gets a note that is marked as one; one that removes nothing gets the word
that it is withdrawn.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from ..connectors.base import Capabilities, Kind, Note, NoteText, Task
from ..models import EntryKind
from .texts import addition, fit, withdrawn
from .work import Work

CALL_BACK = "Call back"


def record_kind(work: Work, able: Capabilities) -> Kind:
    """What it is in this PMS: one that has no tasks gets notes."""
    return Kind.TASK if work.kind is EntryKind.TASK and able.tasks else Kind.NOTE


def is_done_by_us(work: Work) -> bool:
    """Whether its task, if it is done in the PMS, was completed from here and by none of its
    users."""
    is_done = work.is_done_there or work.content.get("is_done")
    return bool(is_done) and not work.content.get("is_closed_there")


def reference(work: Work) -> str:
    """The reference and key of the record: the entry's, told apart by incarnation."""
    return work.reference if work.incarnation == 1 else f"{work.reference}-{work.incarnation}"


def signature(mark: str) -> str:
    """The last line of a text."""
    return f"Ringnote {mark}"


def with_story(work: Work, public_url: str) -> Work:
    """The work with a last line (its content's `tail`) that leads to its story in the console;
    without one where the console has no address."""
    story = work.content.get("story")
    if not story or not public_url:
        return work
    tail = f"{story['label']}: {public_url}/{story['path']}"
    return replace(work, content={**work.content, "tail": tail})


def wanted_text(work: Work, able: Capabilities) -> NoteText:
    """The title and body that should stand."""
    title, body = work.content["title"], work.content["body"]
    if work.kind is EntryKind.TASK and not able.tasks:
        title = title if title.startswith(CALL_BACK) else f"{CALL_BACK}: {title}"
        title = f"Done: {title}" if work.content.get("is_done") else title
        body = f"Due {_moment(work.content['due_at']):%Y-%m-%d %H:%M} UTC.\n{body}"
    ending = [*_tail(work), signature(reference(work))]
    whole = NoteText(title, "\n".join([body, *ending]))
    return fit(whole, able.max_title, able.max_body, len(ending))


def withdrawn_text(work: Work, able: Capabilities) -> NoteText:
    """The title and body that should stand where the record cannot be removed."""
    text = withdrawn(wanted_text(work, able).title, signature(reference(work)))
    return fit(text, able.max_title, able.max_body)


def note_of(work: Work, text: NoteText) -> Note:
    """The note that says `text`."""
    return Note(
        client_id=work.client,
        title=text.title,
        body=text.body,
        occurred_at=_moment(work.content["occurred_at"]),
        reference=reference(work),
        is_transcript=work.kind is EntryKind.TRANSCRIPT,
    )


def addition_of(work: Work, text: NoteText, able: Capabilities) -> Note:
    """The note that follows one which cannot be amended, under a reference of this version."""
    mark = f"{reference(work)}-v{work.version}"
    head = text.body.rpartition("\n")[0]
    whole = addition(
        replace(text, body=f"{head}\n{signature(mark)}"), _moment(work.content["occurred_at"])
    )
    fitted = fit(whole, able.max_title, able.max_body, 1 + len(_tail(work)))
    return replace(note_of(work, fitted), reference=mark)


def task_of(work: Work, text: NoteText) -> Task:
    """The task that says `text`."""
    return Task(
        client_id=work.client,
        title=text.title,
        body=text.body,
        due_at=_moment(work.content["due_at"]),
        reference=reference(work),
        assignee=work.content.get("assignee", ""),
        priority=work.content.get("priority", "normal"),
        is_done=bool(work.content.get("is_done")),
    )


def _tail(work: Work) -> list[str]:
    """The line before the last, if there is one."""
    tail = work.content.get("tail")
    return [tail] if tail else []


def _moment(stamp: Any) -> datetime:
    return datetime.fromisoformat(stamp)
