"""The rows that traces are told from, read with a fixed number of queries, however many."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from ..models import (
    Attempt,
    CallbackMember,
    Client,
    Clinic,
    Connection,
    ConnectionState,
    Entry,
    EntryState,
    Match,
    OutboxRow,
)
from .callbacks import ASKS, LEFT
from .standing import stand

Subject = tuple[str, int]
Clinics = Collection[int] | None
"""Ids of clinics; None for all there are."""
"""Kind ('call', 'transcript') and id."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An entry with what is needed to say where it stands."""

    entry: Entry
    row: OutboxRow | None
    paused_reason: str | None

    def in_words(self, match_rule: str | None, now: datetime) -> str:
        return stand(
            self.entry.state,
            self.entry.reason,
            self.row.due_at if self.row else None,
            match_rule,
            self.paused_reason,
            now,
        )


def read_clinics(session: Session, ids: Iterable[int]) -> dict[int, Clinic]:
    rows = session.scalars(sa.select(Clinic).where(Clinic.id.in_(set(ids))))
    return {clinic.id: clinic for clinic in rows}


def read_matches(session: Session, subjects: Sequence[Subject]) -> dict[Subject, dict[str, Any]]:
    """Each subject's match with the client's name, as a trace shows it."""
    rows = session.execute(
        sa.select(Match, Client.name)
        .outerjoin(
            Client,
            sa.and_(Client.clinic_id == Match.clinic_id, Client.external_id == Match.client),
        )
        .where(_among(Match.subject_kind, Match.subject_id, subjects))
    )
    return {
        (match.subject_kind, match.subject_id): {
            "kind": match.kind,
            "client": match.client,
            "name": name or "",
            "candidates": list(match.candidates),
            "rule": match.rule,
            "decided_at": match.decided_at,
        }
        for match, name in rows
    }


def read_entries(session: Session, subjects: Sequence[Subject]) -> dict[Subject, list[Standing]]:
    """Each subject's entries, with those of its callbacks and its digest as `read_origins` counts
    them."""
    among = _among(CallbackMember.subject_kind, CallbackMember.subject_id, subjects)
    asked = session.scalars(sa.select(CallbackMember.callback_id).where(among).distinct())
    told = session.scalars(
        sa.select(Match.digest_id)
        .where(_among(Match.subject_kind, Match.subject_id, subjects), Match.digest_id.is_not(None))
        .distinct()
    )
    wanted = [*subjects, *(("callback", each) for each in asked)]
    wanted += [("digest", each) for each in told if each is not None]
    standing = list(_standing(session, _among(Entry.subject_kind, Entry.subject_id, wanted)))
    origins = read_origins(session, [each.entry for each in standing])
    found: dict[Subject, list[Standing]] = defaultdict(list)
    for each in standing:
        for subject in origins[each.entry.id]:
            found[subject].append(each)
    return found


def read_origins(session: Session, entries: Sequence[Entry]) -> dict[int, list[Subject]]:
    """The calls and windows that each entry comes of, by its id: a task's are all that ask for its
    callback, a digest's all that it tells of, and once it is not wanted any more, all that ever
    were."""
    by_kind: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_kind[entry.subject_kind].append(entry)
    own = {entry.id: [(entry.subject_kind, entry.subject_id)] for entry in entries}
    asked = _asked_for(session, by_kind["callback"])
    return own | asked | _told_by(session, by_kind["digest"])


def _asked_for(session: Session, tasks: Sequence[Entry]) -> dict[int, list[Subject]]:
    members: dict[int, list[CallbackMember]] = defaultdict(list)
    callbacks = {each.subject_id for each in tasks}
    for member in session.scalars(
        sa.select(CallbackMember)
        .where(CallbackMember.callback_id.in_(callbacks))
        .order_by(CallbackMember.joined_at, CallbackMember.subject_id)
    ):
        members[member.callback_id].append(member)
    return {
        entry.id: [
            (member.subject_kind, member.subject_id)
            for member in members[entry.subject_id]
            if member.role == ASKS or (member.role == LEFT and not entry.is_wanted)
        ]
        for entry in tasks
    }


