"""`/clients` and `/lookup`: the directory, and whose a number is."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import current_app
from pydantic import Field
from sqlalchemy.orm import Session

from ...access.identity import Scope
from ...directory.find import find_number
from ...errors import InputError
from ...ledger.entries import tell_clinic
from ...ledger.rows import of_clinics, read_clinics
from ...models import Client as Row
from ...models import ClientNumber, Clinic
from ...numbers import NumberKind, read_number
from ...runtime import Runtime
from .answers import Answer, ClinicName, MatchKind, Page
from .operations import operation
from .paging import read_page
from .queries import ById, ClinicPageQuery, Id, Moment, Query, Text
from .reach import clinics_of, get_clinic, get_row


class Number(Answer):
    """A client's phone number."""

    number: str = Field(description="E.164.", examples=["+12125550142"])
    label: str = Field(description="As the PMS has it; may be empty.", examples=["Mobile"])


class Client(Answer):
    """A person on a clinic's PMS."""

    id: int = Field(description="Ringnote's own id.", examples=[40])
    clinic: ClinicName
    client: str = Field(
        description="The PMS's id, by which matches and entries name clients.", examples=["C1042"]
    )
    name: str = Field(examples=["Jane Doe"])
    patients: list[str] = Field(
        description="The client's animals, by name.", examples=[["Rex", "Mia"]]
    )
    numbers: list[Number]
    source: str = Field(
        description="How it got into the directory: import, sync or lookup.", examples=["sync"]
    )
    updated_at: datetime = Field(examples=["2026-11-20T08:00:00Z"])
    deleted_at: datetime | None = Field(
        description="When it was found to be deleted or merged in the PMS.", examples=[None]
    )
    merged_into: str | None = Field(
        description="The PMS's id of the client that it was merged into.", examples=[None]
    )


class ClientPage(Page[Client]):
    """A page of clients."""


class ClientsQuery(ClinicPageQuery):
    """A page of clients."""

    client: Text | None = Field(
        None, description="Only those with this id at their PMS.", examples=["C1042"]
    )
    updated_since: Moment | None = Field(None, description="Only those changed then or later.")


class Candidate(Answer):
    """A client who has a number."""

    client: str = Field(description="The PMS's id.", examples=["C1042"])
    name: str = Field(examples=["Jane Doe"])
    patients: list[str] = Field(examples=[["Rex", "Mia"]])
    numbers: list[Number]


class Found(Answer):
    """Whose a number is."""

    clinic: ClinicName
    number: str | None = Field(
        description="The number in E.164; null for what is none.", examples=["+12125550142"]
    )
    kind: MatchKind = Field(examples=["client"])
    client: str | None = Field(
        description="The PMS's id of the client, where `kind` is client.", examples=["C1042"]
    )
    rule: str = Field(
        description="What decides, in words.", examples=["one client has this number"]
    )
    clients: list[Candidate] = Field(description="The one, or those to choose among.")


class LookupQuery(Query):
    """A number at a clinic."""

    clinic: Id = Field(description="The clinic's id.")
    number: Text = Field(
        description="As people of the clinic's region write it, or with + (sent as %2B) and the"
        " country code.",
        examples=["212-555-0142"],
    )


@operation("/clients", Scope.CLIENTS)
def list_clients(session: Session, query: ClientsQuery) -> ClientPage:
    """List clients.

    Deleted and merged ones too, so that who keeps a copy hears of it.
    """
    conditions = [of_clinics(Row.clinic_id, clinics_of(session, query.clinic))]
    if query.client is not None:
        conditions.append(Row.external_id == query.client)
    if query.updated_since is not None:
        conditions.append(Row.updated_at >= query.updated_since)
    ids, cursor = read_page(session, query, Row.id, *conditions)
    rows = session.scalars(sa.select(Row).where(Row.id.in_(ids)).order_by(Row.id.desc())).all()
    return ClientPage(items=_tell(session, rows), next_cursor=cursor)


@operation("/clients/{id}", Scope.CLIENTS)
def get_client(session: Session, query: ById) -> Client:
    """Get one client."""
    [client] = _tell(session, [get_row(session, Row, query.id)])
    return client


@operation("/lookup", Scope.CLIENTS)
def look_up_number(session: Session, query: LookupQuery) -> Found:
    """Look up whose a number is, as a call from it would be matched now.

    By the directory alone: the PMS is not asked, and nothing is written.
    """
    return find(session, get_clinic(session, query.clinic), query.number)


def find(session: Session, clinic: Clinic, number: str) -> Found:
    """Whose a number, in any format, is at a clinic."""
    runtime: Runtime = current_app.extensions["ringnote"]
    read = read_number(number, clinic.region)
    try:
        found = find_number(session, clinic, number, runtime.clock())
    except InputError as error:
        # What is no number is nobody's, which is an answer.
        kind = "withheld" if read.kind is NumberKind.WITHHELD else "none"
        found = {"kind": kind, "client": "", "rule": str(error), "clients": []}
    return Found(
        clinic=ClinicName(**tell_clinic(clinic)),
        number=read.e164 or None,
        kind=found["kind"],
        client=found["client"] or None,
        rule=found["rule"],
        clients=[_candidate(each) for each in found["clients"]],
    )


def _candidate(told: dict[str, Any]) -> Candidate:
    return Candidate(
        client=told["id"],
        name=told["name"],
        patients=told["patients"],
        numbers=[Number(**each) for each in told["numbers"]],
    )


def _tell(session: Session, rows: Sequence[Row]) -> list[Client]:
    clinics = read_clinics(session, (row.clinic_id for row in rows))
    numbers: dict[int, list[Number]] = defaultdict(list)
    theirs = ClientNumber.client_id.in_([row.id for row in rows])
    for each in session.scalars(sa.select(ClientNumber).where(theirs).order_by(ClientNumber.id)):
        numbers[each.client_id].append(Number(number=each.number, label=each.label))
    names = ("id", "name", "patients", "source", "updated_at", "deleted_at", "merged_into")
    return [
        Client(
            **{name: getattr(row, name) for name in names},
            clinic=ClinicName(**tell_clinic(clinics[row.clinic_id])),
            client=row.external_id,
            numbers=numbers[row.id],
        )
        for row in rows
    ]
