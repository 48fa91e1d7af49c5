"""What a description of a PMS may say: its tables and keys. `reading` holds it against them.

What stands below each key is told of it in docs/connectors/rest.md.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def _named(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f'"{name}" is no name: small letters, digits and _, a letter first')
    return name


def _status(text: str) -> str:
    if not re.fullmatch("[3-5][0-9]{2}", text):
        raise ValueError(f'"{text}" is no status of an error, such as "409"')
    return text


def _asked(value: Any) -> Any:
    """A setting that is only explained may be written as its explanation."""
    return {"help": value} if isinstance(value, str) else value


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
Name = Annotated[str, AfterValidator(_named)]
Meaning = Literal["busy", "slow_down", "refused", "gone", "credentials"]


class Asked(Section):
    """A setting or secret that `ringnote connect` asks for."""

    help: Text
    """What it is and where it is found."""
    default: str = ""
    """What it is where nothing is given."""
    required: bool = True
    """Whether it must be given."""


class Auth(Section):
    """How the PMS is signed in to."""

    kind: Literal["bearer", "basic", "header", "oauth2", "none"]
    """`oauth2` is client credentials; each kind has the keys that are named with it below."""
    token: str = ""
    """bearer: what follows `Bearer `."""
    username: str = ""
    """basic: the username."""
    password: str = ""
    """basic: its password; leave it out where a key is the username."""
    header: str = ""
    """header: its name, such as X-Api-Key."""
    value: str = ""
    """header: its value."""
    token_url: str = ""
    """oauth2: where tokens are given."""
    client_id: str = ""
    """oauth2: the client's id there."""
    client_secret: str = ""
    """oauth2: its secret."""
    scope: str = ""
    """oauth2: the scope to ask for, if it wants one."""


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


class Listing(Request):
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
    """Whether an answer that is no JSON is fine, as long as its status is."""


class Removal(Change):
    """A request that removes a record; one that is gone already is no error."""

    method: Literal["DELETE", "POST", "PUT", "PATCH"] = "DELETE"


class ReadNote(Request):
    """A note as it stands."""

    note_title: Path
    """Where in the answer its title is."""
    note_body: Path
    """Where in the answer its text is."""


class ReadTask(Request):
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


class Account(Request):
    """Who is signed in."""

    account: str = ""
    """Where in the answer the account's name is."""


class Permission(Request):
    """A request that only tells whether it is allowed."""

    missing: Text
    """What may not be done where it is refused by 403, and where to allow it: "read tasks: …"."""


class ClientRecord(Section):
    """How a client is read, in each list of clients."""

    id: Path
    name: Path
    phones: Path
    """Numbers, or objects of number and label: phones[].{number: no, label: kind}."""
    patients: str = ""
    """The names of their animals."""
    updated_at: str = ""
    """When it was changed last: an ISO time, or seconds or milliseconds since 1970."""
    is_deleted: str = ""
    """What is true of a client that was deleted or archived."""
    merged_into: str = ""
    """The id of the client that a merged one became."""


class Errors(Section):
    """How errors are told, where a status alone does not."""

    when: str = ""
    """What is true of an answer of 2xx that is an error all the same."""
    code: str = ""
    """Where in such an answer the error's code is."""
    codes: dict[str, Meaning] = {}
    """What codes mean; any other is `refused`."""
    statuses: dict[Annotated[str, AfterValidator(_status)], Meaning] = {}
    """What statuses mean here, where it is something else than usual."""


class Limits(Section):
    """What the PMS takes."""

    title: int | None = Field(default=None, ge=20, le=100_000)
    """Characters of a title."""
    body: int | None = Field(default=None, ge=200, le=10_000_000)
    """Characters of a text."""
    wait_headers: list[Text] = []
    """Headers besides the usual ones that tell when to come back: seconds, or a stamp of them."""
    reference_lag_seconds: int = Field(default=0, ge=0, le=3600)
    """For so long a new record may not be found by find_note and find_task yet."""


class Description(Section):
    """One PMS, as a file describes it."""

    title: Text
    """The PMS's name."""
    base_url: Template
    """Where its API is; settings may stand in it."""
    timezone: Template = "UTC"
    """The zone of times that are told or asked for without one."""
    headers: dict[str, str] = {}
    """Of all requests."""
    settings: dict[Name, Annotated[Asked, BeforeValidator(_asked)]] = {}
    secrets: dict[Name, Annotated[Asked, BeforeValidator(_asked)]] = {}
    auth: Auth
    errors: Errors = Errors()
    limits: Limits = Limits()
    client: ClientRecord
    check: Account | None = None
    permissions: list[Permission] = []
    find_clients: Search | None = None
    list_clients: Listing | None = None
    changed_clients: Changes | None = None
    create_client: Create | None = None
    create_note: Create
    update_note: Change | None = None
    get_note: ReadNote | None = None
    delete_note: Removal | None = None
    create_task: Create | None = None
    update_task: Change | None = None
    complete_task: Change | None = None
    reopen_task: Change | None = None
    get_task: ReadTask | None = None
    delete_task: Removal | None = None
    find_note: Find | None = None
    find_task: Find | None = None
