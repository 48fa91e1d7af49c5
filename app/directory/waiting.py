"""What waits for a match: has it settled anew once the directory knows more, and lists it.

Called by people's choices, import, sync and look-ups.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..models import Call, Conversation, Match, SubjectKind, Transcript
from ..telephony.marks import mark_due
from .bulk import among, portions
from .suggestions import suggest

WAITING = ("none", "several")


def mark_waiting(
    session: Session, db: Database, clinic_id: int, numbers: Iterable[str] | None = None
) -> int:
    """Have every call and conversation settled now that waits on one of `numbers` (None: on any).

    Returns how many were marked. Does not commit.
    """
    subjects: set[tuple[SubjectKind, str]] = set()
    for some in [None] if numbers is None else portions(numbers):
        subjects.update(_waiting_subjects(session, clinic_id, some))
    # One order for all, so that two who mark the same subjects never lock each other out.
    for kind, key in sorted(subjects):
        mark_due(session, db, clinic_id, kind, key)
    return len(subjects)


def keep_waiting(session: Session, clinic_id: int, number: str) -> None:
    """Keep of all on `number` that no client has it, now that the PMS was asked. No commit."""
    # In the one order that all lock them in.
    waiting = session.scalars(
        sa.select(Match)
        .where(Match.clinic_id == clinic_id, Match.number == number, Match.kind.in_(WAITING))
        .order_by(Match.id)
        .with_for_update()
    )
    for match in waiting:
        match.has_waited = True


def list_unmatched(session: Session, clinic_id: int) -> list[dict[str, Any]]:
    """The numbers on which something waits, the latest first.

    Each is `number`, `kind` ('none' or 'several'), `rule` (why, in words), `candidates` as
    `suggest` has them, `calls` and `texts` that wait, `first_at`, `last_at`, and `caller_name`,
    the latest one shown, as a hint.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in session.execute(_waiting_rows(clinic_id)):
        known = found.setdefault(
            row.number,
            {
                "number": row.number,
                "kind": row.kind,
                "rule": row.rule,
                "candidates": list(row.candidates),
                "calls": 0,
                "texts": 0,
                "first_at": row.at,
                "last_at": row.at,
                "caller_name": "",
            },
        )
        known["calls" if row.subject_kind == "call" else "texts"] += 1
        known["last_at"] = row.at
        # A later decision knows more of the directory than an earlier one.
        known |= {"kind": row.kind, "rule": row.rule, "candidates": list(row.candidates)}
        known["caller_name"] = (row.summary or {}).get("caller_name") or known["caller_name"]
    waiting = sorted(found.values(), key=lambda item: item["last_at"], reverse=True)
    suggested = suggest(session, clinic_id, waiting)
    for item in waiting:
        item["candidates"] = suggested[item["number"]]
    return waiting


def _waiting_subjects(
    session: Session, clinic_id: int, numbers: list[str] | None
) -> Iterator[tuple[SubjectKind, str]]:
    waits = [Match.clinic_id == clinic_id, Match.kind.in_(WAITING)]
    if numbers is not None:
        waits.append(among(session, Match.number, numbers))
    calls = (
        sa.select(Call.call_uuid)
        .join(Match, sa.and_(Match.subject_id == Call.id, Match.subject_kind == "call"))
        .where(*waits)
    )
    conversations = (
        sa.select(Conversation.conversation_key)
        .join(Transcript, Transcript.conversation_id == Conversation.id)
        .join(Match, sa.and_(Match.subject_id == Transcript.id, Match.subject_kind == "transcript"))
        .where(*waits)
    )
    for key in session.scalars(calls):
        yield SubjectKind.CALL, key
    for key in session.scalars(conversations):
        yield SubjectKind.CONVERSATION, key


def _waiting_rows(clinic_id: int) -> sa.Select[*tuple[Any, ...]]:
    at = sa.func.coalesce(Call.started_at, Transcript.last_text_at)
    return (
        sa.select(
            Match.number,
            Match.kind,
            Match.candidates,
            Match.rule,
            Match.subject_kind,
            at.label("at"),
            Call.summary,
        )
        .outerjoin(Call, sa.and_(Match.subject_kind == "call", Call.id == Match.subject_id))
        .outerjoin(
            Transcript,
            sa.and_(Match.subject_kind == "transcript", Transcript.id == Match.subject_id),
        )
        .where(Match.clinic_id == clinic_id, Match.kind.in_(WAITING), at.is_not(None))
        .order_by(at, Match.id)
    )
