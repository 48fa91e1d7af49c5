"""What answers are made of: the base of all their models, and the parts that several share.

The OpenAPI document takes its schemas from these models, with their words and examples.
"""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ...models import EntryKind, EntryState

MatchKind = Literal["client", "several", "none", "withheld", "internal", "ignored"]
Disposition = Literal[
    "open", "filtered", "waiting", "due", "synced", "retrying", "set_aside", "withdrawn"
]


class Answer(BaseModel):
    """Strict, so that an answer is either what the document says or a fault of ours."""

    # What does not fit is somebody's name or number, and would end in the log.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


Item = TypeVar("Item", bound=Answer)


class Page(Answer, Generic[Item]):
    """Some of what there is, the newest first."""

    items: list[Item] = Field(description="The newest first.")
    next_cursor: str | None = Field(
        description="Send it as `cursor` to get the page after this one; null on the last page.",
        examples=["AAAAAAAAADOyzd7pBbFvWpgP1oUj", None],
    )


class ClinicName(Answer):
    """The clinic that something belongs to."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["Oak Street Vets"])
    timezone: str = Field(description="IANA name.", examples=["America/New_York"])


class Match(Answer):
    """Whom a number belongs to, and why. Decided once for a call or a window of texts."""

    kind: MatchKind = Field(examples=["client"])
    client: str | None = Field(
        description="The PMS's id of the client, where `kind` is client.", examples=["C1042"]
    )
    name: str | None = Field(description="That client's name.", examples=["Jane Doe"])
    candidates: list[str] = Field(
        description="The PMS's ids of those who share the number, where `kind` is several.",
        examples=[[]],
    )
    rule: str = Field(
        description="What decided, in words.", examples=["one client has this number"]
    )
    decided_at: datetime = Field(examples=["2026-11-24T09:00:02Z"])


class EntryName(Answer):
    """An entry as that which it comes of names it; `/entries/{id}` has all of it."""

    id: int = Field(examples=[7])
    kind: EntryKind = Field(examples=["note"])
    state: EntryState = Field(examples=["synced"])
    standing: str = Field(description="The state in words.", examples=["written"])
    client: str | None = Field(
        description="The PMS's id of the client; null until matched.", examples=["C1042"]
    )
    title: str = Field(examples=["Incoming call answered by Amy (101)"])


def match_of(told: dict[str, Any]) -> Match | None:
    """The match of a call or a window, from how the ledger tells it."""
    found = told["match"]
    if found is None:
        return None
    return Match(**found | {name: found[name] or None for name in ("client", "name")})


def entries_of(told: dict[str, Any]) -> list[EntryName]:
    """The entries of a call or a window, from how the ledger tells it."""
    return [EntryName(**entry_name(each)) for each in told["entries"]]


def entry_name(told: dict[str, Any]) -> dict[str, Any]:
    """What names an entry, from how the ledger tells it."""
    return {
        "id": told["id"],
        "kind": EntryKind(told["kind"]),
        "state": EntryState(told["state"]),
        "standing": told["standing"],
        "client": told["client"] or None,
        "title": told["title"],
    }
