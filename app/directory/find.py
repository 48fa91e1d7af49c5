"""What the directory has on one number, for a person or a program that asks. Reads only."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Client, ClientNumber, Clinic
from ..numbers import read_number
from .match import match_number
from .rulings import read_key


def find_number(session: Session, clinic: Clinic, number: str, now: datetime) -> dict[str, Any]:
    """Whom `number` (in any format) belongs to, and why.

    `number` (E.164), `kind`, `client` and `rule` as a call would be matched now, and `clients`: the
    one or those to choose among, with `id`, `name`, `patients` and `numbers`. Raises InputError if
    it is no number.
    """
    key = read_key(session, clinic.id, number)
    decided = match_number(session, clinic.id, key, read_number(key, clinic.region).national, now)
    ids = [each for each in (decided.client, *decided.candidates) if each]
    return {
        "number": key,
        "kind": decided.kind,
        "client": decided.client,
        "rule": decided.rule,
        "clients": [_described(session, clinic.id, external_id) for external_id in ids],
    }


def _described(session: Session, clinic_id: int, external_id: str) -> dict[str, Any]:
    client = session.scalars(
        sa.select(Client).where(Client.clinic_id == clinic_id, Client.external_id == external_id)
    ).first()
    if client is None:
        return {"id": external_id, "name": "", "patients": [], "numbers": []}
    numbers = session.execute(
        sa.select(ClientNumber.number, ClientNumber.label)
        .where(ClientNumber.client_id == client.id)
        .order_by(ClientNumber.id)
    )
    return {
        "id": external_id,
        "name": client.name,
        "patients": list(client.patients),
        "numbers": [{"number": row.number, "label": row.label} for row in numbers],
    }
