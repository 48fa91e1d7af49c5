"""Trying a description out against the real PMS, step by step, each with what was exchanged.

Nothing is written unless a client is named for it, and then everything is removed again.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ...errors import (
    ConnectorError,
    CredentialsRejected,
    OutcomeUnknown,
    RateLimited,
    RecordGone,
    RecordRejected,
    Temporary,
)
from ...exchanges import Exchange, recording
from ...numbers import NumberKind, read_numbers
from ..base import Connector, Kind, Note, NoteText, PmsClient, Task

TITLE = 'Trial of "Ringnote"'
BODY = "A trial: it is removed again.\nAccents, signs & <tags>: Zoë, José, 猫.\n\nRingnote {mark}"
RECENT = timedelta(days=1)
ADVICE: dict[type[ConnectorError], str] = {
    CredentialsRejected: "look at [auth], the secrets, base_url and what the account may do",
    RecordGone: "look at the path: there is nothing there",
    RecordRejected: "the PMS does not take what was sent: look at path, query and body",
    RateLimited: "wait, then try again",
    OutcomeUnknown: "look at id, and on the client's record for a trial to remove by hand",
    Temporary: "look at items, paging and the paths into the answer, or try again later",
}
LEFT = "left out, since {name} is not described"


@dataclass(frozen=True, slots=True)
class Step:
    """What was tried and what came of it. `is_fine` is None for what was left out."""

    name: str
    said: str
    is_fine: bool | None
    exchanges: Sequence[Exchange] = ()


class Odd(Exception):
    """What a PMS did is not what it should; says what to look at."""


def try_out(
    connector: Connector, region: str, number: str | None, client_id: str | None, now: datetime
) -> Iterator[Step]:
    """Sign in, list, search and follow; on a client that is named write, read, change and remove
    what Ringnote writes. `number` (E.164) is searched for, else a number of the first client that
    has one, read as in `region`."""
    accounts: list[str] = []
    yield _step("Sign in", lambda: _sign_in(connector, accounts))
    if accounts:
        yield from _try_reading(connector, region, number, now)
        yield from _try_writing(connector, client_id, now) if client_id else ()


def _try_reading(
    connector: Connector, region: str, number: str | None, now: datetime
) -> Iterator[Step]:
    listed: list[PmsClient] = []
    able = connector.capabilities
    yield _step("List the first page of clients", lambda: _list(connector, listed))
    sought = number or _find_number(listed, region)
    if not able.search_by_phone:
        yield Step("Search by number", LEFT.format(name="find_clients"), None)
    elif sought is None:
        yield Step("Search by number", "left out: no number is known; give --number", None)
    else:
        ids = {each.id for each in listed if number is None and _has(each, sought, region)}
        yield _step("Search by number", lambda: _search(connector, sought, ids))
    if able.delta_sync:
        yield _step("Follow the changes of a day", lambda: _follow(connector, now - RECENT))
    else:
        yield Step("Follow the changes", LEFT.format(name="changed_clients"), None)
    if able.find_by_reference and listed:
        yield _step(
            "Look for a note that is not there", lambda: _find_none(connector, listed[0].id)
        )


def _try_writing(connector: Connector, client_id: str, now: datetime) -> Iterator[Step]:
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
        yield Step("Write a task", LEFT.format(name="create_task"), None)


def _of_record(connector: Connector, kind: Kind, record: Note | Task, mark: str) -> Iterator[Step]:
    made: list[str] = []
    try:
        yield _step(f"Write a {kind}", lambda: _write(connector, record, mark, made))
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
        yield _step(f"Write the {kind} again", lambda: _repeat(connector, record, mark, pms_id))
    if able.find_by_reference:
        yield _step(
            f"Find the {kind} by its reference",
            lambda: _find(connector, kind, record.client_id, mark, pms_id),
        )
    if isinstance(record, Note):
        if able.update_note:
            changed = replace(record, title=f"{TITLE}, changed")
            yield _step("Change the note", lambda: _change_note(connector, pms_id, changed))
    else:
        changed_task = replace(record, title=f"{TITLE}, changed")
        yield _step("Change the task", lambda: _change_task(connector, pms_id, changed_task))
        yield _step("Complete the task", lambda: _set_done(connector, pms_id, is_done=True))
        if able.reopen_task:
            yield _step("Reopen the task", lambda: _set_done(connector, pms_id, is_done=False))


def _step(name: str, do: Callable[[], str]) -> Step:
    with recording() as exchanges:
        try:
            said, is_fine = do(), True
        except Odd as error:
            said, is_fine = str(error), False
        except ConnectorError as error:
            advice = next(text for kind, text in ADVICE.items() if isinstance(error, kind))
            said, is_fine = f"{error}; {advice}", False
    return Step(name, said, is_fine, tuple(exchanges))


def _sign_in(connector: Connector, accounts: list[str]) -> str:
    result = connector.check()
    accounts.append(result.account)
    if result.missing:
        raise Odd(f"signed in, but the account may not {'; nor '.join(result.missing)}")
    return f"signed in to {result.account}"


def _list(connector: Connector, listed: list[PmsClient]) -> str:
    page = next(iter(connector.iter_clients(None)), None)
    listed += [each for each in (page.clients if page else ()) if not each.is_deleted]
    if not listed:
        raise Odd("there is no client on it: look at items, or add one in the PMS")
    with_number = sum(1 for each in listed if each.phones)
    if not with_number:
        raise Odd(f"none of {len(listed)} clients has a number: look at client.phones")
    if not any(each.name for each in listed):
        raise Odd(f"none of {len(listed)} clients has a name: look at client.name")
    return f"{len(listed)} clients, {with_number} of them with a number"


def _search(connector: Connector, number: str, ids: set[str]) -> str:
    found = {each.id for each in connector.find_clients(number)}
    if lacking := ids - found:
        raise Odd(
            f"{len(lacking)} of the clients listed before that have this number are not found by"
            " it: look at find_clients, and at its spellings"
        )
    return f"found {len(found)}"


def _follow(connector: Connector, since: datetime) -> str:
    page = next(iter(connector.iter_clients({"since": since.isoformat()})), None)
    changed = page.clients if page else ()
    stamps = [each.updated_at for each in changed if each.updated_at]
    if stamps and max(stamps) < since - RECENT:
        raise Odd("what it tells changed long before: look at since and client.updated_at")
    return f"{len(changed)} on the first page"


def _find_none(connector: Connector, client_id: str) -> str:
    mark = f"rn-none-{secrets.token_hex(5)}"
    if connector.find_by_reference(Kind.NOTE, client_id, mark):
        raise Odd("a note was found for a reference that none has: look at find_note")
    return "none is found, as it should be"


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
            f"it was written twice, also as {again}: remove that by hand, and leave the key out"
        )
    if not was_there:
        raise Odd("the same came back, but repeat_status does not tell so")
    return "the same came back"


def _find(connector: Connector, kind: Kind, client_id: str, mark: str, pms_id: str) -> str:
    found = connector.find_by_reference(kind, client_id, mark)
    if found != pms_id:
        raise Odd(
            f"found {found or 'nothing'}: look at find_{kind}, or say by"
            " limits.reference_lag_seconds how long it takes"
        )
    return "found"


def _change_note(connector: Connector, pms_id: str, note: Note) -> str:
    connector.update_note(pms_id, note)
    if not connector.capabilities.read_notes:
        return "changed"
    if connector.get_note(pms_id) != NoteText(note.title, note.body):
        raise Odd("it reads otherwise than it was written: look at update_note and get_note")
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
        raise Odd(f"it reads as {state}: look at get_task.is_done")


def _remove(connector: Connector, kind: Kind, pms_id: str) -> Step:
    name, able = f"Remove the {kind}", connector.capabilities
    if not (able.delete_note if kind is Kind.NOTE else able.delete_task):
        return Step(name, f"delete_{kind} is not described: remove {pms_id} by hand", None)
    delete = connector.delete_note if kind is Kind.NOTE else connector.delete_task

    def do() -> str:
        try:
            delete(pms_id)
        except ConnectorError as error:
            raise Odd(f"{error}; remove {pms_id} by hand") from None
        return "removed"

    return _step(name, do)


def _find_number(listed: Sequence[PmsClient], region: str) -> str | None:
    numbers = (number for each in listed for number in _numbers(each, region))
    return next(numbers, None)


def _has(client: PmsClient, number: str, region: str) -> bool:
    return number in _numbers(client, region)


def _numbers(client: PmsClient, region: str) -> list[str]:
    return [
        read.e164
        for phone in client.phones
        for read in read_numbers(phone.number, region)
        if read.kind is NumberKind.PHONE
    ]
