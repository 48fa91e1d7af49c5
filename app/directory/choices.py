"""What people say a number is: kept as a rule and as a decision, and acted on at once.

Called by the commands and the console.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..errors import InputError
from ..models import Call, Clinic, Match, NumberRule
from .match import read_matching
from .moving import Moved, Said, Subject, decide_anew, keep_decisions, read_subjects
from .ownership import Decided
from .rulings import is_in_force, keep_rule, note_decision, read_key, require_client
from .waiting import WAITING, mark_waiting


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was kept: the number as Ringnote reads it, how much that waited is now due, and how much
    that was written elsewhere is moved, or cannot be any more."""

    number: str
    client: str
    now_due: int = 0
    moved: int = 0
    frozen: int = 0
    expires_at: datetime | None = None


def map_number(
    session: Session,
    db: Database,
    clinic_id: int,
    number: str,
    client_external_id: str,
    by: str,
    why: str,
    now: datetime,
    *,
    must_exist: bool = True,
    move: bool = False,
) -> Chosen:
    """Say that `number` (in any format) is this client's; replaces what was said of it before.

    With `move`, what was written to others because of this number is moved to the client. Raises
    InputError if it is no number, or, with `must_exist`, if the directory does not know the
    client. Does not commit.
    """
    key = read_key(session, clinic_id, number)
    if must_exist:
        require_client(session, clinic_id, client_external_id)
    said = Said(by, why, now)
    keep_rule(session, clinic_id, key, "map", client_external_id, said)
    moved = Moved()
    if move:
        moved = _decide_anew(session, db, clinic_id, said, Match.number == key, _is_decided())
    return _chosen(session, db, clinic_id, key, client_external_id, moved)


def ignore_number(
    session: Session, db: Database, clinic_id: int, number: str, by: str, why: str, now: datetime
) -> Chosen:
    """Say that nothing is to be written for `number`; replaces what was said of it before.

    Raises InputError if it is no number. Does not commit.
    """
    key = read_key(session, clinic_id, number)
    keep_rule(session, clinic_id, key, "ignore", "", Said(by, why, now))
    return _chosen(session, db, clinic_id, key, "", Moved())


def deny_client(
    session: Session,
    db: Database,
    clinic_id: int,
    number: str,
    client: str,
    by: str,
    why: str,
    now: datetime,
    *,
    move: bool = False,
) -> Chosen:
    """Say that `number` is not this client's, whatever the PMS has.

    With `move`, what was written to the client because of this number goes where it belongs now.
    Raises InputError if it is no number or no client. Does not commit.
    """
    key = read_key(session, clinic_id, number)
    require_client(session, clinic_id, client)
    said = Said(by, why, now)
    keep_rule(session, clinic_id, key, "not", client, said)
    moved = Moved()
    if move:
        theirs = [Match.number == key, _is_decided()]
        moved = _decide_anew(session, db, clinic_id, said, *theirs)
    return _chosen(session, db, clinic_id, key, client, moved)


def pick_client(
    session: Session,
    db: Database,
    clinic_id: int,
    number: str,
    client: str,
    by: str,
    why: str,
    now: datetime,
    *,
    call_uuid: str = "",
) -> Chosen:
    """Say who it was this time: of what waits on `number`, or of this one call, decided or not.

    It is remembered for the next call for as long as the policy says, unless picks differ. Raises
    InputError if it is no number or no client, or if there is nothing to decide. No commit.
    """
    key = read_key(session, clinic_id, number)
    require_client(session, clinic_id, client)
    said = Said(by, why, now)
    subjects = read_subjects(session, clinic_id, Match.number == key, _waits_or_is(call_uuid))
    if not subjects:
        raise InputError(
            f"No call {call_uuid!r} is of that number."
            if call_uuid
            else "Nothing waits on that number; to say of one call who it was, name it as well."
        )
    days = read_matching(session, clinic_id).remember_days
    expires_at = now + timedelta(days=days)
    waited = sum(each.match.kind in WAITING for each in subjects if not each.is_frozen)
    rule = keep_rule(session, clinic_id, key, "pick", client, said, expires_at)
    words = f"picked by {by}: {why}" if why else f"picked by {by}"
    decided = Decided("client", client, rule=words, by_rule=rule.id)
    decisions: list[tuple[Subject, Decided]] = [(each, decided) for each in subjects]
    moved = keep_decisions(session, db, clinic_id, decisions, "pick", said)
    return Chosen(key, client, waited, moved.moved - waited, moved.frozen, expires_at)


def forget_number(
    session: Session,
    db: Database,
    clinic_id: int,
    number: str,
    by: str,
    why: str,
    now: datetime,
    *,
    client: str = "",
    kind: str = "",
) -> Chosen:
    """Take back what was said of `number`: all of it, or only that of a client or of a kind.

    What was decided by it is decided anew, so that what was written moves. Raises InputError if
    nothing such was said. Does not commit.
    """
    key = read_key(session, clinic_id, number)
    said = Said(by, why, now)
    conditions = [NumberRule.clinic_id == clinic_id, NumberRule.number == key]
    conditions += [NumberRule.client == client] if client else []
    conditions += [NumberRule.kind == kind] if kind else []
    revoked = session.scalars(
        sa.update(NumberRule)
        .where(*conditions, is_in_force(now))
        .values(revoked_at=now)
        .returning(NumberRule.id)
        .execution_options(synchronize_session=False)
    ).all()
    if not revoked:
        raise InputError(
            f"Nothing such was said of {key}; to see what was: ringnote numbers rules CLINIC"
        )
    note_decision(session, clinic_id, key, "forget", client, said)
    moved = _decide_anew(session, db, clinic_id, said, Match.number_rule_id.in_(revoked))
    return _chosen(session, db, clinic_id, key, client, moved)


def _is_decided() -> sa.ColumnElement[bool]:
    return Match.kind == "client"


def _waits_or_is(call_uuid: str) -> sa.ColumnElement[bool]:
    if not call_uuid:
        return Match.kind.in_(WAITING)
    calls = sa.select(Call.id).where(Call.call_uuid == call_uuid)
    return sa.and_(Match.subject_kind == "call", Match.subject_id.in_(calls))


def _decide_anew(
    session: Session,
    db: Database,
    clinic_id: int,
    said: Said,
    *conditions: sa.ColumnElement[bool],
) -> Moved:
    clinic = session.get_one(Clinic, clinic_id)
    subjects = read_subjects(session, clinic_id, *conditions)
    return decide_anew(session, db, clinic, subjects, said)


def _chosen(
    session: Session, db: Database, clinic_id: int, key: str, client: str, moved: Moved
) -> Chosen:
    now_due = mark_waiting(session, db, clinic_id, [key]) - moved.now_wait
    return Chosen(key, client, now_due, moved.moved, moved.frozen)
