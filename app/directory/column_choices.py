"""Which columns of its client lists a clinic's people named: remembered for the next list.

Called by the commands and the console, around an import.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..errors import InputError
from ..models import ColumnChoice
from .csv_columns import PARTS

Choice = dict[str, list[str]]
"""Headings by what they hold; an empty list says that no column does."""
SAID_AS = {"phone": "phones", "patient": "patients", "pet": "patients", "pets": "patients"} | {
    "first_name": "first",
    "last_name": "last",
}


def read_choice(named: Iterable[str]) -> Choice:
    """What a person named, each `WHAT=HEADING`; `WHAT=` for none. Raises InputError."""
    choice: Choice = {}
    for each in named:
        what, sign, heading = (part.strip() for part in each.partition("="))
        what = SAID_AS.get(what.lower(), what.lower())
        if not sign or what not in PARTS:
            raise InputError(
                f"{each!r} names no column: write WHAT=HEADING, with one of id, name, first, last,"
                ' phone and patients for WHAT, such as phone="Mobile No".'
            )
        choice.setdefault(what, [])
        choice[what] += [heading] if heading else []
    for what in ("id", "name", "first", "last"):
        if len(choice.get(what, [])) > 1:
            raise InputError(f"Only one column can be {what}.")
    return choice


def recall_choice(session: Session, clinic_id: int, headings: Sequence[str]) -> Choice:
    """What was named before, as far as this list has such columns."""
    known = session.get(ColumnChoice, clinic_id)
    has = {heading.strip().lower() for heading in headings}
    return {
        what: named
        for what, named in (known.columns if known else {}).items()
        if all(heading.lower() in has for heading in named)
    }


def keep_choice(
    session: Session,
    db: Database,
    clinic_id: int,
    choice: Mapping[str, Sequence[str]],
    by: str,
    now: datetime,
) -> None:
    """Remember what was named, in place of what was before. Does not commit."""
    if not choice:
        session.execute(sa.delete(ColumnChoice).where(ColumnChoice.clinic_id == clinic_id))
        return
    insert = db.insert(ColumnChoice).values(
        clinic_id=clinic_id,
        columns={what: list(named) for what, named in choice.items()},
        chosen_at=now,
        chosen_by=by,
    )
    columns = ("columns", "chosen_at", "chosen_by")
    session.execute(
        insert.on_conflict_do_update(
            index_elements=[ColumnChoice.clinic_id],
            set_={name: insert.excluded[name] for name in columns},
        )
    )
