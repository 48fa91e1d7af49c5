"""What a try does in the PMS: it creates, amends or removes the record of its entry.

Each returns what it came to, or raises a ConnectorError.
"""

from dataclasses import replace

from ..connectors.base import Kind, NoteText, Written
from ..errors import ConnectorError, OutcomeUnknown, RecordGone
from ..models import EntryKind
from . import doubt
from .doubt import CLOSED_IN_PMS, Done, Errand
from .gone import require_gone
from .retry import DELETED_THERE, Next, Verdict, may_be_carried_out
from .texts import is_edited, merge, ours_in
from .wording import (
    addition_of,
    is_done_by_us,
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


def create(errand: Errand) -> Done:
    """Write a record that is not there yet, unless an earlier try perhaps did."""
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
    except RecordGone as gone:
        require_gone(errand.pms, gone)
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
        task = task_of(work, text)
        if task.is_done:
            errand.records.begin_done(work)
        return errand.pms.create_task(task, mark)
    return errand.pms.create_note(note_of(work, text), mark)


def update(errand: Errand) -> Done:
    """Have the record say what the entry says."""
    work = errand.work
    if work.is_in_doubt and _kind(errand) is Kind.NOTE and _deletes_whole(errand):
        # Perhaps it is deleted already, and no amendment would tell.
        errand.require_lease()
        try:
            errand.pms.delete_note(errand.pms_id)
        except RecordGone as gone:
            require_gone(errand.pms, gone)
        return _create_anew(errand)
    try:
        return _change(errand)
    except RecordGone as gone:
        # A delete of ours was carried out, though no answer said so, and it is wanted again; or a
        # person deleted the task, and another reopened its callback.
        if not work.is_in_doubt and not _is_reopening(work):
            raise
        require_gone(errand.pms, gone)
        return _create_anew(errand)


def _create_anew(errand: Errand) -> Done:
    anew = replace(errand, work=errand.records.begin_anew(errand.work))
    try:
        errand.require_lease()
        return create(anew)
    except ConnectorError as error:
        if not may_be_carried_out(error):
            errand.records.clear_doubt(errand.work)
        raise


def _change(errand: Errand) -> Done:
    if _kind(errand) is Kind.TASK:
        return _change_task(errand)
    return _amend(errand, _wanted(errand))


def _change_task(errand: Errand) -> Done:
    work, pms, pms_id = errand.work, errand.pms, errand.pms_id
    task, is_done_there = task_of(work, _wanted(errand)), work.is_done_there
    if errand.able.read_tasks:
        status = pms.get_task(pms_id)
        if status.is_done and task.is_done and work.content.get("is_closed_there"):
            return Done("none", pms_id)
        if status.is_done and not task.is_done and not is_done_there:
            closed = Verdict(Next.CLOSED_THERE, reason=CLOSED_IN_PMS)
            return Done("update", pms_id, closed, closed_at=status.closed_at)
        is_done_there = status.is_done
    if is_done_there and not task.is_done:
        if not errand.able.reopen_task:
            return _create_anew(errand)
        errand.require_lease()
        pms.reopen_task(pms_id)
    # Where it can be told whether a task is done, its amendment may complete it too.
    if task.is_done and errand.able.read_tasks:
        errand.records.begin_done(work)
    errand.require_lease()
    pms.update_task(pms_id, task)
    if task.is_done:
        if not errand.able.read_tasks:
            errand.records.begin_done(work)
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
    standing, sent = pms.get_note(pms_id), errand.records.sent(work)
    mark = signature(reference(work))
    errand.records.declare(work, text, ours_in(standing, sent, mark))
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


def delete(errand: Errand) -> Done:
    """Remove the record, or what an earlier try perhaps left."""
    if errand.work.pms_id is None:
        found = doubt.look_up_unwanted(errand, _send)
        if found.pms_id is None:
            return Done("none", verdict=found.verdict or Verdict(Next.WRITTEN, reason=found.reason))
        errand = replace(errand, work=errand.records.adopt(errand.work, found.pms_id))
    try:
        return _remove_task(errand) if _kind(errand) is Kind.TASK else _remove_note(errand)
    except RecordGone as gone:
        require_gone(errand.pms, gone)
        return Done("none")


def _remove_task(errand: Errand) -> Done:
    pms, pms_id, able = errand.pms, errand.pms_id, errand.able
    is_read = able.read_tasks and not is_done_by_us(errand.work)
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
    goes = able.delete_note if able.update_note else _deletes_whole(errand)
    if goes and able.update_note and able.read_notes:
        # What a person wrote into it is not ours to delete.
        sent, mark = errand.records.sent(errand.work), signature(reference(errand.work))
        goes = not is_edited(pms.get_note(pms_id), sent, mark)
    if not goes:
        done = _amend(errand, withdrawn_text(errand.work, able))
        return replace(done, pms_id=None, text=None)
    errand.require_lease()
    pms.delete_note(pms_id)
    return Done("delete")


def _deletes_whole(errand: Errand) -> bool:
    """Whether a note that cannot be amended can be deleted, leaving no addition to it behind."""
    able = errand.able
    is_fixed = able.delete_note and not able.update_note
    return is_fixed and len(errand.records.sent(errand.work)) < 2


def _wanted(errand: Errand) -> NoteText:
    return wanted_text(errand.work, errand.able)


def _kind(errand: Errand) -> Kind:
    return record_kind(errand.work, errand.able)
