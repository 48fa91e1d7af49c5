"""The end of a try: the attempt is kept and the entry moved on, fenced by the lease. Moves rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from ..db import Database
from ..directory.accounts import find_connection_in_use
from ..ledger.closings import note_closed_there
from ..ledger.reconcile import place
from ..logs import get_logger
from ..models import (
    Attempt,
    Doubt,
    Entry,
    EntryState,
    OutboxRow,
)
from ..signals import announce, entry_set_aside, entry_written
from .connections import pause_refused
from .late import write_again
from .pace import Fared, keep_pace
from .records import KEPT_TEXTS, as_json, without_doubt
from .retry import Next, Verdict, tried_since
from .tries import Ended, Try, is_done_by
from .work import Work

ENDED = (EntryState.SYNCED, EntryState.WITHDRAWN)

log = get_logger(__name__)


def finish_all(db: Database, ended: Sequence[Ended]) -> list[Ended]:
    """Keep these attempts and move their entries on, in one transaction; returns those left over.

    At most one of an entry. Left over are those whose entries somebody has locked just now, so that
    nobody waits for them. One whose lease was lost counts for nothing, but then an entry that has
    moved on is written anew. Commits, all or nothing.
    """
    with db.transaction() as session:
        _pause_refused(session, ended)
        entries = _lock(session, [work.entry_id for work, _ in ended])
        missing = [work.entry_id for work, _ in ended if work.entry_id not in entries]
        locked = set(session.scalars(sa.select(Entry.id).where(Entry.id.in_(missing))))
        _finish_locked(
            session, db, entries, [each for each in ended if each[0].entry_id in entries]
        )
    return [each for each in ended if each[0].entry_id in locked]


def _pause_refused(session: Session, ended: Sequence[Ended]) -> None:
    """Pause the connections whose credentials were refused. They are locked before any entry, as
    those do who open and end connections."""
    refused = {
        work.connection_id: (result.verdict.reason, work.claimed_at)
        for work, result in sorted(ended, key=lambda each: each[0].claimed_at)
        if result.verdict.next is Next.PAUSED
    }
    for connection_id in sorted(refused):
        pause_refused(session, connection_id, *refused[connection_id])


def _lock(session: Session, entry_ids: Sequence[int]) -> dict[int, Entry]:
    query = sa.select(Entry).where(Entry.id.in_(entry_ids)).options(undefer(Entry.sent_texts))
    locked = session.scalars(query.with_for_update(skip_locked=True))
    return {entry.id: entry for entry in locked}


def _finish_locked(
    session: Session, db: Database, entries: Mapping[int, Entry], ended: Sequence[Ended]
) -> None:
    rows = {
        row.entry_id: row
        for row in session.scalars(
            sa.select(OutboxRow)
            .where(OutboxRow.entry_id.in_(entries))
            .order_by(OutboxRow.entry_id)
            .with_for_update()
        )
    }
    now = db.present(session)
    fared = []
    for work, result in ended:
        entry, row = entries[work.entry_id], rows.get(work.entry_id)
        if row is None or row.lease_token != work.lease_token:
            log.warning("delivery.lease_lost", entry_id=work.entry_id)
            _keep(session, work, result, lost=True)
            write_again(session, db, entry, work, result)
            continue
        _keep(session, work, result, lost=False)
        _move_on(session, db, entry, row, work, result, now)
        fared.append(_fared(work, result))
    keep_pace(session, fared, now)


def _fared(work: Work, result: Try) -> Fared:
    verdict = result.verdict
    return Fared(
        work.connection_id,
        result.is_outage,
        verdict.seconds if verdict.next is Next.SNOOZED else None,
    )


def _move_on(
    session: Session,
    db: Database,
    entry: Entry,
    row: OutboxRow,
    work: Work,
    result: Try,
    now: datetime,
) -> None:
    row.lease_token = None
    was_asked_of = entry.doubt is Doubt.ASKED
    if result.verdict.next in (Next.WRITTEN, Next.CLOSED_THERE):
        _written(session, db, entry, row, work, result, now)
    else:
        _not_written(session, entry, row, work, result.verdict, now)
    if was_asked_of and entry.state not in ENDED:
        _leave_former(session, db, entry, row, now)
    _announce(session, entry, result)


def _leave_former(
    session: Session, db: Database, entry: Entry, row: OutboxRow, now: datetime
) -> None:
    """Have it go on at the connection in use, if that was changed while it was being written."""
    connection = find_connection_in_use(session, entry.clinic_id)
    if connection is None or connection.id == row.connection_id:
        return
    entry.doubt = None
    session.flush()
    place(session, db, entry, connection, now)
    if entry.state in ENDED:
        session.execute(sa.delete(OutboxRow).where(OutboxRow.entry_id == entry.id))


def _keep(session: Session, work: Work, result: Try, lost: bool) -> None:
    session.add(
        Attempt(
            entry_id=work.entry_id,
            connection_id=work.connection_id,
            version=work.version,
            action=result.action,
            started_at=result.started_at,
            duration_ms=result.duration_ms,
            outcome=result.verdict.next.value,
            http_status=result.http_status,
            pms_id=result.pms_id,
            error="the lease was lost meanwhile" if lost else result.verdict.reason,
            exchanges=list(result.exchanges),
        )
    )


def _written(
    session: Session,
    db: Database,
    entry: Entry,
    row: OutboxRow,
    work: Work,
    result: Try,
    now: datetime,
) -> None:
    is_closed_there = result.verdict.next is Next.CLOSED_THERE
    if is_closed_there:
        note_closed_there(session, db, entry, result.verdict.reason or "", result.closed_at)
    entry.is_done_there = is_closed_there or is_done_by(work)
    # Not that of the work: the same account may have been connected anew meanwhile.
    entry.connection_id = row.connection_id
    entry.written_version = work.version
    entry.written_at = now
    entry.reason = result.verdict.reason
    entry.doubt = None
    if work.is_wanted:
        entry.pms_id = result.pms_id
        if result.text is not None:
            known = without_doubt(entry.sent_texts) or []
            said = as_json(result.text)
            entry.sent_texts = [*(each for each in known if each != said), said][-KEPT_TEXTS:]
    else:
        entry.pms_id = None
        entry.sent_texts = None
        entry.incarnation += 1
    if not is_closed_there and entry.version != work.version:
        # It moved on while this version was written: the new one is due now.
        row.due_at, row.attempts, row.unanswered, row.is_in_doubt = now, 0, 0, False
        entry.state = EntryState.DUE
        return
    entry.state = EntryState.SYNCED if entry.is_wanted else EntryState.WITHDRAWN
    session.delete(row)


def _not_written(
    session: Session, entry: Entry, row: OutboxRow, work: Work, verdict: Verdict, now: datetime
) -> None:
    if entry.pms_id:
        row.is_in_doubt = work.is_in_doubt or not work.is_wanted
    else:
        # What was written anew had an id when this try began, and the row tells of its doubt.
        is_anew = work.pms_id is not None
        row.is_in_doubt = verdict.is_in_doubt or work.is_in_doubt or (is_anew and row.is_in_doubt)
    entry.reason = verdict.reason
    has_moved_on = entry.version != work.version
    row.queued_at = tried_since(verdict, work.attempts, work.queued_at, now)
    match verdict.next:
        case Next.SET_ASIDE if not has_moved_on:
            entry.state = EntryState.SET_ASIDE
            entry.doubt = Doubt.ASKED if verdict.asks else None
            if row.is_in_doubt:
                # Kept out of sight, so that a later revival still looks before it writes.
                row.due_at = datetime.max.replace(tzinfo=now.tzinfo)
            else:
                session.delete(row)
        case Next.PAUSED | Next.SNOOZED:
            row.due_at = now
            entry.state = EntryState.DUE
        case _:
            row.due_at = now if has_moved_on else now + timedelta(seconds=verdict.seconds)
            is_unanswered = verdict.next is Next.UNKNOWN and not has_moved_on
            row.attempts = 0 if has_moved_on else work.attempts + 1
            row.unanswered = work.unanswered + 1 if is_unanswered else 0
            entry.state = EntryState.RETRYING


def _announce(session: Session, entry: Entry, result: Try) -> None:
    facts = {
        "entry_id": entry.id,
        "kind": entry.kind.value,
        "subject_kind": entry.subject_kind,
        "subject_id": entry.subject_id,
        "state": entry.state.value,
        "pms_id": entry.pms_id,
    }
    if result.verdict.next is Next.WRITTEN and result.action != "none":
        announce(session, entry_written, entry.clinic_id, **facts)
    elif entry.state is EntryState.SET_ASIDE:
        announce(session, entry_set_aside, entry.clinic_id, **facts, reason=entry.reason)
