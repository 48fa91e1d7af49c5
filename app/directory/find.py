"""What the directory has on a number or a name, for who asks. Reads only."""

import re
from contextlib import closing
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Client, ClientNumber, Clinic
from ..numbers import read_number
from .match import match_number
from .names import words_of
from .rulings import read_key

AT_ONCE = 2000
"""Clients that are read in one go, of those that are looked at more closely."""


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


def search_clients(
    session: Session, clinic_id: int, wanted: str, limit: int
) -> list[dict[str, Any]]:
    """Clients of whose name, or whose animals' names, each word of `wanted` begins a word, whatever
    the case and accents; described as above, by name, `limit` at most."""
    words = words_of(wanted)
    if not words:
        return []
    looked_in = Client.name + " " + sa.cast(Client.patients, sa.Text)
    query = sa.select(Client.external_id, Client.name, Client.patients).where(
        Client.clinic_id == clinic_id,
        Client.deleted_at.is_(None),
        *(looked_in.ilike(f"%{_loosely(word)}%", escape="\\") for word in words),
    )
    query = query.order_by(Client.name, Client.external_id)
    # A word of letters that may bear accents leaves nearly all of a clinic's to be looked at.
    with closing(session.execute(query.execution_options(yield_per=AT_ONCE))) as rows:
        fitting = (row.external_id for row in rows if _fits(words, [row.name, *row.patients]))
        found = list(islice(fitting, limit))
    return [_described(session, clinic_id, external_id) for external_id in found]


def _fits(words: list[str], names: list[str]) -> bool:
    known = words_of(" ".join(names))
    return all(any(each.startswith(word) for each in known) for word in words)


def _loosely(word: str) -> str:
    """A pattern for a word whose letters may bear accents; what it finds too much is left out."""
    return re.sub(r"[^bfhjkmpqvwx0-9]", "_", word)


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