def _told_by(session: Session, digests: Sequence[Entry]) -> dict[int, list[Subject]]:
    members: dict[int, list[Match]] = defaultdict(list)
    ids = {each.subject_id for each in digests}
    query = sa.select(Match).where(Match.digest_id.in_(ids)).order_by(Match.id)
    for match in session.scalars(query) if ids else ():
        members[match.digest_id or 0].append(match)
    return {
        entry.id: [
            (match.subject_kind, match.subject_id)
            for match in members[entry.subject_id]
            if not entry.is_wanted or match.client == entry.client
        ]
        for entry in digests
    }


def read_entries_where(
    session: Session, condition: sa.ColumnElement[bool], limit: int
) -> list[Standing]:
    """Entries that meet `condition`, the newest first."""
    return list(_standing(session, condition, limit))


def read_attempts(session: Session, entry_ids: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
    """The attempts at these entries, in order."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    query = (
        sa.select(Attempt)
        .options(undefer(Attempt.exchanges))
        .where(Attempt.entry_id.in_(set(entry_ids)))
        .order_by(Attempt.id)
    )
    for attempt in session.scalars(query):
        found[attempt.entry_id].append(
            {
                "at": attempt.started_at,
                "duration_ms": attempt.duration_ms,
                "action": attempt.action,
                "outcome": attempt.outcome,
                "http_status": attempt.http_status,
                "version": attempt.version,
                "error": attempt.error,
                "pms_id": attempt.pms_id,
                "exchanges": attempt.exchanges or [],
            }
        )
    return found


def with_entry(kind: str, state: EntryState, clinics: Clinics = None) -> sa.CompoundSelect[Any]:
    """The ids of the calls or windows of which an entry, or their callback's or digest's, is in
    this state."""
    is_it = sa.and_(Entry.state == state, of_clinics(Entry.clinic_id, clinics))
    own = sa.select(Entry.subject_id).where(Entry.subject_kind == kind, is_it)
    callbacks = (
        sa.select(CallbackMember.subject_id)
        .join(
            Entry,
            sa.and_(
                Entry.subject_kind == "callback", Entry.subject_id == CallbackMember.callback_id
            ),
        )
        .where(
            CallbackMember.subject_kind == kind,
            is_it,
            sa.or_(
                CallbackMember.role == ASKS,
                sa.and_(CallbackMember.role == LEFT, sa.not_(Entry.is_wanted)),
            ),
        )
    )
    digests = (
        sa.select(Match.subject_id)
        .join(Entry, sa.and_(Entry.subject_kind == "digest", Entry.subject_id == Match.digest_id))
        .where(
            Match.subject_kind == kind,
            is_it,
            sa.or_(sa.not_(Entry.is_wanted), Entry.client == Match.client),
        )
    )
    return own.union(callbacks, digests)


def of_clinics(column: Any, clinics: Clinics) -> sa.ColumnElement[bool]:
    """The condition that a row is of one of these clinics."""
    return sa.true() if clinics is None else column.in_(sorted(clinics))


def _standing(
    session: Session, condition: sa.ColumnElement[bool], limit: int | None = None
) -> Iterable[Standing]:
    query = (
        sa.select(Entry, OutboxRow, Connection.state, Connection.paused_reason)
        .outerjoin(OutboxRow, OutboxRow.entry_id == Entry.id)
        .outerjoin(Connection, Connection.id == OutboxRow.connection_id)
        .where(condition)
        .order_by(Entry.id.desc() if limit else Entry.id)
        .limit(limit)
    )
    for entry, row, state, reason in session.execute(query):
        is_paused = state is ConnectionState.PAUSED
        yield Standing(entry, row, (reason or "by a person") if is_paused else None)


def _among(kind: Any, key: Any, subjects: Sequence[Subject]) -> sa.ColumnElement[bool]:
    by_kind: dict[str, set[int]] = defaultdict(set)
    for name, number in subjects:
        by_kind[name].add(number)
    return sa.or_(
        sa.false(), *(sa.and_(kind == name, key.in_(ids)) for name, ids in by_kind.items())
    )
