"""What a note, a transcript and a task are in FHIR R4. Used by the connector in `fhir.py`."""

from typing import Any

from ..errors import Temporary
from .base import Note, Priority, Task

Resource = dict[str, Any]

SYSTEM = "urn:ringnote:reference"
"""The namespace of our references among a resource's identifiers."""
WITHDRAWN = "entered-in-error"
OPEN = "requested"
CLOSED = ("completed", "cancelled", "rejected", "failed")
"""The states of a task that a person need not act on any more."""
PRIORITIES: dict[Priority, str] = {
    "low": "routine",
    "normal": "routine",
    "high": "urgent",
    "urgent": "asap",
}
"""By FHIR's request-priority, which knows nothing below routine."""
HARMLESS = ("information", "warning", "success")
"""How grave what an OperationOutcome tells may be, where all was done."""
ODD_ANSWER = "the FHIR server answered in a form that the standard does not know"
MODES = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode"


def make_communication(note: Note) -> Resource:
    """A new Communication that tells of a call or of texts."""
    mode, word = ("SMSWRIT", "Text messages") if note.is_transcript else ("PHONE", "Phone call")
    return {
        "resourceType": "Communication",
        "identifier": [{"system": SYSTEM, "value": note.reference}],
        "status": "completed",
        "category": [{"text": word}],
        "medium": [{"coding": [{"system": MODES, "code": mode}]}],
        "subject": {"reference": f"Patient/{note.client_id}"},
        "topic": {"text": note.title},
        "sent": note.occurred_at.isoformat(),
        "payload": [{"contentString": note.body}],
    }


def amend_communication(stands: Resource, note: Note) -> Resource:
    """`stands` with the note's words in it; all else is left as it is there."""
    return stands | {"topic": {"text": note.title}, "payload": [{"contentString": note.body}]}


def make_task(task: Task) -> Resource:
    """A new Task about a patient."""
    made = {
        "resourceType": "Task",
        "identifier": [{"system": SYSTEM, "value": task.reference}],
        "status": "completed" if task.is_done else OPEN,
        "intent": "order",
        "for": {"reference": f"Patient/{task.client_id}"},
    }
    return amend_task(made, task)


def amend_task(stands: Resource, task: Task) -> Resource:
    """`stands` with the task's words, due time, assignee and priority; its status is left."""
    amended = stands | {
        "description": task.title,
        "note": [{"text": task.body}],
        "priority": PRIORITIES[task.priority],
        "restriction": {"period": {"end": task.due_at.isoformat()}},
    }
    if not task.assignee:
        return {name: value for name, value in amended.items() if name != "owner"}
    # An assignee is a reference such as Practitioner/17, or else the name of somebody.
    is_reference = "/" in task.assignee
    return amended | {"owner": {"reference" if is_reference else "display": task.assignee}}


def status_of(resource: Resource) -> str:
    """Its status; '' where it tells none."""
    return str(resource.get("status", ""))


def resources_in(bundle: Resource, kind: str) -> list[Resource]:
    """The resources of this kind that a search found. Raises Temporary for what is no answer to
    one, such as an OperationOutcome under 200."""
    entries = bundle.get("entry", [])
    if bundle.get("resourceType") != "Bundle" or not isinstance(entries, list):
        raise Temporary(ODD_ANSWER)
    try:
        found = [entry["resource"] for entry in entries]
        return [each for each in found if each["resourceType"] == kind and each["id"]]
    except (TypeError, KeyError):
        raise Temporary(ODD_ANSWER) from None


def is_taken(told: object, kind: str) -> bool:
    """Whether the answer to an update tells of no error: by nothing, by the resource, or by an
    outcome whose issues are all of less weight."""
    if told is None:
        return True
    if not isinstance(told, dict):
        return False
    if told.get("resourceType") != "OperationOutcome":
        return bool(told.get("resourceType") == kind)
    issues = told.get("issue") or []
    return all(isinstance(each, dict) and each.get("severity") in HARMLESS for each in issues)
