"""Purging what has long been settled: calls and windows of texts, with all that came of them."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..ledger.settle import lock_subjects
from ..models import (
    Call,
    Callback,
    CallbackMember,
    Conversation,
    Decision,
    Digest,
    Entry,
    Event,
    Match,
    SubjectKind,
    Transcript,
)
from ..telephony.marks import Subject
from .owners import Owner, choose, read_owners
from .turn import Turn

BATCH = 200


def purge_records(turn: Turn, before: datetime) -> None:
    """Delete the calls and texts that ended before `before`, unless something is still to be done.

    Their entries, tries, matches and webhooks go with them; what stands in the PMS stays there.
    """
    for kind in (SubjectKind.CALL, SubjectKind.CONVERSATION):
        after = 0
        while True:
            with turn.step() as session:
                subjects, after = _read(session, kind, after, before)
                if not subjects:
                    break
                _purge(session, turn, subjects, before)


def _read(
    session: Session, kind: SubjectKind, after: int, before: datetime
) -> tuple[set[Subject], int]:
    """The subjects of the next calls or windows, and the id of the last; none once they are young.

    By id, that is about by time: whatever has an old one behind a young one waits for its turn.
    """
    if kind is SubjectKind.CALL:
        query = sa.select(Call.id, Call.clinic_id, Call.call_uuid, Call.started_at)
        query = query.where(Call.id > after).order_by(Call.id)
    else:
        query = (
            sa.select(
                Transcript.id,
                Transcript.clinic_id,
                Conversation.conversation_key,
                Transcript.last_text_at,
            )
            .join(Conversation, Conversation.id == Transcript.conversation_id)
            .where(Transcript.id > after)
            .order_by(Transcript.id)
        )
    rows = session.execute(query.limit(BATCH)).all()
    subjects = {(row[1], kind, row[2]) for row in rows if row[3] < before}
    return subjects, rows[-1][0] if rows else after


def _purge(session: Session, turn: Turn, subjects: set[Subject], before: datetime) -> None:
    owners = read_owners(session, lock_subjects(session, turn.db, subjects))
    going = choose(session, owners, before, if_waiting=True)
    for owner in going:
        session.execute(
            sa.delete(Event).where(
                Event.clinic_id == owner.subject[0],
                Event.subject_kind == owner.subject[1],
                Event.subject_key == owner.subject[2],
                Event.received_at >= owner.starts_at,
                Event.received_at <= owner.ends_at,
            )
        )
    for kind, table, name in (
        ("call", Call, "calls"),
        ("transcript", Transcript, "transcripts"),
    ):
        ids = [owner.id for owner in going if owner.kind == kind]
        _forget(session, kind, ids, {owner.subject[0] for owner in going})
        session.execute(sa.delete(table).where(table.id.in_(ids)))
        turn.purged[name] += len(ids)
    _forget_decisions(session, going, before)
    _forget_conversations(session, subjects)


def _forget(session: Session, kind: str, ids: Sequence[int], clinics: set[int]) -> None:
    """Delete what was kept of these calls or windows beside themselves."""
    _forget_entries(session, kind, ids, clinics)
    told_by = session.scalars(
        sa.delete(Match)
        .where(Match.subject_kind == kind, Match.subject_id.in_(ids))
        .returning(Match.digest_id)
    )
    digests = {each for each in told_by if each is not None}
    told = sa.select(Match.digest_id).where(Match.digest_id.in_(digests))
    digests -= set(session.scalars(told)) if digests else set()
    _forget_entries(session, "digest", digests, clinics)
    session.execute(sa.delete(Digest).where(Digest.id.in_(digests)))
    left = session.scalars(
        sa.delete(CallbackMember)
        .where(CallbackMember.subject_kind == kind, CallbackMember.subject_id.in_(ids))
        .returning(CallbackMember.callback_id)
    )
    callbacks = set(left)
    members = sa.select(CallbackMember.callback_id)
    callbacks -= set(session.scalars(members.where(CallbackMember.callback_id.in_(callbacks))))
    _forget_entries(session, "callback", callbacks, clinics)
    session.execute(sa.delete(Callback).where(Callback.id.in_(callbacks)))


def _forget_entries(session: Session, kind: str, ids: Collection[int], clinics: set[int]) -> None:
    session.execute(
        sa.delete(Entry).where(
            Entry.clinic_id.in_(clinics), Entry.subject_kind == kind, Entry.subject_id.in_(ids)
        )
    )


def _forget_decisions(session: Session, going: set[Owner], before: datetime) -> None:
    for owner in going:
        session.execute(
            sa.delete(Decision).where(
                Decision.clinic_id == owner.subject[0],
                Decision.subject_kind == owner.subject[1].value,
                Decision.subject_key == owner.subject[2],
                Decision.made_at < before,
            )
        )


def _forget_conversations(session: Session, subjects: set[Subject]) -> None:
    keys = [each[2] for each in subjects if each[1] is SubjectKind.CONVERSATION]
    has_windows = sa.exists().where(Transcript.conversation_id == Conversation.id)
    session.execute(
        sa.delete(Conversation).where(
            Conversation.clinic_id.in_({each[0] for each in subjects}),
            Conversation.conversation_key.in_(keys),
            sa.not_(has_windows),
        )
    )
