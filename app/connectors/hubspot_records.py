"""What notes, transcripts and tasks are at HubSpot: properties of its calls and the like.

Used by the connector in `hubspot.py`.
"""

import html
import re
from datetime import UTC, datetime

from .base import Note, Priority, Task

BODIES = {
    "calls": "hs_call_body",
    "communications": "hs_communication_body",
    "tasks": "hs_task_body",
}
"""The property that holds the text, by kind of object."""
PRIORITIES: dict[Priority, str] = {
    "low": "LOW",
    "normal": "MEDIUM",
    "high": "HIGH",
    "urgent": "HIGH",
}
"""HubSpot knows none above HIGH."""


def note_properties(note: Note) -> dict[str, str]:
    """Of a call, or of a communication if it is a transcript, which has no title of its own."""
    if note.is_transcript:
        return {
            "hs_communication_channel_type": "SMS",
            "hs_communication_logged_from": "CRM",
            "hs_communication_body": _html(f"{note.title}\n{note.body}"),
            "hs_timestamp": _stamp(note.occurred_at),
        }
    return {
        "hs_call_title": note.title,
        "hs_call_body": _html(note.body),
        "hs_timestamp": _stamp(note.occurred_at),
    }


def task_properties(task: Task) -> dict[str, str]:
    """Of a task, but for its status. An assignee is the id of an owner."""
    return {
        "hs_task_subject": task.title,
        "hs_task_body": _html(task.body),
        "hs_timestamp": _stamp(task.due_at),
        "hubspot_owner_id": task.assignee,
        "hs_task_priority": PRIORITIES[task.priority],
    }


def _html(text: str) -> str:
    return html.escape(text, quote=False).replace("\n", "<br>")


def read_text(body: str) -> str:
    """The text of a body, which is HTML."""
    broken = re.sub(r"<br\s*/?>|</(?:p|div)>", "\n", body, flags=re.IGNORECASE)
    return html.unescape(re.sub(r"<[^>]*>", "", broken))


def _stamp(at: datetime) -> str:
    return str(round(at.timestamp() * 1000))


def read_moment(text: object) -> datetime | None:
    """A time as HubSpot writes it, by its date or in milliseconds; None for anything else."""
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        is_stamp = re.fullmatch("[0-9]{1,15}", str(text))
        return datetime.fromtimestamp(int(str(text)) / 1000, UTC) if is_stamp else None
