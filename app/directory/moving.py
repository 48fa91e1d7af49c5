"""Matches that a person decides anew: what was written by the old answer goes where the new one
says. Choices call it; settling does the moving, as with all that is desired."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..models import Call, Clinic, Conversation, Decision, Match, SubjectKind, Transcript
from ..numbers import read_number
from ..telephony.marks import mark_due
from .bulk import among
from .match import keep_decision, match_number
from .ownership import Decided
from .waiting import WAITING


@dataclass(frozen=True, slots=True)
class Said:
    """Who decides, why and when."""

    by: str
    why: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Moved:
    """How many calls and windows of texts were decided anew, how many of them wait for a client by
    that, and how many cannot be decided any more, since their webhooks were purged."""

    moved: int = 0
    frozen: int = 0
    now_wait: int = 0


@dataclass(frozen=True, slots=True)
class Subject:
    """A match with what it is of."""

    match: Match
    kind: SubjectKind
    key: str
    is_frozen: bool
    caller_name: str


def read_subjects(
    session: Session, clinic_id: int, *conditions: sa.ColumnElement[bool]
) -> list[Subject]:
    """The matches that meet the conditions, locked, in the one order that all lock them in."""
    matches = session.scalars(
        sa.select(Match)
        .where(Match.clinic_id == clinic_id, *conditions)
        .order_by(Match.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    told = {(row.kind, row.id): row for row in _tell(session, matches)}
    found = ((match, told.get((match.subject_kind, match.subject_id))) for match in matches)
    return [
        Subject(
            match,
            SubjectKind.CALL if match.subject_kind == "call" else SubjectKind.CONVERSATION,
            row.key,
            row.frozen_at is not None,
            (row.summary or {}).get("caller_name", ""),
        )
        for match, row in found
        if row is not None
    ]


def decide_anew(
    session: Session, db: Database, clinic: Clinic, subjects: Sequence[Subject], said: Said
) -> Moved:
    """Match each again by what the directory and people say now. Does not commit."""
    decisions = []
    for each in subjects:
        number = each.match.number
        national = read_number(number, clinic.region).national
        decided = match_number(session, clinic.id, number, national, said.now, each.caller_name)
        decisions.append((each, decided))
    return keep_decisions(session, db, clinic.id, decisions, "move", said)


def keep_decisions(
    session: Session,
    db: Database,
    clinic_id: int,
    decisions: Sequence[tuple[Subject, Decided]],
    kind: str,
    said: Said,
) -> Moved:
    """Keep what was decided of each, as a person's decision, and have it settled. No commit."""
    moved = frozen = now_wait = 0
    marks = set()
    for subject, decided in decisions:
        before = (subject.match.kind, subject.match.client, subject.match.candidates)
        if subject.is_frozen:
            frozen += 1
            continue
        is_same = before == (decided.kind, decided.client, list(decided.candidates))
        was = subject.match.client
        keep_decision(subject.match, decided, said.now)
        if is_same:
            continue
        moved += 1
        now_wait += decided.kind in WAITING
        marks.add((subject.kind, subject.key))
        value = {"from": was, "to": decided.client}
        session.add(
            Decision(
                clinic_id=clinic_id,
                subject_kind=subject.kind.value,
                subject_key=subject.key,
                kind=kind,
                value={name: client for name, client in value.items() if client},
                made_at=said.now,
                made_by=said.by,
                why=said.why,
            )
        )
    session.flush()
    for subject_kind, key in sorted(marks):
        mark_due(session, db, clinic_id, subject_kind, key)
    return Moved(moved, frozen, now_wait)


def _tell(session: Session, matches: Sequence[Match]) -> Iterator[sa.Row[*tuple[Any, ...]]]:
    """Kind, id, key, time of freezing and summary of what these matches are of."""
    calls = sa.select(
        sa.literal("call").label("kind"),
        Call.id,
        Call.call_uuid.label("key"),
        Call.frozen_at,
        Call.summary,
    )
    windows = sa.select(
        sa.literal("transcript").label("kind"),
        Transcript.id,
        Conversation.conversation_key.label("key"),
        Transcript.frozen_at,
        Transcript.summary,
    ).join(Conversation, Conversation.id == Transcript.conversation_id)
    for kind, query, column in (("call", calls, Call.id), ("transcript", windows, Transcript.id)):
        ids = [each.subject_id for each in matches if each.subject_kind == kind]
        yield from session.execute(query.where(among(session, column, ids)))
