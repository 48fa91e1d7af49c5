"""What the pretend PMS accepts: its request bodies and query values, checked strictly."""

import base64
import json
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from flask import request
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from .file import Refused, as_text

MAX_LIMIT = 200
DEFAULT_LIMIT = 50


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


Id = Annotated[str, StringConstraints(min_length=1, max_length=40)]
Title = Annotated[str, StringConstraints(max_length=200), AfterValidator(_filled)]
Body = Annotated[str, StringConstraints(max_length=20_000)]
Word = Annotated[str, StringConstraints(max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    def as_kept(self, *, only_sent: bool = False) -> dict[str, Any]:
        """The fields as the PMS keeps them, times as text."""
        fields = self.model_dump(exclude_unset=only_sent)
        return {
            name: as_text(value) if isinstance(value, datetime) else value
            for name, value in fields.items()
        }


class PhoneBody(_Body):
    """A client's phone number, in any spelling."""

    number: Annotated[str, StringConstraints(max_length=60), AfterValidator(_filled)]
    label: Word = ""


def _with_number(value: Any) -> Any:
    return {"number": value} if isinstance(value, str) else value


class PatientBody(_Body):
    """A client's animal."""

    name: Title


class ClientBody(_Body):
    """A client to be added."""

    name: Title
    phones: list[Annotated[PhoneBody, BeforeValidator(_with_number)]] = Field(
        default_factory=list, max_length=20
    )
    """Each with its label, or the number alone."""
    patients: list[PatientBody] = Field(default_factory=list, max_length=50)


class MergeBody(_Body):
    """Which client another is to be merged into."""

    into: Id


class NoteBody(_Body):
    """A note to be written."""

    client_id: Id
    title: Title
    body: Body
    occurred_at: AwareDatetime
    reference: Word = ""


class NotePatch(_Body):
    """What may be changed of a note."""

    title: Title = ""
    body: Body = ""
    occurred_at: AwareDatetime | None = None
    reference: Word = ""


class TaskBody(_Body):
    """A task to be written."""

    client_id: Id
    title: Title
    body: Body = ""
    due_at: AwareDatetime
    assignee: Word = ""
    status: Literal["open", "done"] = "open"
    reference: Word = ""


class TaskPatch(_Body):
    """What may be changed of a task."""

    title: Title = ""
    body: Body = ""
    due_at: AwareDatetime | None = None
    assignee: Word = ""
    status: Literal["open", "done"] = "open"
    reference: Word = ""


B = TypeVar("B", bound=BaseModel)


def read_body(form: type[B]) -> B:
    """The request's JSON as `form`. Raises Refused: 400 for no object, 422 for wrong fields."""
    if not request.is_json:
        raise Refused(400, "bad_request", "the body must be application/json")
    try:
        return form.model_validate_json(request.get_data())
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
    if any(fault["type"] == "json_invalid" or not fault["loc"] for fault in faults):
        raise Refused(400, "bad_request", "the body is no JSON object")
    named = (f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in faults)
    raise Refused(422, "invalid", "; ".join(named))


def read_query(*allowed: str) -> dict[str, str]:
    """The query's values. Raises Refused (400) for a name that is not one of `allowed`."""
    unknown = sorted(set(request.args) - set(allowed))
    if unknown:
        raise Refused(400, "bad_request", f"no such parameter here; there are {', '.join(allowed)}")
    return dict(request.args.items())


def read_limit(query: dict[str, str]) -> int:
    """How many items a page may hold."""
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MAX_LIMIT):
        raise Refused(400, "bad_request", f"limit must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def read_moment(text: str) -> str:
    """An ISO 8601 time with its offset, as kept."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return as_text(moment)
    except (ValueError, OverflowError):
        pass
    raise Refused(400, "bad_request", "updated_since must be a time like 2026-01-31T09:00:00Z")


def write_cursor(*place: str | int) -> str:
    """An opaque cursor that holds a place in a listing."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def read_cursor(text: str, *kinds: type) -> list[Any]:
    """The place a cursor holds. Raises Refused (400) for anything this listing never gave."""
    try:
        place = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        place = None
    if not isinstance(place, list) or [type(part) for part in place] != list(kinds):
        raise Refused(400, "bad_request", "cursor is none that this listing gave")
    return place
