"""What was said of numbers: the rules in force, kept, taken back and listed. Choices call it."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..errors import InputError
from ..models import Client, Clinic, Decision, Match, NumberRule
from ..numbers import NumberKind, read_number
from .accounts import read_foreign_times
from .moving import Said


def list_rules(session: Session, clinic_id: int, now: datetime) -> list[dict[str, Any]]:
    """What is said of the clinic's numbers and in force, by number, the newest first.

    Each is `number`, `kind` ('map', 'not', 'ignore' or 'pick'), `client` and its `name`, `by`,
    `why`, `at`, `expires_at`, None for what stands until it is taken back, and `has_effect`: not
    where it names a client of a former PMS account.
    """
    foreign = read_foreign_times(session, clinic_id)
    rows = session.execute(
        sa.select(NumberRule, Client.name)
        .outerjoin(
            Client,
            sa.and_(
                Client.clinic_id == NumberRule.clinic_id, Client.external_id == NumberRule.client
            ),
        )
        .where(NumberRule.clinic_id == clinic_id, is_in_force(now))
        .order_by(NumberRule.number, NumberRule.made_at.desc(), NumberRule.id.desc())
    )
    return [
        {
            "number": rule.number,
            "kind": rule.kind,
            "client": rule.client,
            "name": (name or "") if has_effect else "",
            "by": rule.made_by,
            "why": rule.why,
            "at": rule.made_at,
            "expires_at": rule.expires_at,
            "has_effect": has_effect,
        }
        for rule, name in rows
        for has_effect in [rule.kind == "ignore" or not foreign.hold(rule.made_at)]
    ]


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


def require_client(session: Session, clinic_id: int, external_id: str) -> None:
    """Raise InputError unless the directory knows this client of the PMS account in use, merged or
    living."""
    client = session.scalars(
        sa.select(Client).where(Client.clinic_id == clinic_id, Client.external_id == external_id)
    ).first()
    if client is None:
        raise InputError(
            f"The directory knows no client {external_id!r}. Give the id by which the PMS knows the"
            " client; one who is new there is known here once the clients are synced or imported."
        )
    if client.deleted_at is not None and not client.merged_into:
        raise InputError(f"The client {external_id!r} was deleted in the PMS.")
    if read_foreign_times(session, clinic_id).hold_client(client):
        raise InputError(
            f"The client {external_id!r} is known of a former PMS account alone; name one of the"
            " account in use, once its clients are in: ringnote clients sync CLINIC"
        )


def is_in_force(now: datetime) -> sa.ColumnElement[bool]:
    """That a rule was neither taken back nor has expired."""
    lasts = sa.or_(NumberRule.expires_at.is_(None), NumberRule.expires_at > now)
    return sa.and_(NumberRule.revoked_at.is_(None), lasts)


def keep_rule(
    session: Session,
    clinic_id: int,
    number: str,
    kind: str,
    client: str,
    said: Said,
    expires_at: datetime | None = None,
) -> NumberRule:
    """Keep what was said, as a rule in place of what it outdates and as a decision. No commit."""
    same_client = NumberRule.client == client
    outdated = sa.and_(NumberRule.kind.in_(("pick", "not")), same_client)
    if kind in ("map", "ignore"):
        outdated = sa.or_(NumberRule.kind.in_(("map", "ignore", "pick")), outdated)
    elif kind == "not":
        outdated = sa.or_(sa.and_(NumberRule.kind.in_(("map",)), same_client), outdated)
    session.execute(
        sa.update(NumberRule)
        .where(
            NumberRule.clinic_id == clinic_id,
            NumberRule.number == number,
            NumberRule.revoked_at.is_(None),
            outdated,
        )
        .values(revoked_at=said.now)
    )
    rule = NumberRule(
        clinic_id=clinic_id,
        number=number,
        kind=kind,
        client=client,
        why=said.why,
        made_by=said.by,
        made_at=said.now,
        expires_at=expires_at,
    )
    session.add(rule)
    note_decision(session, clinic_id, number, kind, client, said)
    return rule


def note_decision(
    session: Session, clinic_id: int, number: str, kind: str, client: str, said: Said
) -> None:
    """Append what was decided of a number. Does not commit."""
    session.add(
        Decision(
            clinic_id=clinic_id,
            subject_kind="number",
            subject_key=number,
            kind=kind,
            value={"client": client} if client else {},
            made_at=said.now,
            made_by=said.by,
            why=said.why,
        )
    )
    session.flush()
