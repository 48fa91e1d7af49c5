"""One try to write one claimed entry through its connector. No transaction is open meanwhile."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..clock import Clock
from ..connectors.base import Connector, Kind, Note, Task
from ..errors import ConnectorError, OutcomeUnknown, RateLimited, RecordGone, Temporary
from ..models import EntryKind
from .finish import Try
from .outbox import Work
from .retry import Next, Verdict, judge

WRITTEN = Verdict(Next.WRITTEN)
RequireLease = Callable[[], None]
"""Raises Temporary if the lease can no longer be relied on."""
CLOSED_IN_PMS = "it was closed in the PMS, so it is left alone"


@dataclass(frozen=True, slots=True)
class Done:
    """What the connector calls came to."""

    action: str
    pms_id: str | None = None
    verdict: Verdict = WRITTEN
    incarnation: int | None = None
    """Set where it had to be written under another than the entry's."""
    closed_at: datetime | None = None
    """Of a task that was closed there, when, if the PMS says."""


def deliver(work: Work, connector: Connector, clock: Clock, is_held: Callable[[Work], bool]) -> Try:
    """Make the PMS say what the entry says; never raises a ConnectorError, but tells of it.

    Nothing is written once `is_held` says that the lease can no longer be relied on: that is asked
    before each write, since a look-up before it may have taken long.
    """
    started_at, started = clock(), time.monotonic()
    action = _plan(work)

    def require_lease() -> None:
        if not is_held(work):
            raise Temporary("the lease ran out before it was sent")

    try:
        require_lease()
        done = action(work, connector, require_lease)
    except ConnectorError as error:
        verdict = judge(
            error,
            creating=work.pms_id is None and work.is_wanted,
            attempts=work.attempts,
            age_seconds=(started_at - work.queued_at).total_seconds(),
            jitter=random.random(),
        )
        return Try(
            action=action.__name__.removeprefix("_"),
            started_at=started_at,
            duration_ms=_since(started),
            verdict=verdict,
            pms_id=work.pms_id,
            http_status=error.status,
            is_outage=isinstance(error, Temporary | OutcomeUnknown)
            and not isinstance(error, RateLimited),
        )
    return Try(
        done.action,
        started_at,
        _since(started),
        done.verdict,
        done.pms_id,
        incarnation=done.incarnation,
        closed_at=done.closed_at,
    )


def _plan(work: Work) -> Callable[[Work, Connector, RequireLease], Done]:
    if not work.is_wanted:
        return _delete
    return _update if work.pms_id else _create


def _create(work: Work, connector: Connector, require_lease: RequireLease) -> Done:
    if work.is_in_doubt and connector.capabilities.find_by_reference:
        pms_id = connector.find_by_reference(_kind(work), work.client, _reference(work))
        if pms_id:
            done = _change(replace(work, pms_id=pms_id), connector, require_lease)
            return replace(done, action="look_up")
        require_lease()
    if work.kind is EntryKind.TASK:
        written = connector.create_task(_task(work), _reference(work))
    else:
        written = connector.create_note(_note(work), _reference(work))
    if written.was_there:
        # The PMS answered from the key: it holds what an earlier try sent.
        _change(replace(work, pms_id=written.pms_id), connector, require_lease)
    return Done("create", written.pms_id)


def _update(work: Work, connector: Connector, require_lease: RequireLease) -> Done:
    try:
        return _change(work, connector, require_lease)
    except RecordGone:
        # A delete of ours was carried out, though no answer said so, and it is wanted again; or a
        # person deleted the task, and another reopened its callback.
        if not work.is_in_doubt and not _is_reopening(work):
            raise
        return _create_anew(work, connector, require_lease)


def _create_anew(work: Work, connector: Connector, require_lease: RequireLease) -> Done:
    anew = replace(work, pms_id=None, incarnation=work.incarnation + 1)
    return replace(_create(anew, connector, require_lease), incarnation=anew.incarnation)


def _change(work: Work, connector: Connector, require_lease: RequireLease) -> Done:
    if work.kind is EntryKind.TASK:
        return _change_task(work, connector, require_lease)
    require_lease()
    connector.update_note(str(work.pms_id), _note(work))
    return Done("update", work.pms_id)


def _change_task(work: Work, connector: Connector, require_lease: RequireLease) -> Done:
    pms_id, task = str(work.pms_id), _task(work)
    if connector.capabilities.read_tasks and (status := connector.get_task(pms_id)).is_done:
        if task.is_done and work.content.get("is_closed_there"):
            return Done("none", pms_id)
        if not task.is_done and not work.is_done_there:
            closed = Verdict(Next.CLOSED_THERE, reason=CLOSED_IN_PMS)
            return Done("update", pms_id, closed, closed_at=status.closed_at)
    if _is_reopening(work):
        if not connector.capabilities.reopen_task:
            return _create_anew(work, connector, require_lease)
        require_lease()
        connector.reopen_task(pms_id)
    require_lease()
    connector.update_task(pms_id, task)
    if task.is_done:
        require_lease()
        connector.complete_task(pms_id)
        return Done("complete", pms_id)
    return Done("update", pms_id)


def _is_reopening(work: Work) -> bool:
    """Whether a task that is done there is to be open again: a person said so."""
    return work.kind is EntryKind.TASK and work.is_done_there and not work.content.get("is_done")


def _delete(work: Work, connector: Connector, require_lease: RequireLease) -> Done:
    pms_id = work.pms_id
    if pms_id is None and connector.capabilities.find_by_reference:
        pms_id = connector.find_by_reference(_kind(work), work.client, _reference(work))
    if pms_id is None:
        return Done("none")
    is_task = work.kind is EntryKind.TASK
    if is_task and connector.capabilities.read_tasks:
        try:
            if connector.get_task(pms_id).is_done:
                return Done("none", pms_id, Verdict(Next.CLOSED_THERE, reason=CLOSED_IN_PMS))
        except RecordGone:
            return Done("none")
    delete = connector.delete_task if is_task else connector.delete_note
    require_lease()
    delete(pms_id)
    return Done("delete")


def _kind(work: Work) -> Kind:
    return Kind.TASK if work.kind is EntryKind.TASK else Kind.NOTE


def _reference(work: Work) -> str:
    return work.reference if work.incarnation == 1 else f"{work.reference}-{work.incarnation}"


def _note(work: Work) -> Note:
    return Note(
        client_id=work.client,
        title=work.content["title"],
        body=_body(work),
        occurred_at=_moment(work.content["occurred_at"]),
        reference=_reference(work),
        is_transcript=work.kind is EntryKind.TRANSCRIPT,
    )


def _task(work: Work) -> Task:
    return Task(
        client_id=work.client,
        title=work.content["title"],
        body=_body(work),
        due_at=_moment(work.content["due_at"]),
        reference=_reference(work),
        assignee=work.content.get("assignee", ""),
        is_done=bool(work.content.get("is_done")),
    )


def _body(work: Work) -> str:
    return f"{work.content['body']}\nRingnote {_reference(work)}"


def _moment(stamp: Any) -> datetime:
    return datetime.fromisoformat(stamp)


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
