"""What a token reaches: nothing of a clinic that is not its own, as if it were not there."""

from typing import TypeVar

from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from ...ledger.rows import Clinics
from ...models import Call, Client, Clinic, Conversation, Entry
from ..access import who

Row = TypeVar("Row", Call, Conversation, Entry, Client)


def get_clinic(session: Session, clinic_id: int) -> Clinic:
    """The clinic of this id. Raises NotFound if there is none that is the token's."""
    clinic = session.get(Clinic, clinic_id) if who().has_clinic(clinic_id) else None
    if clinic is None:
        raise NotFound("This token knows no such clinic; GET /clinics lists those that it does.")
    return clinic


def clinics_of(session: Session, clinic_id: int | None) -> Clinics:
    """The clinics to tell of: the one that is asked for, else all that are the token's.

    Raises NotFound as get_clinic does.
    """
    return who().clinics if clinic_id is None else {get_clinic(session, clinic_id).id}


def get_row(session: Session, kind: type[Row], row_id: int) -> Row:
    """The row of this id. Raises NotFound if there is none, or it is of another's clinic."""
    row = session.get(kind, row_id)
    if row is None or not who().has_clinic(row.clinic_id):
        raise NotFound("Nothing has this id; the listings tell those that there are.")
    return row
