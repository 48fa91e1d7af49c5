"""`/calls`: each call with whose it is and what became of it."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from ...access.identity import Scope
from ...ledger.listings import tell_calls
from ...ledger.rows import of_clinics
from ...ledger.trace import tell_call
from ...models import Call as Row
from ...telephony.summaries import Direction, Outcome
from .answers import (
    Answer,
    ClinicName,
    Disposition,
    EntryName,
    Match,
    Page,
    entries_of,
    match_of,
)
from .operations import operation
from .paging import read_page
from .queries import ById, ClinicPageQuery, Moment, Phone
from .reach import clinics_of, get_row


class Call(Answer):
    """All that is known of one callUuid; used anew after 24 hours, it is another call."""

    id: int = Field(examples=[12])
    clinic: ClinicName
    call_uuid: str = Field(description="The phone system's.", examples=["8f14e45f"])
    ordinal: int = Field(
        description="Which use of the callUuid it is, counted from 1.", examples=[1]
    )
    direction: Direction = Field(examples=["inbound"])
    outcome: Outcome = Field(
        description="`unknown` until its end is reported; `placed` of outbound calls, of which no"
        " end ever is.",
        examples=["answered"],
    )
    title: str = Field(examples=["Incoming call answered by Amy (101)"])
    started_at: datetime = Field(examples=["2026-11-24T09:00:00Z"])
    number: str | None = Field(
        description="The other party in E.164; null where there is none to tell.",
        examples=["+12125550142"],
    )
    caller_name: str = Field(
        description="As the phone network told it; may be empty.", examples=["DOE JANE"]
    )
    line: str = Field(
        description="The clinic's line: its name, else its number; may be empty.",
        examples=["Main"],
    )
    match: Match | None = Field(description="Null until it is settled, and where none is asked.")
    disposition: Disposition = Field(
        description="Of its entries' states the least finished; `open` until it is settled,"
        " `filtered` if nothing is written.",
        examples=["synced"],
    )
    standing: str = Field(description="The disposition in words.", examples=["written"])
    filtered_by: str | None = Field(
        description="The rule by which nothing is written.", examples=[None]
    )
    entries: list[EntryName] = Field(description="Its note, and the task that it asks for.")


class CallPage(Page[Call]):
    """A page of calls."""


class CallEvent(Answer):
    """A webhook that told of the call."""

    id: str = Field(examples=["01KAVT6M9C3V1E2D4Q5R6S7T8V"])
    received_at: datetime = Field(examples=["2026-11-24T09:00:00Z"])
    type: str | None = Field(description="The eventType.", examples=["HangupCall"])
    changed: list[str] = Field(
        description="What it changed, in words.", examples=[["outcome: missed"]]
    )


class WholeCall(Call):
    """A call with what its outcome rests on."""

    ended_at: datetime | None = Field(examples=["2026-11-24T09:03:10Z"])
    waited_seconds: int | None = Field(
        description="About how long the caller waited.", examples=[12]
    )
    talked_seconds: int | None = Field(description="About how long they talked.", examples=[178])
    evidence: list[str] = Field(
        description="What the outcome rests on.", examples=[["an extension answered"]]
    )
    missing: list[str] = Field(
        description="What the phone system should have reported and did not.", examples=[[]]
    )
    purged_at: datetime | None = Field(
        description="When its webhooks were purged by their age: it stays as it is.",
        examples=[None],
    )
    events: list[CallEvent] = Field(description="In order of receipt; none once they were purged.")


class CallsQuery(ClinicPageQuery):
    """A page of calls."""

    since: Moment | None = Field(None, description="Only those that started then or later.")
    until: Moment | None = Field(None, description="Only those that started before then.")
    outcome: Outcome | None = Field(None, description="Only those.", examples=["missed"])
    number: Phone | None = Field(None, description="Only those with this other party, in E.164.")


@operation("/calls", Scope.CALLS)
def list_calls(session: Session, query: CallsQuery) -> CallPage:
    """List calls.

    The newest known first: a call told late stands by when it was told.
    """
    conditions = [of_clinics(Row.clinic_id, clinics_of(session, query.clinic))]
    if query.since is not None:
        conditions.append(Row.started_at >= query.since)
    if query.until is not None:
        conditions.append(Row.started_at < query.until)
    if query.outcome is not None:
        conditions.append(Row.outcome == query.outcome.value)
    if query.number is not None:
        conditions.append(Row.number == query.number)
    ids, cursor = read_page(session, query, Row.id, *conditions)
    rows = session.scalars(sa.select(Row).where(Row.id.in_(ids)).order_by(Row.id.desc())).all()
    told = tell_calls(session, rows)
    calls = [Call(**_told(row, each)) for row, each in zip(rows, told, strict=True)]
    return CallPage(items=calls, next_cursor=cursor)


@operation("/calls/{id}", Scope.CALLS)
def get_call(session: Session, query: ById) -> WholeCall:
    """Get one call, with what its outcome rests on and the webhooks that told of it."""
    row = get_row(session, Row, query.id)
    stories = tell_call(session, row.call_uuid, {row.clinic_id})
    story = next(each for each in stories if each["id"] == row.id)
    ended_at = row.summary.get("ended_at")
    return WholeCall(
        **_told(row, story),
        ended_at=datetime.fromisoformat(ended_at) if ended_at else None,
        waited_seconds=row.summary.get("waited_seconds"),
        talked_seconds=row.summary.get("talked_seconds"),
        evidence=story["evidence"],
        missing=story["missing"],
        purged_at=story["purged_at"],
        events=[
            CallEvent(
                id=event["id"],
                received_at=event["at"],
                type=event["type"],
                changed=event["changed"] or [],
            )
            for event in story["events"]
        ],
    )


def _told(row: Row, told: dict[str, Any]) -> dict[str, Any]:
    names = ("call_uuid", "ordinal", "title", "started_at", "caller_name", "line", "disposition")
    return {
        **{name: told[name] for name in ("id", *names, "standing", "filtered_by")},
        "clinic": ClinicName(**told["clinic"]),
        "direction": Direction(row.direction),
        "outcome": Outcome(row.outcome),
        "number": row.number or None,
        "match": match_of(told),
        "entries": entries_of(told),
    }
