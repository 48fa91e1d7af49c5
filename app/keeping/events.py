"""Purging webhooks by age: whatever they told of is frozen first, and never folded again.

What is still to be settled, waits for a match or is on its way to the PMS keeps its webhooks.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..ledger.settle import lock_subjects
from ..models import Call, Event, Transcript, lowest_event_id
from ..telephony.marks import Subject
from .owners import Owner, choose, read_marked, read_owners
from .turn import Turn

BATCH = 300
HIGHEST_ID = "~"
"""Behind every id."""
CLOCK_AHEAD = timedelta(days=1)
"""An event whose id lies so far in the future came of a clock that was ahead."""


def purge_events(turn: Turn, before: datetime, now: datetime) -> list[str]:
    """Delete the events received before `before` that may go; the ids of those kept back."""
    held = walk(turn, "", lowest_event_id(before), before, deletes=True)
    return held + walk(turn, lowest_event_id(now + CLOCK_AHEAD), HIGHEST_ID, before, deletes=True)


def walk(turn: Turn, low: str, high: str, before: datetime, *, deletes: bool) -> list[str]:
    """Freeze what the events with ids from `low` to below `high` told of, as far as it may be.

    Where it `deletes`, those events go at once. Returns the ids of the events that may not go.
    """
    held: list[str] = []
    after, is_first = low, True
    while True:
        with turn.step() as session:
            rows = _read(session, after, high, before, is_first=is_first)
            if not rows:
                return held
            kept_back = _purge(session, turn, rows, before, deletes=deletes)
        held += kept_back
        after, is_first = rows[-1].id, False
        if deletes:
            turn.purged["events"] += len(rows) - len(kept_back)


def _read(
    session: Session, after: str, high: str, before: datetime, *, is_first: bool
) -> Sequence[Any]:
    columns = (Event.id, Event.clinic_id, Event.subject_kind, Event.subject_key, Event.received_at)
    return session.execute(
        sa.select(*columns)
        .where(
            Event.id >= after if is_first else Event.id > after,
            Event.id < high,
            Event.received_at < before,
        )
        .order_by(Event.id)
        .limit(BATCH)
    ).all()


def _purge(
    session: Session, turn: Turn, rows: Sequence[Any], before: datetime, *, deletes: bool
) -> list[str]:
    subjects: set[Subject] = {
        (row.clinic_id, row.subject_kind, row.subject_key) for row in rows if row.subject_kind
    }
    locked = lock_subjects(session, turn.db, subjects)
    owners = read_owners(session, locked)
    going = choose(session, owners, before)
    _freeze(session, turn, [owner for owner in going if not owner.is_frozen])
    by_subject: dict[Subject, list[Owner]] = defaultdict(list)
    for owner in owners:
        by_subject[owner.subject].append(owner)
    held_back = read_marked(session, subjects) | (subjects - locked)
    gone: list[str] = []
    held: list[str] = []
    for row in rows:
        subject = (row.clinic_id, row.subject_kind, row.subject_key)
        is_free = row.subject_kind is None or (
            subject not in held_back and going.issuperset(_owners_of(row, by_subject[subject]))
        )
        (gone if is_free else held).append(row.id)
    if deletes and gone:
        session.execute(sa.delete(Event).where(Event.id.in_(gone)))
    return held


def _owners_of(row: Any, owners: Sequence[Owner]) -> Sequence[Owner]:
    """Whose event it is; one that nothing was folded of goes when all of its subject go."""
    at = row.received_at
    return [each for each in owners if each.starts_at <= at <= each.ends_at] or owners


def _freeze(session: Session, turn: Turn, owners: Sequence[Owner]) -> None:
    for kind, table in (("call", Call), ("transcript", Transcript)):
        ids = [owner.id for owner in owners if owner.kind == kind]
        if ids:
            session.execute(
                sa.update(table).where(table.id.in_(ids)).values(frozen_at=turn.db.now())
            )
            turn.purged["frozen"] += len(ids)
