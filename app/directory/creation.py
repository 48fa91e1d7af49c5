"""Clients that are made in the PMS of callers whom nobody knows: queued by settling, once a number.

A creation is a step of a look-up: the PMS is always asked for the number first, so that a try
whose answer was lost is found before another is made. `lookup` answers both.
"""

import secrets

import phonenumbers
import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..models import Lookup
from .names import is_name


def queue_creation(
    session: Session, db: Database, clinic_id: int, number: str, name: str
) -> str | None:
    """Have a client of this name made, unless one was, or is being made. Does not commit.

    Returns why the PMS would not have it, where it was tried before.
    """
    insert = db.insert(Lookup).values(
        clinic_id=clinic_id,
        number=number,
        due_at=db.now(),
        failures=0,
        creates_as=name,
        create_key="rn-client-" + secrets.token_hex(12),
    )
    session.execute(
        insert.on_conflict_do_update(
            index_elements=[Lookup.clinic_id, Lookup.number],
            set_={
                "due_at": insert.excluded.due_at,
                "failures": 0,
                "creates_as": insert.excluded.creates_as,
                "create_key": insert.excluded.create_key,
            },
            where=sa.and_(Lookup.create_key.is_(None), Lookup.due_at.is_(None)),
        )
    )
    kept = sa.select(Lookup.refusal).where(Lookup.clinic_id == clinic_id, Lookup.number == number)
    return session.scalars(kept).first()


def name_client(caller_name: str, number: str, region: str) -> str:
    """What such a client is called: as the network showed it, else by the number."""
    if is_name(caller_name):
        return " ".join(caller_name.split()).title()
    parsed = phonenumbers.parse(number)
    is_home = phonenumbers.country_code_for_region(region) == parsed.country_code
    style = phonenumbers.PhoneNumberFormat
    shown = phonenumbers.format_number(parsed, style.NATIONAL if is_home else style.INTERNATIONAL)
    return f"Unknown caller {shown}"
