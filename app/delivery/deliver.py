"""One try to write one claimed entry through its connector. No transaction is open meanwhile."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..clock import Clock
from ..connectors.base import Connector, Kind, NoteText, Written
from ..errors import ConnectorError, OutcomeUnknown, RateLimited, RecordGone, Temporary
from ..exchanges import last_status, recording
from ..ledger.compose import is_done_here
from ..models import EntryKind
from . import doubt
from .doubt import CLOSED_IN_PMS, Done, Errand
from .finish import Try
from .records import LEASE_LOST, Records
from .retry import DELETED_THERE, Next, Verdict, judge
from .texts import is_edited, merge
from .wording import (
    addition_of,
    note_of,
    record_kind,
    reference,
    signature,
    task_of,
    wanted_text,
    withdrawn_text,
)
from .work import Work

EDITED = "its users changed it in the PMS, so their words were kept beside ours"
Action = Callable[[Errand], Done]


@dataclass(frozen=True, slots=True)
class Tools:
    """What tries are made with, besides a connector."""

    clock: Clock
    is_held: Callable[[Work], bool]
    """Whether the lease can still be relied on."""
    records: Records


def deliver(work: Work, connector: Connector, tools: Tools) -> Try:
    """Make the PMS say what the entry says; never raises a ConnectorError, but tells of it.

    Nothing is written once the lease cannot be relied on any more: that is asked before each write,
    since a look-up before it may have taken long.
    """
    started_at, started = tools.clock(), time.monotonic()

    def require_lease() -> None:
        if not tools.is_held(work):
            raise Temporary(LEASE_LOST)

    errand = Errand(work, connector, tools.records, require_lease, started_at)
    action = _plan(work)
    with recording() as exchanges:
        try:
            require_lease()
            done = action(errand)
        except ConnectorError as error:
            failed = _failed(errand, action, error)
            return replace(failed, duration_ms=_since(started), exchanges=exchanges)
    return Try(
        done.action,
        started_at,
        _since(started),
        done.verdict,
        done.pms_id,
        http_status=last_status(exchanges),
        closed_at=done.closed_at,
        exchanges=exchanges,
        text=done.text,
    )


def _failed(errand: Errand, action: Action, error: ConnectorError) -> Try:
    work = errand.work
    verdict = judge(
        error,
        creating=work.pms_id is None and work.is_wanted,
        attempts=work.attempts,
        unanswered=work.unanswered,
        age_seconds=(errand.at - work.queued_at).total_seconds(),
        jitter=random.random(),
    )
    return Try(
        action=action.__name__.removeprefix("_"),
        started_at=errand.at,
        duration_ms=0,
        verdict=verdict,
        pms_id=work.pms_id,
        http_status=error.status,
        is_outage=isinstance(error, Temporary | OutcomeUnknown)
        and not isinstance(error, RateLimited),
    )


def _plan(work: Work) -> Action:
    if not work.is_wanted:
        return _delete
    return _update if work.pms_id else _create


def _create(errand: Errand) -> Done:
    work, reason = errand.work, None
    if work.is_in_doubt:
        found = doubt.look_up(errand)
        if found.pms_id:
            return replace(_go_on(errand.of(found.pms_id)), action="look_up")
        if found.verdict:
            return Done("look_up", verdict=found.verdict)
        reason = found.reason
        errand.require_lease()
    written = _send(errand)
    if written.was_there:
        # The PMS answered from the key: it holds what an earlier try sent.
        return replace(_go_on(errand.of(written.pms_id)), action="create")
    return Done(
        "create", written.pms_id, Verdict(Next.WRITTEN, reason=reason), text=_wanted(errand)
    )


def _go_on(errand: Errand) -> Done:
    """With a record that an earlier try wrote."""
    try:
        return _change(errand)
    except RecordGone:
        return Done("none", errand.pms_id, DELETED_THERE)


def _send(errand: Errand) -> Written:
    work, able = errand.work, errand.able
    if able.find_by_reference and able.reference_lag_seconds:
        errand.records.begin_create(work)
    text, mark = _wanted(errand), reference(work)
    if not able.update_note and not (work.is_in_doubt and errand.records.sent(work)):
        # If no answer comes, only this tells whether an addition has to follow.
        errand.records.declare(work, text)
    if _kind(errand) is Kind.TASK:
        return errand.pms.create_task(task_of(work, text), mark)
    return errand.pms.create_note(note_of(work, text), mark)


def _update(errand: Errand) -> Done:
    work = errand.work
    try:
        return _change(errand)
    except RecordGone:
        # A delete of ours was carried out, though no answer said so, and it is wanted again; or a
        # person deleted the task, and another reopened its callback.
        if not work.is_in_doubt and not _is_reopening(work):
            raise
        return _create_anew(errand)


def _create_anew(errand: Errand) -> Done:
    return _create(replace(errand, work=errand.records.begin_anew(errand.work)))


def _change(errand: Errand) -> Done:
    if _kind(errand) is Kind.TASK:
        return _change_task(errand)
    return _amend(errand, _wanted(errand))


def _change_task(errand: Errand) -> Done:
    work, pms, pms_id = errand.work, errand.pms, errand.pms_id
    task = task_of(work, _wanted(errand))
    if errand.able.read_tasks and (status := pms.get_task(pms_id)).is_done:
        if task.is_done and work.content.get("is_closed_there"):
            return Done("none", pms_id)
        if not task.is_done and not work.is_done_there:
            closed = Verdict(Next.CLOSED_THERE, reason=CLOSED_IN_PMS)
            return Done("update", pms_id, closed, closed_at=status.closed_at)
    if _is_reopening(work):
        if not errand.able.reopen_task:
            return _create_anew(errand)
        errand.require_lease()
        pms.reopen_task(pms_id)
    errand.require_lease()
    pms.update_task(pms_id, task)
    if task.is_done:
        errand.require_lease()
        pms.complete_task(pms_id)
        return Done("complete", pms_id)
    return Done("update", pms_id)


def _is_reopening(work: Work) -> bool:
    """Whether a task that is done there is to be open again: a person said so."""
    return work.kind is EntryKind.TASK and work.is_done_there and not work.content.get("is_done")


def _amend(errand: Errand, text: NoteText) -> Done:
    """Have a note say `text`, beside what people wrote into it."""
    work, pms, pms_id = errand.work, errand.pms, errand.pms_id
    if not errand.able.update_note:
        return _add(errand, text)
    if not errand.able.read_notes:
        errand.require_lease()
        pms.update_note(pms_id, note_of(work, text))
        return Done("update", pms_id)
    standing = pms.get_note(pms_id)
    sent = errand.records.declare(work, text)
    mark = signature(reference(work))
    whole = merge(standing, sent, text, mark, errand.at)
    if whole != standing:
        errand.require_lease()
        pms.update_note(pms_id, note_of(work, whole))
    is_theirs = is_edited(standing, [*sent, text], mark)
    return Done("update", pms_id, Verdict(Next.WRITTEN, reason=EDITED if is_theirs else None))


def _add(errand: Errand, text: NoteText) -> Done:
    """Say `text` in a note of its own, once, where notes cannot be amended."""
    work, able = errand.work, errand.able
    if errand.records.is_said(work, text):
        return Done("none", errand.pms_id, text=text)
    note = addition_of(work, text, able)
    done = Done("create", errand.pms_id, text=text)
    if able.find_by_reference:
        if errand.pms.find_by_reference(Kind.NOTE, work.client, note.reference):
            return replace(done, action="look_up")
    elif not able.idempotency_key:
        verdict = doubt.begin_addition(errand, text, note.reference)
        if verdict.next is not Next.WRITTEN:
            return replace(done, action="none", verdict=verdict, text=None)
        done = replace(done, verdict=verdict)
    errand.require_lease()
    try:
        errand.pms.create_note(note, note.reference)
    except ConnectorError as error:
        if not isinstance(error, OutcomeUnknown) and (error.status or 0) < 500:
            errand.records.drop_addition(work)
        raise
    return done


def _delete(errand: Errand) -> Done:
    if errand.work.pms_id is None:
        found = doubt.look_up_unwanted(errand, _send)
        if found.pms_id is None:
            return Done("none", verdict=found.verdict or Verdict(Next.WRITTEN, reason=found.reason))
        errand = replace(errand, work=errand.records.adopt(errand.work, found.pms_id))
    try:
        return _remove_task(errand) if _kind(errand) is Kind.TASK else _remove_note(errand)
    except RecordGone:
        return Done("none")


def _remove_task(errand: Errand) -> Done:
    pms, pms_id, able = errand.pms, errand.pms_id, errand.able
    is_read = able.read_tasks and not is_done_here(errand.work.content)
    if is_read and pms.get_task(pms_id).is_done:
        if errand.work.is_in_doubt and not able.delete_task:
            # An earlier try of ours did so, though no answer came.
            return Done("look_up")
        return Done("none", pms_id, Verdict(Next.CLOSED_THERE, reason=CLOSED_IN_PMS))
    errand.require_lease()
    if able.delete_task:
        pms.delete_task(pms_id)
        return Done("delete")
    pms.update_task(pms_id, task_of(errand.work, withdrawn_text(errand.work, able)))
    pms.complete_task(pms_id)
    return Done("update")


def _remove_note(errand: Errand) -> Done:
    pms, pms_id, able = errand.pms, errand.pms_id, errand.able
    goes, sent = able.delete_note, errand.records.sent(errand.work)
    if goes and not able.update_note:
        # Additions to it would be left behind.
        goes = len(sent) < 2
    elif goes and able.read_notes:
        # What a person wrote into it is not ours to delete.
        goes = not is_edited(pms.get_note(pms_id), sent, signature(reference(errand.work)))
    if not goes:
        done = _amend(errand, withdrawn_text(errand.work, able))
        return replace(done, pms_id=None, text=None)
    errand.require_lease()
    pms.delete_note(pms_id)
    return Done("delete")


def _wanted(errand: Errand) -> NoteText:
    return wanted_text(errand.work, errand.able)


def _kind(errand: Errand) -> Kind:
    return record_kind(errand.work, errand.able)


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
