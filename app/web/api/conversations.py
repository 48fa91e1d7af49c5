"""`/conversations`: the texts of each conversationID, day by day, and what became of them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from ...access.identity import Scope
from ...ledger.entries import tell_clinic
from ...ledger.listings import tell_texts
from ...ledger.rows import of_clinics, read_clinics
from ...models import Conversation as Row
from ...models import Transcript
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
from .queries import ById, ClinicPageQuery
from .reach import clinics_of, get_row

NUMBER = "The client's side in E.164; as it came where it cannot be read."


class Conversation(Answer):
    """All texts of one conversationID."""

    id: int = Field(examples=[3])
    clinic: ClinicName
    key: str = Field(description="The phone system's conversationID.", examples=["c-2071"])
    numbers: list[str] = Field(description=NUMBER, examples=[["+12125550142"]])
    days: int = Field(description="How many windows of texts it has.", examples=[2])
    first_day: date | None = Field(
        description="By the clinic's clock; null while nothing is settled.", examples=["2026-11-23"]
    )
    last_text_at: datetime | None = Field(examples=["2026-11-24T09:12:00Z"])


class ConversationPage(Page[Conversation]):
    """A page of conversations."""


class Message(Answer):
    """One text."""

    at: datetime = Field(examples=["2026-11-24T09:12:00Z"])
    direction: Literal["inbound", "outbound"] = Field(examples=["inbound"])
    text: str = Field(examples=["Is Rex ready?"])
    is_attachment: bool = Field(
        description="Whether the text stands for a picture or the like.", examples=[False]
    )


class Window(Answer):
    """The texts of one day by the clinic's clock, with one number: one transcript in the PMS."""

    day: date = Field(examples=["2026-11-24"])
    number: str = Field(description=NUMBER, examples=["+12125550142"])
    line: str = Field(description="The clinic's number.", examples=["+12125550100"])
    last_text_at: datetime = Field(examples=["2026-11-24T09:12:00Z"])
    match: Match | None
    disposition: Disposition = Field(
        description="The state of its entry, `filtered` if nothing is written.",
        examples=["synced"],
    )
    standing: str = Field(description="The disposition in words.", examples=["written"])
    filtered_by: str | None = Field(
        description="The rule by which nothing is written.", examples=[None]
    )
    entries: list[EntryName] = Field(description="Its transcript.")
    messages: list[Message] = Field(description="In order of receipt.")


class WholeConversation(Conversation):
    """A conversation with its texts."""

    windows: list[Window] = Field(description="In order of their days.")


@operation("/conversations", Scope.CALLS)
def list_conversations(session: Session, query: ClinicPageQuery) -> ConversationPage:
    """List conversations."""
    within = of_clinics(Row.clinic_id, clinics_of(session, query.clinic))
    ids, cursor = read_page(session, query, Row.id, within)
    rows = session.scalars(sa.select(Row).where(Row.id.in_(ids)).order_by(Row.id.desc())).all()
    told = [Conversation(**each) for each in _tell(session, rows)]
    return ConversationPage(items=told, next_cursor=cursor)


@operation("/conversations/{id}", Scope.CALLS)
def get_conversation(session: Session, query: ById) -> WholeConversation:
    """Get one conversation, with its texts."""
    row = get_row(session, Row, query.id)
    in_order = (Transcript.starts_at, Transcript.id)
    windows = session.scalars(
        sa.select(Transcript).where(Transcript.conversation_id == row.id).order_by(*in_order)
    ).all()
    pairs = zip(windows, tell_texts(session, windows), strict=True)
    [told] = _tell(session, [row])
    return WholeConversation(**told, windows=[_window(window, each) for window, each in pairs])


def _tell(session: Session, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What names each conversation, without reading the texts."""
    clinics = read_clinics(session, (row.clinic_id for row in rows))
    of_each: dict[int, list[Any]] = {row.id: [] for row in rows}
    for one in session.execute(
        sa.select(
            Transcript.conversation_id,
            Transcript.number,
            sa.func.count().label("days"),
            sa.func.min(Transcript.local_day).label("first_day"),
            sa.func.max(Transcript.last_text_at).label("last_text_at"),
        )
        .where(Transcript.conversation_id.in_(of_each))
        .group_by(Transcript.conversation_id, Transcript.number)
        .order_by(Transcript.number)
    ):
        of_each[one.conversation_id].append(one)
    return [
        {
            "id": row.id,
            "clinic": ClinicName(**tell_clinic(clinics[row.clinic_id])),
            "key": row.conversation_key,
            "numbers": [one.number for one in of_each[row.id]],
            "days": sum(one.days for one in of_each[row.id]),
            "first_day": min((one.first_day for one in of_each[row.id]), default=None),
            "last_text_at": max((one.last_text_at for one in of_each[row.id]), default=None),
        }
        for row in rows
    ]


def _window(row: Transcript, told: dict[str, Any]) -> Window:
    return Window(
        day=row.local_day,
        number=row.number,
        line=told["line"],
        last_text_at=row.last_text_at,
        match=match_of(told),
        disposition=told["disposition"],
        standing=told["standing"],
        filtered_by=row.filtered_by,
        entries=entries_of(told),
        messages=[
            Message(
                at=datetime.fromisoformat(message["at"]),
                direction="inbound" if message["is_inbound"] else "outbound",
                text=message["text"],
                is_attachment=message["is_attachment"],
            )
            for message in row.summary.get("messages", [])
        ],
    )
