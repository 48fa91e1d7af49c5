"""The requests that a description may hold: what is sent, and where in the answer things are.

What stands below each key is told of it in docs/connectors/rest.md.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """What all parts of a description share: nothing unknown, nothing of another type."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


Text = Annotated[str, Field(min_length=1, max_length=1000)]
Template = Annotated[str, Field(min_length=1, max_length=20_000)]
"""In the words of `templating`, with the variables of its table."""
Path = Annotated[str, Field(min_length=1, max_length=1000)]
"""A JMESPath into the JSON of an answer."""


class Paging(Section):
    """How a list that comes in pages goes on."""

    kind: Literal["page", "offset", "cursor", "next_url", "link"]
    """By a number of the page, a number of items to pass over, a mark of the last page, the address
    of the next one in the answer, or in its `Link` header."""
    first: int = Field(default=1, ge=0, le=1)
    """page: the number of the first page."""
    size: int | None = Field(default=None, ge=1, le=10_000)
    """page, offset: how many items a full page has; a shorter one is the last. Without it, only an
    empty one is."""
    next: str = ""
    """cursor, next_url: where in an answer the next mark or address is; null or '' at the end."""


class Request(Section):
    """A request. Its templates are given the variables of its table, all settings and secrets."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: Template
    """Behind `base_url`, beginning with /. What is put into it is percent-encoded."""
    query: dict[str, str] = {}
    """Parameters of the address; one that comes to nothing is left out."""
    headers: dict[str, str] = {}
    """Besides those of all requests."""
    body: str = ""
    """A template of JSON, in which each {{ … }} becomes a JSON value, with its own quotes."""
    form: dict[str, str] = {}
    """In place of `body`: fields of an HTML form."""
    expect: str = ""
    """What is true of an answer of 2xx that tells of what was asked for, such as id. Any other is
    tried again; after a create it is looked up first."""


class Reading(Request):
    """A request that changes nothing."""

    rate: str = ""
    """Of which of `limits.rates` it is, by its name, if not of the one without a name."""


class Listing(Reading):
    """A request for a list."""

    items: Path = "@"
    """Where in an answer the list is."""
    paging: Paging | None = None
    """Left out, the first answer is the whole list."""
    empty_when_404: bool = False
    """Whether 404 says that the list is empty."""


class Search(Listing):
    """Whom a number belongs to."""

    spellings: list[Template] = Field(default=["{{ number }}"], min_length=1, max_length=10)
    """Asked for one after another, each as {{ phone }}, where a PMS compares spellings; else only
    {{ number }}."""
    exact: bool = False
    """Whether whom it finds has the number for sure. Else those are left out whose numbers, as far
    as they are told, are others: many a PMS finds parts of numbers."""


class Changes(Listing):
    """The clients that were added, changed or deleted at {{ since }} or later."""

    sorted: bool = False
    """Whether the oldest change comes first on the first page, and so on to the last."""
    overlap_seconds: int = Field(default=60, ge=0, le=86_400)
    """How far {{ since }} looks back, for a PMS whose lists lag behind."""


class Create(Request):
    """A request that writes something new."""

    method: Literal["POST"] = "POST"
    id: str = "id"
    """Where in the answer the new record's id is; '' for the last part of its `Location` header."""
    repeat_status: int | None = Field(default=None, ge=200, le=299)
    """The status by which the PMS tells that {{ idempotency_key }} was used before."""


class Change(Request):
    """A request that changes a record."""

    method: Literal["PATCH", "PUT", "POST", "DELETE"] = "PATCH"
    ignore_answer: bool = False
    """Whether an answer that is no JSON is fine, as long as its status is and it is no web page."""
    read: str = ""
    """For a PMS that takes whole records only: the path at which the record is read before. What
    `body` says is put into it, object by object, and the whole is sent back."""
    record: Path = "@"
    """read: where in its answer the record is, and which of its fields are sent back."""


class Removal(Change):
    """A request that removes a record; one that is gone already is no error."""

    method: Literal["DELETE", "POST", "PUT", "PATCH"] = "DELETE"


class ReadNote(Reading):
    """A note as it stands."""

    note_title: Path
    """Where in the answer its title is."""
    note_body: Path
    """Where in the answer its text is."""


class ReadTask(Reading):
    """A task as it stands."""

    is_done: Path
    """What is true of a task that is done, such as status == 'done'."""
    is_gone: str = ""
    """What is true of one that was deleted, where that is told by other than 404."""
    closed_at: str = ""
    """Where in the answer is when it was done."""
    closed_by: str = ""
    """Where in the answer is by whom."""


class Find(Listing):
    """The records of a client, or those alone that have {{ reference }}."""

    id: Path = "id"
    """Where in an item its id is."""
    text: str = ""
    """Where in an item its text is, to look in it for the reference; '' where the PMS searches by
    it."""
    most_pages: int = Field(default=20, ge=1, le=1000)
    """How many pages are looked through; have the newest come first."""


class Account(Reading):
    """Who is signed in."""

    account: str = ""
    """Where in the answer the account's name is."""


class Permission(Reading):
    """A request that only tells whether it is allowed."""

    missing: Text
    """What may not be done where it is refused by 403, and where to allow it: "read tasks: …"."""
