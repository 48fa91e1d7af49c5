"""What people say a number is: kept as a rule and as a decision, and acted on at once.

Called by the commands and the console.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..errors import InputError
from ..models import Client, Clinic, Decision, Match, NumberRule
from ..numbers import NumberKind, read_number
from .waiting import mark_waiting


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was kept: the number as Ringnote reads it, and how much that waited is now due."""

    number: str
    client: str
    now_due: int


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
) -> Chosen:
    """Say that `number` (in any format) is this client's; replaces what was said of it before.

    Raises InputError if it is no number, or, with `must_exist`, if the directory does not know the
    client. Does not commit.
    """
    key = read_key(session, clinic_id, number)
    if must_exist:
        _require_client(session, clinic_id, client_external_id)
    return _keep(session, db, clinic_id, key, "map", client_external_id, by, why, now)


def ignore_number(
    session: Session, db: Database, clinic_id: int, number: str, by: str, why: str, now: datetime
) -> Chosen:
    """Say that nothing is to be written for `number`; replaces what was said of it before.

    Raises InputError if it is no number. Does not commit.
    """
    key = read_key(session, clinic_id, number)
    return _keep(session, db, clinic_id, key, "ignore", "", by, why, now)


def read_key(session: Session, clinic_id: int, number: str) -> str:
    """What a number in any format is filed under: E.164, else as the phone system sent it.

    Raises InputError if it is neither a number nor anything that waits.
    """
    region = session.scalars(sa.select(Clinic.region).where(Clinic.id == clinic_id)).one()
    read = read_number(number, region)
    if read.kind is NumberKind.PHONE:
        return read.e164
    if read.kind is NumberKind.WITHHELD:
        raise InputError("A withheld number is nobody's in particular: it can't be filed.")
    key = number.strip()
    waits = sa.select(Match.id).where(Match.clinic_id == clinic_id, Match.number == key).limit(1)
    if read.kind is NumberKind.UNREADABLE and session.scalars(waits).first() is None:
        raise InputError(
            f"That is no phone number of the region {region}; write it as people do there,"
            " or with + and the country code."
        )
    return key


def _require_client(session: Session, clinic_id: int, external_id: str) -> None:
    client = session.scalars(
        sa.select(Client).where(Client.clinic_id == clinic_id, Client.external_id == external_id)
    ).first()
    if client is None:
        raise InputError(
            f"The directory knows no client {external_id!r}; CLIENT is the PMS's own id."
            " Import or sync the clients first, or find the id with: ringnote clients find"
        )
    if client.deleted_at is not None and not client.merged_into:
        raise InputError(f"The client {external_id!r} was deleted in the PMS.")


def _keep(
    session: Session,
    db: Database,
    clinic_id: int,
    number: str,
    kind: str,
    client: str,
    by: str,
    why: str,
    now: datetime,
) -> Chosen:
    outdated = sa.or_(
        NumberRule.kind.in_(("map", "ignore")),
        sa.and_(NumberRule.kind == "not", NumberRule.client == client),
    )
    session.execute(
        sa.update(NumberRule)
        .where(
            NumberRule.clinic_id == clinic_id,
            NumberRule.number == number,
            NumberRule.revoked_at.is_(None),
            outdated,
        )
        .values(revoked_at=now)
    )
    session.add(
        NumberRule(
            clinic_id=clinic_id,
            number=number,
            kind=kind,
            client=client,
            why=why,
            made_by=by,
            made_at=now,
        )
    )
    session.add(
        Decision(
            clinic_id=clinic_id,
            subject_kind="number",
            subject_key=number,
            kind=kind,
            value={"client": client} if client else {},
            made_at=now,
            made_by=by,
            why=why,
        )
    )
    session.flush()
    return Chosen(number, client, mark_waiting(session, db, clinic_id, [number]))
