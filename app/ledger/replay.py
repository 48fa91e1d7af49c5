"""Replays: webhooks of a span read anew from their raw bytes, and what they are of settled anew.

Decides nothing: what reads otherwise by now is corrected and the subjects are marked due, in short
transactions; a worker settles them as it does live ones. Commands call it.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..models import Call, Clinic, Conversation, Event, EventStatus, SubjectKind, Transcript
from ..steps import Steps
from ..telephony.marks import Subject, mark_each_due
from ..telephony.parse import read_event
from ..telephony.store import read_columns
from .days import within

Pinned = TypeVar("Pinned", Call, Transcript)
BATCH = 200
ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Span:
    """Which webhooks: those that fit all that is given. No ids are all of them."""

    ids: Collection[str] = ()
    clinic_id: int | None = None
    status: EventStatus | None = None
    since: datetime | None = None
    before: datetime | None = None
    """Both naive, by each clinic's own clock."""

    def condition(self, session: Session) -> sa.ColumnElement[bool]:
        """Whether an event is one of these."""
        conditions = [
            within(session, Event.clinic_id, Event.received_at, self.since, self.before),
            Event.id.in_(self.ids) if self.ids else sa.true(),
        ]
        if self.clinic_id is not None:
            conditions.append(Event.clinic_id == self.clinic_id)
        if self.status is not None:
            conditions.append(Event.status == self.status)
        return sa.and_(*conditions)


@dataclass(slots=True)
class Plan:
    """What a replay covers, as of one moment."""

    events: Counter[EventStatus] = field(default_factory=Counter)
    """How many webhooks, by what becomes of them when they are read anew."""
    differing: dict[str, list[Subject]] = field(default_factory=dict)
    """Those that read otherwise by now, by their ids: what they were and are of."""
    subjects: dict[Subject, int] = field(default_factory=dict)
    """What is settled anew, the earliest first, with its place in that order."""


def make_plan(session: Session, span: Span) -> Plan:
    """What a replay of these webhooks covers: all are read anew, nothing is changed."""
    query = (
        sa.select(Event)
        .where(span.condition(session))
        .order_by(Event.id)
        .execution_options(yield_per=ROWS_AT_ONCE)
    )
    plan = Plan()
    clinic_of = cache(lambda clinic_id: session.get_one(Clinic, clinic_id))
    for event in session.scalars(query):
        columns = read_columns(read_event(event.body), clinic_of(event.clinic_id))
        plan.events[columns["status"]] += 1
        touched = _subjects(event, columns)
        if _differing(event, columns):
            plan.differing[event.id] = touched
        for subject in touched:
            plan.subjects.setdefault(subject, len(plan.subjects))
    return plan


def carry_out(db: Database, plan: Plan, rate: int | None, *, by_newest: bool) -> Iterator[int]:
    """Correct what reads otherwise, and have the subjects settled: `rate` a minute, or all now.

    `by_newest` has the clinic's newest policy decide, not the one each is pinned to. Commits batch
    by batch, each whole by itself; yields how many subjects are marked after each.
    """
    with db.reading() as session:
        begun_at = db.present(session)
    marked: set[Subject] = set()
    steps = Steps(db)
    ids = list(plan.differing)
    for start in range(0, len(ids), BATCH):
        with steps.step() as session:
            subjects = correct(session, ids[start : start + BATCH])
            _mark(session, db, plan, subjects, begun_at, rate, by_newest)
        marked |= subjects
        yield len(marked)
    rest = [each for each in plan.subjects if each not in marked]
    for start in range(0, len(rest), BATCH):
        batch = rest[start : start + BATCH]
        with steps.step() as session:
            _mark(session, db, plan, batch, begun_at, rate, by_newest)
        yield len(marked) + start + len(batch)


def correct(session: Session, ids: Sequence[str]) -> set[Subject]:
    """Have these events say what their bytes say; what they were and are of. Does not commit.

    The bytes and the time of receipt stay as they are.
    """
    events = session.scalars(
        sa.select(Event).where(Event.id.in_(ids)).order_by(Event.id).with_for_update()
    )
    subjects: set[Subject] = set()
    for event in events.all():
        columns = read_columns(read_event(event.body), session.get_one(Clinic, event.clinic_id))
        subjects.update(_subjects(event, columns))
        for name, value in _differing(event, columns).items():
            setattr(event, name, value)
    session.flush()
    return subjects


def unpin_policy(session: Session, subjects: Collection[Subject]) -> None:
    """Have these decided by the newest policy when they are settled next. Does not commit.

    What was frozen stays as it is.
    """
    keys: dict[tuple[int, SubjectKind], list[str]] = defaultdict(list)
    for clinic_id, kind, key in subjects:
        keys[clinic_id, kind].append(key)
    for (clinic_id, kind), mine in keys.items():
        if kind is SubjectKind.CALL:
            is_one = sa.and_(Call.clinic_id == clinic_id, Call.call_uuid.in_(mine))
            _unpin(session, Call, is_one)
        elif kind is SubjectKind.CONVERSATION:
            theirs = sa.select(Conversation.id).where(
                Conversation.clinic_id == clinic_id, Conversation.conversation_key.in_(mine)
            )
            _unpin(session, Transcript, Transcript.conversation_id.in_(theirs))


def _unpin(session: Session, kind: type[Pinned], is_one: sa.ColumnElement[bool]) -> None:
    # In the order in which settling writes them, so that neither locks the other out.
    pinned = sa.select(kind).where(
        is_one, kind.frozen_at.is_(None), kind.policy_version.is_not(None)
    )
    for each in session.scalars(pinned.order_by(kind.id).with_for_update()):
        each.policy_version = None
    session.flush()


def _mark(
    session: Session,
    db: Database,
    plan: Plan,
    subjects: Collection[Subject],
    begun_at: datetime,
    rate: int | None,
    by_newest: bool,
) -> None:
    if by_newest:
        unpin_policy(session, subjects)
    turns = {each: plan.subjects.get(each, 0) / rate if rate else 0.0 for each in subjects}
    due = {each: begun_at + timedelta(minutes=turn) for each, turn in turns.items()}
    mark_each_due(session, db, due)


def _differing(event: Event, columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if getattr(event, name) != value}


def _subjects(event: Event, columns: Mapping[str, Any]) -> list[Subject]:
    """What an event was of, and what it is of by what was read now."""
    was = event.subject_kind, event.subject_key
    found = dict.fromkeys((was, (columns["subject_kind"], columns["subject_key"])))
    return [(event.clinic_id, kind, key) for kind, key in found if kind and key]
