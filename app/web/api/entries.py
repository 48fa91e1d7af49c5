"""`/entries`: what should stand in the PMS, and how far it has got there."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field
from sqlalchemy.orm import Session

from ...access.identity import Scope
from ...ledger.entries import show_entry_story, tell_entries
from ...ledger.rows import of_clinics, read_entries_where
from ...models import Entry as Row
from ...models import EntryKind, EntryState
from .answers import Answer, ClinicName, EntryName, Page, entry_name
from .operations import operation
from .paging import read_page
from .queries import ById, ClinicPageQuery
from .reach import clinics_of, get_row


class Origin(Answer):
    """A call, or a day of a conversation, that an entry comes of."""

    kind: Literal["call", "transcript"] = Field(examples=["call"])
    id: int = Field(description="The call's id, or the conversation's.", examples=[12])
    key: str = Field(description="The callUuid, or the conversationID.", examples=["8f14e45f"])


class Entry(EntryName):
    """One thing that should stand in the PMS: a note, a task or a transcript."""

    clinic: ClinicName
    reason: str | None = Field(
        description="Why it stands where it stands, where that is not plain.", examples=[None]
    )
    reference: str = Field(
        description="The mark it carries in the PMS, by which it is found again.",
        examples=["rn-4x7k2m9q"],
    )
    pms_id: str | None = Field(
        description="The PMS's id of it; null until it is written.", examples=["N2071"]
    )
    version: int = Field(description="Counted up at each change.", examples=[2])
    written_version: int | None = Field(
        description="The version that the PMS has; null until it is written.", examples=[2]
    )
    due_at: datetime | None = Field(
        description="When it is tried next; null unless the PMS's copy is behind.",
        examples=["2026-11-24T09:05:00Z"],
    )
    attempts: int = Field(description="Tries that failed in a row.", examples=[0])
    updated_at: datetime = Field(examples=["2026-11-24T09:03:15Z"])
    origins: list[Origin] = Field(description="What it comes of; of a task, all that ask for it.")


class EntryPage(Page[Entry]):
    """A page of entries."""


class Attempt(Answer):
    """One try to write an entry."""

    at: datetime = Field(examples=["2026-11-24T09:03:14Z"])
    duration_ms: int = Field(examples=[84])
    action: str = Field(examples=["create"])
    outcome: str = Field(examples=["written"])
    http_status: int | None = Field(description="The PMS's answer.", examples=[201])
    version: int = Field(description="The version that was tried.", examples=[2])
    error: str | None = Field(examples=[None])
    pms_id: str | None = Field(examples=["N2071"])
    exchanges: list[dict[str, Any]] = Field(
        description="What was said to the PMS and what it answered, trimmed and without secrets.",
        examples=[[{"method": "POST", "url": "https://pms.example.com/notes", "status": 201}]],
    )


class WholeEntry(Entry):
    """An entry with its text and every try to write it."""

    body: str = Field(examples=["Answered by Amy (101) after about 12 s."])
    tries: list[Attempt] = Field(description="In order.")


class EntriesQuery(ClinicPageQuery):
    """A page of entries."""

    state: EntryState | None = Field(None, description="Only those.", examples=["set_aside"])
    kind: EntryKind | None = Field(None, description="Only those.", examples=["task"])


@operation("/entries", Scope.ENTRIES)
def list_entries(session: Session, query: EntriesQuery) -> EntryPage:
    """List entries."""
    conditions = [of_clinics(Row.clinic_id, clinics_of(session, query.clinic))]
    if query.state is not None:
        conditions.append(Row.state == query.state)
    if query.kind is not None:
        conditions.append(Row.kind == query.kind)
    ids, cursor = read_page(session, query, Row.id, *conditions)
    standing = read_entries_where(session, Row.id.in_(ids), query.limit)
    told = tell_entries(session, standing)
    return EntryPage(items=[Entry(**_told(each)) for each in told], next_cursor=cursor)


@operation("/entries/{id}", Scope.ENTRIES)
def get_entry(session: Session, query: ById) -> WholeEntry:
    """Get one entry, with its text and every try to write it."""
    story = show_entry_story(session, get_row(session, Row, query.id).id) or {}
    tries = [Attempt(**each) for each in story["tries"]]
    return WholeEntry(**_told(story), body=story["body"], tries=tries)


def _told(told: dict[str, Any]) -> dict[str, Any]:
    names = ("reason", "reference", "pms_id", "version", "written_version")
    return {
        **entry_name(told),
        **{name: told[name] for name in (*names, "due_at", "attempts", "updated_at")},
        "clinic": ClinicName(**told["clinic"]),
        "origins": [Origin(**each) for each in told["origins"]],
    }
