"""`/clinics/{id}/lookup`: who is calling, for the screen that shows it while the phone rings."""

from datetime import datetime

from pydantic import Field
from sqlalchemy.orm import Session

from ...access.identity import Scope
from ...ledger.caller import find_open_callback, tell_last_calls
from ..access import who
from .answers import Answer
from .clients import Found, find
from .operations import operation
from .queries import ById, Text
from .reach import get_clinic


class LastCall(Answer):
    """A call that the clinic had with the number or its client."""

    id: int = Field(description="As in `/calls/{id}`.", examples=[12])
    call_uuid: str = Field(examples=["8f14e45f"])
    direction: str = Field(examples=["inbound"])
    outcome: str = Field(examples=["missed"])
    title: str = Field(examples=["Missed call"])
    started_at: datetime = Field(examples=["2026-11-24T14:00:00Z"])
    number: str = Field(description="E.164.", examples=["+12125550142"])


class OpenCallback(Answer):
    """That somebody is still to call this person back."""

    number: str = Field(description="The number to call.", examples=["+12125550142"])
    state: str = Field(description="How far it has got.", examples=["open"])
    opened_at: datetime = Field(examples=["2026-11-24T14:00:00Z"])
    calls: int = Field(description="How many calls ask for it.", examples=[2])


class Caller(Found):
    """Whose a number is, with what was before."""

    calls: list[LastCall] | None = Field(
        description="The last five with the number or the client, the latest first; null to a"
        " token without `calls:read`."
    )
    callback: OpenCallback | None = Field(
        description="The open one of the number or of one of the client's; null if there is none,"
        " and to a token without `calls:read`."
    )


class CallerQuery(ById):
    """A number at a clinic."""

    number: Text = Field(
        description="As people of the clinic's region write it, or with + (sent as %2B) and the"
        " country code.",
        examples=["212-555-0142"],
    )


@operation("/clinics/{id}/lookup", Scope.CLIENTS, is_limited=True)
def look_up_caller(session: Session, query: CallerQuery) -> Caller:
    """Look up who is calling: the client, their last calls, and whether they wait for a call back.

    For a screen that shows it while the phone rings. By the directory alone: the PMS is not asked,
    and nothing is written. A token may ask it 50 times a second.
    """
    clinic = get_clinic(session, query.id)
    found = find(session, clinic, query.number)
    calls = callback = None
    if who().may(Scope.CALLS) and found.number:
        told = tell_last_calls(session, clinic.id, found.number, found.client or "")
        calls = [LastCall(**each) for each in told]
        numbers = {found.number}
        if found.client:
            numbers |= {number.number for each in found.clients[:1] for number in each.numbers}
        waits = find_open_callback(session, clinic.id, numbers)
        callback = OpenCallback(**waits) if waits else None
    elif who().may(Scope.CALLS):
        calls = []
    return Caller(**dict(found), calls=calls, callback=callback)
