"""What people answer of an entry that was set aside: of one that was perhaps written, that it
stands there or does not; of one that the PMS refuses, that it is left.

Moves rows, and keeps each answer, and who had an entry tried again, as a decision about what the
entry comes of.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..directory.accounts import find_connection_in_use
from ..errors import InputError
from ..ledger.reconcile import NOT_AMENDED, place
from ..ledger.rows import read_origins
from ..ledger.set_aside import LEFT
from ..models import (
    Call,
    Conversation,
    Decision,
    Doubt,
    Entry,
    EntryState,
    OutboxRow,
    Transcript,
)
from .records import beyond_doubt, without_doubt


def confirm_entry(
    session: Session, db: Database, entry: Entry, pms_id: str | None, by: str, now: datetime
) -> None:
    """Take a person's word that an entry which asks stands in the PMS. Does not commit.

    With its PMS id it is amended from now on as any other; without, it never is. Raises InputError
    for an entry that asks nothing.
    """
    if entry.doubt is not Doubt.ASKED or entry.state is not EntryState.SET_ASIDE:
        raise InputError(
            f"Entry {entry.id} asks nothing: it is {entry.state.value}. Only what was perhaps"
            " written and set aside for that can be confirmed."
        )
    row = session.get(OutboxRow, entry.id, with_for_update=True)
    connection = find_connection_in_use(session, entry.clinic_id)
    entry.doubt, entry.updated_at = None, now
    if entry.pms_id is None and row is not None:
        entry.connection_id = row.connection_id
    entry.connection_id = entry.connection_id or (connection.id if connection else None)
    entry.pms_id = entry.pms_id or pms_id
    entry.sent_texts = beyond_doubt(entry.sent_texts)
    _keep(session, entry, "confirm", {"pms_id": pms_id}, by, now)
    if row is not None:
        session.delete(row)
        session.flush()
    if entry.pms_id is None:
        entry.doubt = Doubt.CONFIRMED
    if entry.pms_id is None or not pms_id:
        entry.state, entry.reason = EntryState.SYNCED, f"{by} saw it in the PMS"
        entry.written_version = entry.version
        if entry.pms_id is None:
            entry.reason += "; " + NOT_AMENDED
        return
    place(session, db, entry, connection, now)


def deny_entry(session: Session, entry: Entry, by: str, now: datetime) -> None:
    """Take a person's word that an entry which asks does not stand in the PMS, so that it can be
    written again. Does not commit."""
    entry.doubt = None
    entry.sent_texts = without_doubt(entry.sent_texts)
    session.execute(
        sa.update(OutboxRow).where(OutboxRow.entry_id == entry.id).values(is_in_doubt=False)
    )
    _keep(session, entry, "write_again", {}, by, now)


def leave_entry(session: Session, entry: Entry, by: str, why: str, now: datetime) -> None:
    """Take a person's word that an entry which the PMS refuses is left as it stands there, or does
    not: it is not tried before it changes, or somebody has it retried. Does not commit.

    Raises InputError for one that is not set aside, or was perhaps written.
    """
    if entry.state is not EntryState.SET_ASIDE:
        raise InputError(
            f"Entry {entry.id} cannot be left: it is {entry.state.value}, not set aside."
        )
    row = session.get(OutboxRow, entry.id, with_for_update=True)
    # What is to be removed keeps a row, in doubt: nobody would see whether it was.
    if entry.doubt is not None or (row is not None and entry.is_wanted):
        raise InputError(
            f"Entry {entry.id} cannot be left: perhaps it was written. Look in the PMS for"
            f" {entry.reference}, then confirm it or have it retried."
        )
    stands = bool(entry.pms_id) and entry.is_wanted
    entry.state = EntryState.SYNCED if stands else EntryState.WITHDRAWN
    entry.reason, entry.updated_at = f"{by} {LEFT}", now
    _keep(session, entry, "leave", {}, by, now, why)


def keep_retry(session: Session, entry: Entry, by: str, now: datetime) -> None:
    """Keep who had an entry tried again. Does not commit."""
    _keep(session, entry, "retry", {}, by, now)


def _keep(
    session: Session,
    entry: Entry,
    kind: str,
    value: dict[str, Any],
    by: str,
    now: datetime,
    why: str = "",
) -> None:
    origin = next(iter(read_origins(session, [entry])[entry.id]), None)
    subject = _find_subject(session, *origin) if origin else None
    if subject is not None:
        session.add(
            Decision(
                clinic_id=entry.clinic_id,
                subject_kind=subject[0],
                subject_key=subject[1],
                kind=kind,
                value={"entry": entry.id, **value},
                made_at=now,
                made_by=by,
                why=why,
            )
        )


def _find_subject(session: Session, kind: str, subject_id: int) -> tuple[str, str] | None:
    """What decisions about a call or a window are filed under."""
    if kind == "call":
        call = session.get(Call, subject_id)
        return ("call", call.call_uuid) if call else None
    window = session.get(Transcript, subject_id)
    if window is None:
        return None
    conversation = session.get_one(Conversation, window.conversation_id)
    return "conversation", conversation.conversation_key
