"""The part of a trial that writes: a note and a task on one client, changed and removed again."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from ..errors import ConnectorError
from .base import Connector, Kind, Note, NoteText, Task
from .trial_steps import Odd, Step, leave_out, take_step

TITLE = 'Trial of "Ringnote"'
BODY = "A trial: it is removed again.\nAccents, signs & <tags>: Zoë, José, 猫.\n\nRingnote {mark}"


def try_writing(connector: Connector, client_id: str, now: datetime) -> Iterator[Step]:
    """Write on this client what Ringnote writes, read, change and remove it."""
    able = connector.capabilities
    mark = f"rn-trial-{secrets.token_hex(5)}"
    note = Note(client_id, TITLE, BODY.format(mark=mark), now, mark)
    yield from _of_record(connector, Kind.NOTE, note, mark)
    if able.tasks:
        mark = f"{mark}-t"
        due = now + timedelta(hours=1)
        task = Task(client_id, TITLE, BODY.format(mark=mark), due, mark)
        yield from _of_record(connector, Kind.TASK, task, mark)
    else:
        yield leave_out("Write a task", "create_task")


def _of_record(connector: Connector, kind: Kind, record: Note | Task, mark: str) -> Iterator[Step]:
    made: list[str] = []
    try:
        yield take_step(f"Write a {kind}", lambda: _write(connector, record, mark, made))
        if made:
            yield from _after_writing(connector, kind, record, mark, made[0])
    finally:
        # Also where whoever looks on has had enough and stops.
        removed = _remove(connector, kind, made[0]) if made else None
    if removed:
        yield removed


def _after_writing(
    connector: Connector, kind: Kind, record: Note | Task, mark: str, pms_id: str
) -> Iterator[Step]:
    able = connector.capabilities
    if able.idempotency_key:
        yield take_step(f"Write the {kind} again", lambda: _repeat(connector, record, mark, pms_id))
    if able.find_by_reference:
        yield take_step(
            f"Find the {kind} by its reference",
            lambda: _find(connector, kind, record.client_id, mark, pms_id),
        )
    if isinstance(record, Note):
        if able.update_note:
            changed = replace(record, title=f"{TITLE}, changed")
            yield take_step("Change the note", lambda: _change_note(connector, pms_id, changed))
    else:
        changed_task = replace(record, title=f"{TITLE}, changed")
        yield take_step("Change the task", lambda: _change_task(connector, pms_id, changed_task))
        yield take_step("Complete the task", lambda: _set_done(connector, pms_id, is_done=True))
        if able.reopen_task:
            yield take_step("Reopen the task", lambda: _set_done(connector, pms_id, is_done=False))


def _write(connector: Connector, record: Note | Task, mark: str, made: list[str]) -> str:
    made.append(_create(connector, record, mark)[0])
    return f"it is {made[0]}"


def _create(connector: Connector, record: Note | Task, mark: str) -> tuple[str, bool]:
    if isinstance(record, Note):
        written = connector.create_note(record, f"key-{mark}")
    else:
        written = connector.create_task(record, f"key-{mark}")
    return written.pms_id, written.was_there


def _repeat(connector: Connector, record: Note | Task, mark: str, pms_id: str) -> str:
    again, was_there = _create(connector, record, mark)
    if again != pms_id:
        raise Odd(
            f"it was written twice, also as {again}: remove that by hand",
            "the idempotency key: it must be left out",
        )
    if not was_there:
        raise Odd("the same came back, but was not told as such", "repeat_status")
    return "the same came back"


def _find(connector: Connector, kind: Kind, client_id: str, mark: str, pms_id: str) -> str:
    found = connector.find_by_reference(kind, client_id, mark)
    if found != pms_id:
        raise Odd(
            f"found {found or 'nothing'}",
            f"find_{kind}, or say by limits.reference_lag_seconds how long it takes",
        )
    return "found"


def _change_note(connector: Connector, pms_id: str, note: Note) -> str:
    connector.update_note(pms_id, note)
    if not connector.capabilities.read_notes:
        return "changed"
    if connector.get_note(pms_id) != NoteText(note.title, note.body):
        raise Odd("it reads otherwise than it was written", "update_note and get_note")
    return "changed, and it reads as it was written"


def _change_task(connector: Connector, pms_id: str, task: Task) -> str:
    connector.update_task(pms_id, task)
    _require(connector, pms_id, is_done=False)
    return "changed"


def _set_done(connector: Connector, pms_id: str, *, is_done: bool) -> str:
    if is_done:
        connector.complete_task(pms_id)
    else:
        connector.reopen_task(pms_id)
    _require(connector, pms_id, is_done=is_done)
    return "done" if is_done else "open again"


def _require(connector: Connector, pms_id: str, *, is_done: bool) -> None:
    if connector.capabilities.read_tasks and connector.get_task(pms_id).is_done is not is_done:
        state = "open" if is_done else "done"
        raise Odd(f"it reads as {state}", "get_task.is_done")


def _remove(connector: Connector, kind: Kind, pms_id: str) -> Step:
    name, able = f"Remove the {kind}", connector.capabilities
    if not (able.delete_note if kind is Kind.NOTE else able.delete_task):
        return Step(name, f"it cannot: remove {pms_id} by hand", None, f"delete_{kind}")
    delete = connector.delete_note if kind is Kind.NOTE else connector.delete_task

    def do() -> str:
        try:
            delete(pms_id)
        except ConnectorError as error:
            raise Odd(f"{error}; remove {pms_id} by hand") from None
        return "removed"

    return take_step(name, do)
