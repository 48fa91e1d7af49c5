"""What a clinic still owed to another PMS account: its clients' ids may be others' here, so it is
matched anew. Opening a connection calls it."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..directory.bulk import among
from ..directory.moving import Said, keep_decisions, read_subjects
from ..directory.ownership import Decided
from ..models import CallbackMember, Entry, EntryState, Match, OutboxRow

BY = "the change of the PMS account"
NOT_WRITTEN = "it was matched at a former PMS account, and not written there"
OWED = (EntryState.DUE, EntryState.RETRYING, EntryState.SET_ASIDE)


def match_anew(
    session: Session,
    db: Database,
    clinic_id: int,
    now: datetime,
    only: Collection[int] | None = None,
) -> int:
    """Have what is owed (of the entries `only`, if given), and was matched at another account, wait
    for a client of the one in use.

    What was perhaps written, or is being written, stays as it is: a person is asked of it. Returns
    how many calls and windows of texts are to be matched anew. Does not commit.
    """
    is_owed = _is_owed(clinic_id)
    if only is not None:
        is_owed.append(among(session, Entry.id, only))
    owed = sa.select(Entry.id).where(*is_owed).subquery()
    is_of_owed = Entry.id.in_(sa.select(owed.c.id))
    # The matches are locked before the entries, as settling does.
    subjects = read_subjects(session, clinic_id, Match.kind == "client", _leads_to(is_of_owed))
    if not subjects:
        return 0
    has_match = sa.select(Match.id).where(
        among(session, Match.id, [each.match.id for each in subjects]), _is_told_by()
    )
    entries = session.scalars(
        sa.select(Entry)
        .where(*is_owed, has_match.exists())
        .order_by(Entry.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for entry in entries:
        entry.is_wanted, entry.version = False, entry.version + 1
        entry.state, entry.reason, entry.updated_at = EntryState.WITHDRAWN, NOT_WRITTEN, now
    ids = [entry.id for entry in entries]
    session.execute(sa.delete(OutboxRow).where(among(session, OutboxRow.entry_id, ids)))
    anew = Decided("none", rule=NOT_WRITTEN)
    decisions = [(each, anew) for each in subjects]
    return keep_decisions(session, db, clinic_id, decisions, "move", Said(BY, "", now)).moved


def _is_owed(clinic_id: int) -> list[sa.ColumnElement[bool]]:
    is_at_risk = sa.or_(OutboxRow.is_in_doubt.is_(True), OutboxRow.lease_token.is_not(None))
    in_hand = sa.exists().where(OutboxRow.entry_id == Entry.id, is_at_risk)
    return [
        Entry.clinic_id == clinic_id,
        Entry.state.in_(OWED),
        Entry.client != "",
        Entry.is_wanted.is_(True),
        Entry.pms_id.is_(None),
        Entry.doubt.is_(None),
        ~in_hand,
    ]


def _leads_to(is_of_owed: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.select(Entry.id).where(is_of_owed, _is_told_by()).correlate(Match).exists()


def _is_told_by() -> sa.ColumnElement[bool]:
    """That an entry tells of what is matched: by itself, in a digest, or as a callback's task."""
    asks = sa.exists().where(
        CallbackMember.callback_id == Entry.subject_id,
        CallbackMember.subject_kind == Match.subject_kind,
        CallbackMember.subject_id == Match.subject_id,
    )
    return sa.or_(
        sa.and_(Entry.subject_kind == Match.subject_kind, Entry.subject_id == Match.subject_id),
        sa.and_(Entry.subject_kind == "digest", Entry.subject_id == Match.digest_id),
        sa.and_(Entry.subject_kind == "callback", asks),
    )
