"""What a description of a PMS may say: its tables and keys. `reading` holds it against them.

What stands below each key is told of it in docs/connectors/rest.md.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from .requests import (
    Account,
    Change,
    Changes,
    Create,
    Find,
    Listing,
    Path,
    Permission,
    ReadNote,
    ReadTask,
    Removal,
    Search,
    Section,
    Template,
    Text,
)

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


Name = Annotated[str, AfterValidator(_named)]
Meaning = Literal["busy", "slow_down", "refused", "gone", "credentials"]


class Asked(Section):
    """A setting or secret that `ringnote connect` and the console ask for."""

    help: Text
    """What it is and where it is found."""
    default: str = ""
    """What it is where nothing is given."""
    required: bool = True
    """Whether it must be given."""
    type: Literal["text", "address", "number", "yes_no"] = "text"
    """What its value is."""


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
    """Where in an answer that is an error its code is, whatever its status."""
    codes: dict[str, Meaning] = Field(default_factory=dict)
    """What codes mean. Any other is `refused` under 2xx, else what its status means."""
    statuses: dict[Annotated[str, AfterValidator(_status)], Meaning] = Field(default_factory=dict)
    """What statuses mean here, where it is something else than usual and no code says."""


class Allowance(Section):
    """How fast the PMS takes requests from one account."""

    requests: int = Field(ge=1, le=1_000_000)
    """So many…"""
    seconds: float = Field(gt=0, le=86_400)
    """…in any so many seconds."""
    name: str = Field(default="", max_length=40)
    """What requests that have a rate of their own name as their `rate`; without a name it holds for
    all others, those that write among them."""


class Limits(Section):
    """What the PMS takes."""

    title: int | None = Field(default=None, ge=20, le=100_000)
    """Characters of a title."""
    body: int | None = Field(default=None, ge=200, le=10_000_000)
    """Characters of a text."""
    rates: list[Allowance] = Field(default_factory=list)
    """How fast an account takes requests; kept to by all workers, look-ups and syncs together."""
    wait_headers: list[Text] = Field(default_factory=list)
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
    headers: dict[str, str] = Field(default_factory=dict)
    """Of all requests."""
    settings: dict[Name, Annotated[Asked, BeforeValidator(_asked)]] = Field(default_factory=dict)
    secrets: dict[Name, Annotated[Asked, BeforeValidator(_asked)]] = Field(default_factory=dict)
    auth: Auth
    errors: Errors = Errors()
    limits: Limits = Limits()
    client: ClientRecord
    check: Account | None = None
    permissions: list[Permission] = Field(default_factory=list)
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
