"""Clients that the PMS merged: who they are now, and what of theirs leads to the survivor.

What was written stays where it stands in the PMS: only where it is amended changes. The sync calls
it in the transaction that tells of the merge.
"""

from collections.abc import Collection, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from ..db import Database
from ..models import (
    Call,
    CallbackMember,
    Client,
    Conversation,
    Digest,
    Entry,
    Match,
    NumberRule,
    SubjectKind,
    Transcript,
)
from ..telephony.marks import mark_due
from .bulk import among

MERGE_STEPS = 10
"""How far a chain of merged clients is followed."""
MERGED = ", who is now the client it was merged into"


def follow_merges(session: Session, clinic_id: int, asked: Collection[str]) -> dict[str, str]:
    """Each client's living self: itself, the one it was merged into, or '' if that is gone.

    A client that the directory does not know is taken for living: the PMS or a person named it.
    """
    now_are = {client: client for client in asked}
    open_ends = set(asked)
    for _ in range(MERGE_STEPS):
        if not open_ends:
            return now_are
        found = {
            row.external_id: row.merged_into or ("" if row.deleted_at else row.external_id)
            for row in session.execute(
                sa.select(Client.external_id, Client.merged_into, Client.deleted_at).where(
                    Client.clinic_id == clinic_id,
                    among(session, Client.external_id, sorted(open_ends)),
                )
            )
        }
        moved = {end: found.get(end, end) for end in open_ends}
        now_are = {client: moved.get(end, end) for client, end in now_are.items()}
        open_ends = {after for before, after in moved.items() if after and after != before}
    return {client: "" if end in open_ends else end for client, end in now_are.items()}


def repoint_merged(session: Session, db: Database, clinic_id: int, merged: Collection[str]) -> int:
    """Have what is decided for the clients `merged` (external ids) lead to who they are now.

    A decided match becomes the survivor's, and so does what a person said of a number; the audit
    trail keeps whom they named. An entry that stands in the PMS is the survivor's from
    now on, as it is, for whatever amends it; one that was not written yet is settled again.
    Returns how many subjects that are. Does not commit.
    """
    now_are = follow_merges(session, clinic_id, merged)
    due: set[tuple[SubjectKind, str]] = set()
    for before, after in sorted(now_are.items()):
        if after and after != before:
            _repoint_further(session, clinic_id, before, after)
            session.execute(
                sa.update(NumberRule)
                .where(
                    NumberRule.clinic_id == clinic_id,
                    NumberRule.client == before,
                    NumberRule.kind.in_(("map", "pick")),
                )
                .values(client=after),
                execution_options={"synchronize_session": False},
            )
            session.execute(
                sa.update(Match)
                .where(Match.clinic_id == clinic_id, Match.client == before)
                .values(client=after, rule=Match.rule + MERGED),
                execution_options={"synchronize_session": False},
            )
            _repoint_entries(session, clinic_id, before, after)
            due.update(_unwritten(session, clinic_id, before))
    for kind, key in sorted(due):
        mark_due(session, db, clinic_id, kind, key)
    return len(due)


def _repoint_further(session: Session, clinic_id: int, before: str, after: str) -> None:
    """Of matches that are written to several records: name each living one, once."""
    has_entry = (
        sa.select(Entry.id)
        .where(
            Entry.clinic_id == clinic_id,
            Entry.client == before,
            Entry.subject_kind == Match.subject_kind,
            Entry.subject_id == Match.subject_id,
        )
        .exists()
    )
    rows = session.execute(
        sa.select(Match.id, Match.client, Match.candidates)
        .where(Match.clinic_id == clinic_id, Match.kind == "client", has_entry)
        .order_by(Match.id)
    ).all()
    for key, client, further in rows:
        now_is = after if client == before else client
        living = [after if each == before else each for each in further]
        left = [each for each in dict.fromkeys(living) if each != now_is]
        if left != further:
            session.execute(
                sa.update(Match).where(Match.id == key).values(candidates=left),
                execution_options={"synchronize_session": False},
            )


def _repoint_entries(session: Session, clinic_id: int, before: str, after: str) -> None:
    other = aliased(Entry)
    has_its_own = (
        sa.select(other.id)
        .where(
            other.clinic_id == Entry.clinic_id,
            other.subject_kind == Entry.subject_kind,
            other.subject_id == Entry.subject_id,
            other.kind == Entry.kind,
            other.client == after,
        )
        .exists()
    )
    # In one order, as settling takes them, so that the two never lock each other out.
    written = session.scalars(
        sa.select(Entry.id)
        .where(
            Entry.clinic_id == clinic_id,
            Entry.client == before,
            Entry.pms_id.is_not(None),
            ~has_its_own,
        )
        .order_by(Entry.id)
        .with_for_update()
    ).all()
    if written:
        session.execute(
            sa.update(Entry).where(among(session, Entry.id, written)).values(client=after),
            execution_options={"synchronize_session": False},
        )


def _unwritten(session: Session, clinic_id: int, client: str) -> Iterator[tuple[SubjectKind, str]]:
    """The calls, conversations and digests with an entry for `client` that stands nowhere yet."""
    owed = sa.and_(
        Entry.clinic_id == clinic_id,
        Entry.client == client,
        Entry.is_wanted,
        Entry.pms_id.is_(None),
    )
    of_calls = sa.select(Call.call_uuid).join(Entry, _is_of("call", Call.id))
    of_texts = (
        sa.select(Conversation.conversation_key)
        .join(Transcript, Transcript.conversation_id == Conversation.id)
        .join(Entry, _is_of("transcript", Transcript.id))
    )
    of_callbacks = (
        sa.select(Call.call_uuid)
        .join(
            CallbackMember,
            sa.and_(CallbackMember.subject_kind == "call", CallbackMember.subject_id == Call.id),
        )
        .join(Entry, _is_of("callback", CallbackMember.callback_id))
    )
    of_digests = sa.select(Digest.number).join(Entry, _is_of("digest", Digest.id))
    for kind, query in (
        (SubjectKind.CALL, of_calls),
        (SubjectKind.CALL, of_callbacks),
        (SubjectKind.CONVERSATION, of_texts),
        (SubjectKind.DIGEST, of_digests),
    ):
        yield from ((kind, key) for key in session.scalars(query.where(owed)))


def _is_of(kind: str, key: Any) -> sa.ColumnElement[bool]:
    return sa.and_(Entry.subject_kind == kind, Entry.subject_id == key)
