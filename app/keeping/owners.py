"""What events belong to: the calls and windows of texts that may, or may not yet, lose them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import (
    Call,
    CallbackMember,
    Conversation,
    DueMark,
    Entry,
    EntryState,
    Match,
    OutboxRow,
    SubjectKind,
    Transcript,
)
from ..telephony.marks import Subject


@dataclass(frozen=True, slots=True)
class Owner:
    """A call, or a window of a conversation. `whole` is the call that it is a leg of, or itself."""

    kind: str
    """'call' or 'transcript', as entries name it."""
    id: int
    subject: Subject
    ordinal: int
    starts_at: datetime
    ends_at: datetime
    last_at: datetime
    """The receipt of its last event."""
    is_settled: bool
    is_frozen: bool
    whole: int


def read_owners(session: Session, subjects: Iterable[Subject]) -> list[Owner]:
    """All calls and windows of these subjects, and all that are legs of the same calls."""
    wanted = set(subjects)
    calls = {key for key in wanted if key[1] is SubjectKind.CALL}
    found = _read_calls(session, calls)
    while more := {owner.subject for owner in _read_relatives(session, found)} - calls:
        calls |= more
        found = _read_calls(session, calls)
    return found + _read_windows(session, wanted - calls)


def choose(
    session: Session, owners: Sequence[Owner], before: datetime, *, if_waiting: bool = False
) -> set[Owner]:
    """Those of which nothing came since `before` and with which nobody is at work any more.

    That is: settled, in no outbox and not to be settled again, nor waiting for a match unless
    `if_waiting`. A call goes with its legs, and after earlier ones of its callUuid, or not at all.
    """
    marked = read_marked(session, {owner.subject for owner in owners})
    busy = _read_busy(session, owners, if_waiting=if_waiting)

    def is_done_with(owner: Owner) -> bool:
        is_busy = owner.subject in marked or (owner.kind, owner.id) in busy
        return owner.last_at < before and not is_busy and (owner.is_settled or if_waiting)

    frozen = set() if if_waiting else {owner for owner in owners if owner.is_frozen}
    chosen = frozen | {owner for owner in owners if is_done_with(owner)}
    with_it, by_subject = _grouped(owners)
    while kept_back := {
        owner
        for owner in chosen - frozen
        if not chosen.issuperset(with_it[owner.kind, owner.whole])
        or any(
            each.kind == "call" and each.ordinal < owner.ordinal and each not in chosen
            for each in by_subject[owner.subject]
        )
    }:
        chosen -= kept_back
    return chosen


def read_marked(session: Session, subjects: set[Subject]) -> set[Subject]:
    """Those of these subjects that are to be settled (again)."""
    columns = (DueMark.clinic_id, DueMark.subject_kind, DueMark.subject_key)
    query = sa.select(*columns).where(
        DueMark.clinic_id.in_({each[0] for each in subjects}),
        DueMark.subject_key.in_({each[2] for each in subjects}),
    )
    return {(row[0], row[1], row[2]) for row in session.execute(query)} & subjects


def _grouped(
    owners: Sequence[Owner],
) -> tuple[dict[tuple[str, int], list[Owner]], dict[Subject, list[Owner]]]:
    with_it: dict[tuple[str, int], list[Owner]] = defaultdict(list)
    by_subject: dict[Subject, list[Owner]] = defaultdict(list)
    for owner in owners:
        with_it[owner.kind, owner.whole].append(owner)
        by_subject[owner.subject].append(owner)
    return with_it, by_subject


def _read_calls(session: Session, subjects: set[Subject]) -> list[Owner]:
    query = sa.select(Call).where(
        Call.clinic_id.in_({each[0] for each in subjects}),
        Call.call_uuid.in_({each[2] for each in subjects}),
    )
    every = (_of_call(call) for call in session.scalars(query))
    return [owner for owner in every if owner.subject in subjects]


def _read_relatives(session: Session, calls: Sequence[Owner]) -> list[Owner]:
    wholes = {owner.whole for owner in calls}
    query = sa.select(Call).where(sa.or_(Call.id.in_(wholes), Call.leg_of.in_(wholes)))
    return [_of_call(call) for call in session.scalars(query)]


def _of_call(call: Call) -> Owner:
    told = call.summary.get("last_event_at")
    last = datetime.fromisoformat(told) if told else call.started_at
    return Owner(
        "call",
        call.id,
        (call.clinic_id, SubjectKind.CALL, call.call_uuid),
        call.ordinal,
        call.started_at,
        last,
        last,
        call.settled_at is not None,
        call.frozen_at is not None,
        call.leg_of or call.id,
    )


def _read_windows(session: Session, subjects: set[Subject]) -> list[Owner]:
    query = (
        sa.select(Transcript, Conversation.conversation_key)
        .join(Conversation, Conversation.id == Transcript.conversation_id)
        .where(
            Conversation.clinic_id.in_({each[0] for each in subjects}),
            Conversation.conversation_key.in_({each[2] for each in subjects}),
        )
    )
    every = (
        Owner(
            "transcript",
            window.id,
            (window.clinic_id, SubjectKind.CONVERSATION, key),
            1,
            window.starts_at,
            window.ends_at,
            window.last_text_at,
            window.settled_at is not None,
            window.frozen_at is not None,
            window.id,
        )
        for window, key in session.execute(query)
    )
    return [owner for owner in every if owner.subject in subjects]


def _read_busy(
    session: Session, owners: Sequence[Owner], *, if_waiting: bool
) -> set[tuple[str, int]]:
    """The kind and id of those of which an entry, or their callback's or digest's, is not done
    with."""
    ids = {kind: {each.id for each in owners if each.kind == kind} for kind in _KINDS}
    is_busy: sa.ColumnElement[bool] = OutboxRow.entry_id.is_not(None)
    if not if_waiting:
        is_busy = sa.or_(is_busy, Entry.state == EntryState.WAITING)
    busy = sa.select(Entry.subject_kind, Entry.subject_id)
    busy = busy.outerjoin(OutboxRow, OutboxRow.entry_id == Entry.id).where(is_busy)
    clinics = Entry.clinic_id.in_({owner.subject[0] for owner in owners})
    found: set[tuple[str, int]] = set()
    for kind in _KINDS:
        mine = busy.where(clinics, Entry.subject_kind == kind, Entry.subject_id.in_(ids[kind]))
        found |= {(row[0], row[1]) for row in session.execute(mine)}
    columns = (
        CallbackMember.callback_id,
        CallbackMember.subject_kind,
        CallbackMember.subject_id,
    )
    # One that left its callback too: the task that it once asked for is perhaps being deleted.
    asked = [
        row
        for kind in _KINDS
        for row in session.execute(
            sa.select(*columns).where(
                CallbackMember.subject_kind == kind, CallbackMember.subject_id.in_(ids[kind])
            )
        )
    ]
    tasks = busy.where(
        clinics,
        Entry.subject_kind == "callback",
        Entry.subject_id.in_({row.callback_id for row in asked}),
    )
    open_tasks = {row[1] for row in session.execute(tasks)}
    found |= {(row.subject_kind, row.subject_id) for row in asked if row.callback_id in open_tasks}
    digests = busy.where(clinics, Entry.subject_kind == "digest").with_only_columns(
        Entry.subject_id
    )
    for kind in _KINDS:
        told = sa.select(Match.subject_id).where(
            Match.subject_kind == kind,
            Match.subject_id.in_(ids[kind]),
            Match.digest_id.in_(digests),
        )
        found |= {(kind, each) for each in session.scalars(told)}
    return found


_KINDS = ("call", "transcript")
