"""What requests ask: typed parameters, and the one reader that names every fault in them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, NotFound

WHOLE = re.compile(r"0|[1-9][0-9]{0,18}")
MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9:]{5})"
)
E164 = r"^\+[1-9][0-9]{6,14}$"
PLAIN = r"^[^\x00-\x1f\x7f]{1,64}$"
BIGGEST = 2**63 - 1
"""PostgreSQL refuses to compare an id with anything over it."""
SHOWN_CHARACTERS = 40
"""Of the name of a parameter that is not known."""


class Query(BaseModel):
    """What one operation takes, out of the path and the query string."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Q = TypeVar("Q", bound=Query)
Fault = tuple[str, str]
"""The name of a parameter and what is wrong with it."""


class BadQuery(BadRequest):
    """What was asked cannot be read. `faults` lists everything that is wrong."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{name}: {detail}" for name, detail in faults) + ".")


def read_query(kind: type[Q], given: MultiDict[str, str], path: dict[str, str]) -> Q:
    """The query of this kind out of the query string and the parts of the path.

    Raises BadQuery naming every fault, and NotFound for a part of the path that cannot be.
    """
    asked = given.to_dict()
    known = [name for name in kind.model_fields if name not in path]
    faults = list(_misuses(given, known))
    query = None
    try:
        query = kind.model_validate({each: asked[each] for each in known if each in asked} | path)
    except ValidationError as error:
        wrong = [(str(each["loc"][0]), each["msg"]) for each in error.errors(include_url=False)]
        if any(name in path for name, _ in wrong):
            raise NotFound("Nothing has this id; the listings tell those that there are.") from None
        faults += wrong
    if query is None or faults:
        raise BadQuery(*faults)
    return query


def _misuses(given: MultiDict[str, str], known: list[str]) -> Iterator[Fault]:
    for name, values in given.lists():
        if name not in known:
            takes = f"this takes {', '.join(known)}" if known else "this takes none"
            yield name[:SHOWN_CHARACTERS], f"there is no such parameter; {takes}"
        elif len(values) > 1:
            yield name, "it is given more than once; give it once"


def _whole(text: str) -> int:
    if not WHOLE.fullmatch(text):
        raise PydanticCustomError("whole", "it must be a whole number, such as 12")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        if MOMENT.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise PydanticCustomError(
        "moment", "it must be a time such as 2026-11-24T09:00:00Z (write a + before an offset %2B)"
    )


def _phone(text: str) -> str:
    if not re.fullmatch(E164, text):
        raise PydanticCustomError(
            "phone", "it must be a number in E.164, such as +12125550142 (write the + as %2B)"
        )
    return text


def _text(text: str) -> str:
    if not re.fullmatch(PLAIN, text):
        raise PydanticCustomError(
            "text", "it must be 1 to 64 characters, none of them a control character"
        )
    return text


Id = Annotated[int, Field(ge=1, le=BIGGEST, examples=[1]), BeforeValidator(_whole)]
Moment = Annotated[datetime, Field(examples=["2026-11-24T00:00:00Z"]), BeforeValidator(_moment)]
Phone = Annotated[str, Field(pattern=E164, examples=["+12125550142"]), BeforeValidator(_phone)]
Text = Annotated[str, Field(pattern=PLAIN), BeforeValidator(_text)]
OfClinic = Annotated[
    Id | None, Field(description="Only of the clinic with this id; else of all the token's.")
]


class ById(Query):
    """One of a kind."""

    id: Id = Field(description="Ringnote's id, as the listing tells it.")


class PageQuery(Query):
    """A page of a listing."""

    limit: Annotated[int, Field(ge=1, le=200), BeforeValidator(_whole)] = Field(
        50, description="How many items a page has, at most.", examples=[50]
    )
    cursor: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{28}$",
        description="`next_cursor` of the page before, asked with the same filters.",
        examples=["AAAAAAAAADOyzd7pBbFvWpgP1oUj"],
    )


class ClinicPageQuery(PageQuery):
    """A page of what belongs to clinics."""

    clinic: OfClinic = None
