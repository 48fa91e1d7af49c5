"""`/clinics`: the clinics that a token is for."""

from datetime import datetime

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from ...access.identity import ANY_SCOPE
from ...ledger.rows import of_clinics
from ...models import Clinic as Row
from ..access import who
from .answers import Answer, Page
from .operations import operation
from .paging import read_page
from .queries import ById, PageQuery
from .reach import get_clinic as get_row


class Clinic(Answer):
    """One customer of the phone system."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["Oak Street Vets"])
    container_id: str = Field(
        description="The phone system's containerId of it.", examples=["123456"]
    )
    tenant_id: str = Field(
        description="Its tenantId there; empty for the default tenant.", examples=[""]
    )
    timezone: str = Field(description="IANA name.", examples=["America/New_York"])
    region: str = Field(
        description="ISO 3166 code of the country by which its numbers are read.", examples=["US"]
    )
    created_at: datetime = Field(examples=["2026-11-01T15:00:00Z"])


class ClinicPage(Page[Clinic]):
    """A page of clinics."""


@operation("/clinics", ANY_SCOPE)
def list_clinics(session: Session, query: PageQuery) -> ClinicPage:
    """List the clinics that are the token's."""
    ids, cursor = read_page(session, query, Row.id, of_clinics(Row.id, who().clinics))
    rows = session.scalars(sa.select(Row).where(Row.id.in_(ids)).order_by(Row.id.desc()))
    return ClinicPage(items=[_told(row) for row in rows], next_cursor=cursor)


@operation("/clinics/{id}", ANY_SCOPE)
def get_clinic(session: Session, query: ById) -> Clinic:
    """Get one clinic."""
    return _told(get_row(session, query.id))


def _told(row: Row) -> Clinic:
    return Clinic(**{name: getattr(row, name) for name in Clinic.model_fields})
