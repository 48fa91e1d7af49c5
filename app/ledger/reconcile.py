"""Desired entries against standing ones: insert, amend, withdraw. Moves rows for settle.

Idempotent: the same desired state ends in the same rows, however often it is reconciled.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from ..db import Database
from ..directory.accounts import find_connection_in_use
from ..models import Clinic, Connection, Doubt, Entry, EntryKind, EntryState, OutboxRow

REFERENCE_WORDS = "abcdefghijkmnpqrstuvwxyz23456789"
NO_CONNECTION = "no PMS is connected yet"
WATCH_ONLY = "watch only: nothing is written"
TOO_OLD = "from before the connection's start, so left alone"
NOT_AMENDED = "its PMS id is not known, so it cannot be amended"
FORMER_CONNECTION = "written to a former connection, so not amended"
PERHAPS_THERE = (
    "perhaps it was written to the former account, which gave no answer. Look there for {mark},"
    " then either write it again, to the account in use, or confirm that it stands there"
)
PERHAPS_LEFT_THERE = "perhaps it was written to the former account: look there for {mark}"

STANDING = (
    sa.select(Entry)
    .where(
        Entry.clinic_id == sa.bindparam("clinic_id"),
        Entry.subject_kind == sa.bindparam("kind"),
        Entry.subject_id == sa.bindparam("id"),
    )
    .order_by(Entry.id)
    .with_for_update()
    .execution_options(populate_existing=True)
)


@dataclass(frozen=True, slots=True)
class Desired:
    """One entry that should stand. `client` is '' until its number is matched."""

    kind: EntryKind
    client: str
    content: dict[str, Any]


def reconcile(
    session: Session,
    db: Database,
    clinic_id: int,
    subject: tuple[str, int],
    desired: Sequence[Desired],
    now: datetime,
    *,
    is_new: bool = False,
) -> list[Entry]:
    """Make the entries of `subject` (its kind and id) what is desired; returns all that stand.

    `is_new`: the subject was added in this transaction, so that it has none. The caller holds its
    lock. Does not commit.
    """
    connection = find_connection_in_use(session, clinic_id)
    former = () if is_new else _lock(session, clinic_id, subject)
    standing = {(entry.kind, entry.client): entry for entry in former}
    kept = []
    for want in desired:
        entry = standing.pop((want.kind, want.client), None) or standing.pop((want.kind, ""), None)
        if entry is None:
            entry = _new(clinic_id, subject, want, now)
            session.add(entry)
            place(session, db, entry, connection, now)
        elif (entry.client, entry.content, entry.is_wanted) != (want.client, want.content, True):
            entry.client, entry.content = want.client, want.content
            _revise(entry, True, now)
            place(session, db, entry, connection, now)
        kept.append(entry)
    for entry in standing.values():
        if entry.is_wanted:
            _revise(entry, False, now)
            place(session, db, entry, connection, now)
    return kept


def place(
    session: Session, db: Database, entry: Entry, connection: Connection | None, now: datetime
) -> None:
    """Put an entry whose desired state has changed where it belongs: a state and, if it is to be
    written, an outbox row. Does not commit."""
    if entry.pms_id and (connection is None or connection.id != entry.connection_id):
        entry.state, entry.reason = EntryState.SYNCED, FORMER_CONNECTION
    elif entry.doubt is Doubt.CONFIRMED:
        entry.state, entry.reason = EntryState.SYNCED, NOT_AMENDED
    elif not entry.is_wanted and not _may_stand_in_pms(session, entry):
        entry.state, entry.reason = EntryState.WITHDRAWN, None
        session.execute(sa.delete(OutboxRow).where(OutboxRow.entry_id == entry.id))
    elif not entry.client:
        entry.state, entry.reason = EntryState.WAITING, None
    elif connection is None:
        entry.state, entry.reason = EntryState.DUE, NO_CONNECTION
    elif connection.is_watch_only or session.get_one(Clinic, entry.clinic_id).is_watch_only:
        entry.state, entry.reason = EntryState.DUE, WATCH_ONLY
    elif connection.since and datetime.fromisoformat(entry.content["occurred_at"]) < (
        connection.since
    ):
        entry.state, entry.reason = EntryState.WITHDRAWN, TOO_OLD
    else:
        entry.state, entry.reason = EntryState.DUE, None
        if not enqueue(session, db, entry, connection.id):
            _ask_of_former(entry)


def enqueue(session: Session, db: Database, entry: Entry, connection_id: int) -> bool:
    """Have an entry written now. A leased row keeps its time: its finish sees the new version.

    False, and nothing is done, if a create of it was perhaps carried out, or is under way, at
    another connection, which this one cannot tell of. Does not commit.
    """
    # A new entry is added as it stands by now, and has its key from then on.
    session.flush()
    given: dict[str, Any] = {"of_entry": entry.id, "to_connection": connection_id}
    if not db.tells_time:
        given["now"] = db.clock()
    return session.scalars(_enqueue(db.is_sqlite, db.tells_time), given).first() is not None


@cache
def _enqueue(is_sqlite: bool, tells_time: bool) -> sa.Executable:
    """The statement, built once: every settling needs it, and building it takes longer than it."""
    rows: Any = OutboxRow.__table__
    now = Database.CLOCK if tells_time else sa.bindparam("now", type_=rows.c.due_at.type)
    insert = (sqlite.insert if is_sqlite else postgresql.insert)(rows).values(
        entry_id=sa.bindparam("of_entry"),
        connection_id=sa.bindparam("to_connection"),
        due_at=now,
        attempts=0,
        is_in_doubt=False,
        queued_at=now,
    )
    new, is_leased = insert.excluded, rows.c.lease_token.is_not(None)
    return insert.on_conflict_do_update(
        index_elements=[rows.c.entry_id],
        set_={
            "connection_id": new.connection_id,
            "due_at": sa.case((is_leased, rows.c.due_at), else_=new.due_at),
            "attempts": 0,
            "unanswered": 0,
            "queued_at": new.queued_at,
        },
        where=sa.or_(rows.c.is_in_doubt.is_(False), rows.c.connection_id == new.connection_id),
    ).returning(rows.c.entry_id)


def _lock(session: Session, clinic_id: int, subject: tuple[str, int]) -> Sequence[Entry]:
    given = {"clinic_id": clinic_id, "kind": subject[0], "id": subject[1]}
    return session.scalars(STANDING, given).all()


def _new(clinic_id: int, subject: tuple[str, int], want: Desired, now: datetime) -> Entry:
    return Entry(
        clinic_id=clinic_id,
        subject_kind=subject[0],
        subject_id=subject[1],
        kind=want.kind,
        client=want.client,
        state=EntryState.WAITING,
        version=1,
        content=want.content,
        is_wanted=True,
        reference="rn-" + "".join(secrets.choice(REFERENCE_WORDS) for _ in range(16)),
        incarnation=1,
        created_at=now,
        updated_at=now,
    )


def _revise(entry: Entry, is_wanted: bool, now: datetime) -> None:
    entry.is_wanted = is_wanted
    entry.version += 1
    entry.updated_at = now


def _ask_of_former(entry: Entry) -> None:
    if entry.is_wanted:
        entry.state, entry.doubt = EntryState.SET_ASIDE, Doubt.ASKED
        entry.reason = PERHAPS_THERE.format(mark=entry.reference)
    else:
        entry.state = EntryState.WITHDRAWN
        entry.reason = PERHAPS_LEFT_THERE.format(mark=entry.reference)


def _may_stand_in_pms(session: Session, entry: Entry) -> bool:
    if entry.pms_id:
        return True
    row = session.get(OutboxRow, entry.id, populate_existing=True)
    return row is not None and (row.is_in_doubt or row.lease_token is not None)
