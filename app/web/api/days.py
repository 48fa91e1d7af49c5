"""`/clinics/{id}/days/{day}`: a clinic's day reckoned up."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError
from sqlalchemy.orm import Session

from ...access.identity import Scope
from ...ledger.close_out import close_day
from .answers import Answer, ClinicName
from .operations import operation
from .queries import ById
from .reach import get_clinic


def _day(text: str) -> date:
    try:
        if len(text) == 10 and 2000 <= (day := date.fromisoformat(text)).year < 2100:
            return day
    except ValueError:
        pass
    raise PydanticCustomError("day", "it must be a day such as 2026-11-24")


class DayQuery(ById):
    """One day of one clinic."""

    day: Annotated[date, BeforeValidator(_day)] = Field(
        description="By the clinic's clock.", examples=["2026-11-24"]
    )


class Left(Answer):
    """A rule by which calls or texts were left out."""

    rule: str = Field(examples=["an internal call between extensions"])
    count: int = Field(examples=[3])


class Withheld(Answer):
    """A call without a number that was not answered: nobody can call them back."""

    call_uuid: str = Field(examples=["8f14e45f"])
    at: datetime = Field(examples=["2026-11-24T15:00:00Z"])
    line: str = Field(description="May be empty.", examples=["Main"])
    outcome: str = Field(examples=["missed"])
    how_far: str = Field(examples=["in queue 700"])


class DayCallbacks(Answer):
    """The day's callbacks."""

    opened: int = Field(examples=[4])
    closed: int = Field(examples=[3])
    left_open: int = Field(description="At the end of the day.", examples=[1])


class DayEvents(Answer):
    """The day's webhooks."""

    received: int = Field(examples=[120])
    quarantined: int = Field(examples=[0])
    unknown: int = Field(description="Of an unknown type: kept, changing nothing.", examples=[0])


class Day(Answer):
    """A day reckoned up: every call and conversation under exactly one disposition."""

    clinic: ClinicName
    day: date = Field(examples=["2026-11-24"])
    starts_at: datetime = Field(examples=["2026-11-24T05:00:00Z"])
    ends_at: datetime = Field(examples=["2026-11-25T05:00:00Z"])
    calls: int = Field(examples=[40])
    texts: int = Field(description="Conversations by text.", examples=[5])
    dispositions: dict[str, int] = Field(
        description="How many stand so; their sum is that of `calls` and `texts`.",
        examples=[{"open": 0, "filtered": 3, "synced": 42}],
    )
    filtered_by: list[Left]
    outcomes: dict[str, int] = Field(
        description="Of the calls that are settled.", examples=[{"answered": 30, "missed": 4}]
    )
    callbacks: DayCallbacks
    withheld: list[Withheld]
    events: DayEvents
    unexplained: list[str] = Field(
        description="Ids of webhooks that nothing accounts for. There must be none.", examples=[[]]
    )


@operation("/clinics/{id}/days/{day}", Scope.CALLS)
def get_day(session: Session, query: DayQuery) -> Day:
    """Get the close-out of one day by the clinic's clock.

    Each call and conversation stands under exactly one disposition, and nothing is unexplained.
    """
    told = close_day(session, get_clinic(session, query.id), query.day)
    return Day(
        **told
        | {
            "clinic": ClinicName(**told["clinic"]),
            "filtered_by": [Left(**each) for each in told["filtered_by"]],
            "withheld": [Withheld(**each) for each in told["withheld"]],
            "callbacks": DayCallbacks(**told["callbacks"]),
            "events": DayEvents(**told["events"]),
        }
    )
