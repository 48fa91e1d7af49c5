"""Which entries failed and can be tried again: chosen by what they have in common. Reads only."""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..ledger.days import within
from ..ledger.set_aside import LEFT
from ..models import (
    Attempt,
    Clinic,
    Connection,
    Entry,
    EntryKind,
    EntryState,
    OutboxRow,
)
from .retry import Next

FAILED = (EntryState.SET_ASIDE, EntryState.RETRYING)
FAILURES = (Next.AGAIN.value, Next.UNKNOWN.value, Next.SET_ASIDE.value)
"""What a try came to that failed by itself, not because its connection had to rest."""
ROWS_AT_ONCE = 1000
REACHED = sa.and_(
    Connection.clinic_id == Entry.clinic_id,
    Connection.ended_at.is_(None),
    Connection.is_watch_only.is_(False),
    ~sa.exists().where(Clinic.id == Connection.clinic_id, Clinic.is_watch_only),
    sa.or_(Entry.pms_id.is_(None), Entry.connection_id == Connection.id),
)
"""The connection through which an entry can be written."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which of the entries that failed; None leaves open."""

    clinic_id: int | None = None
    state: EntryState | None = None
    kind: EntryKind | None = None
    client: str | None = None
    failed_since: datetime | None = None
    """Naive, by each clinic's own clock."""

    def condition(self, session: Session, *, or_left: bool = False) -> sa.ColumnElement[bool]:
        """Whether an entry failed (`or_left`: or was left by a person) and is one of these."""
        states = [self.state] if self.state else FAILED
        has_failed: sa.ColumnElement[bool] = Entry.state.in_(states)
        conditions = [sa.or_(has_failed, Entry.reason.endswith(LEFT)) if or_left else has_failed]
        for column, wanted in (
            (Entry.clinic_id, self.clinic_id),
            (Entry.kind, self.kind),
            (Entry.client, self.client),
        ):
            if wanted is not None:
                conditions.append(column == wanted)
        if self.failed_since is not None:
            is_since = within(session, Entry.clinic_id, Attempt.started_at, self.failed_since, None)
            conditions.append(
                sa.exists().where(
                    Attempt.entry_id == Entry.id, Attempt.outcome.in_(FAILURES), is_since
                )
            )
        return sa.and_(*conditions)


@dataclass(slots=True)
class Chosen:
    """The failed entries that a filter names: those to be retried, and those left apart."""

    ids: "array[int]" = field(default_factory=lambda: array("q"))
    counts: Counter[tuple[int, EntryKind]] = field(default_factory=Counter)
    """How many of each clinic (its id) and kind are to be retried."""
    asking: int = 0
    """Those that were perhaps written, so that a person must look."""
    without_pms: int = 0
    under_way: int = 0
    """Those that are being tried just now."""


def choose(session: Session, wanted: Filter) -> Chosen:
    """What a retry of these entries would cover: of one moment, the oldest first."""
    query = (
        sa.select(
            Entry.id,
            Entry.clinic_id,
            Entry.kind,
            Entry.doubt,
            Connection.id.label("connection_id"),
            OutboxRow.lease_token,
        )
        .select_from(Entry)
        .outerjoin(Connection, REACHED)
        .outerjoin(OutboxRow, OutboxRow.entry_id == Entry.id)
        .where(wanted.condition(session))
        .order_by(Entry.id)
        .execution_options(yield_per=ROWS_AT_ONCE)
    )
    chosen = Chosen()
    for row in session.execute(query):
        if row.doubt is not None:
            chosen.asking += 1
        elif row.connection_id is None:
            chosen.without_pms += 1
        elif row.lease_token is not None:
            chosen.under_way += 1
        else:
            chosen.ids.append(row.id)
            chosen.counts[row.clinic_id, row.kind] += 1
    return chosen
