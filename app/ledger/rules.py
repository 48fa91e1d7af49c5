"""A clinic's policy as data: every rule there is, with the default that suits a vet's front desk.

Pure. `policy` decides by it, `policy_toml` reads and writes it as a file; kept as JSON by version.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ..directory.matching import Matching
from .hours import read_day, read_span

InboundOutcome = Literal["answered", "answered_then_voicemail", "voicemail", "missed", "unknown"]
When = Literal["always", "open", "closed"]
"""By the clinic's business hours, at the moment a call began."""
Stranger = Literal["wait", "leave", "record"]
STRANGERS = ("notes", "callbacks", "transcripts")
Priority = Literal["low", "normal", "high", "urgent"]
PRIORITIES: tuple[Priority, ...] = ("low", "normal", "high", "urgent")
MONTH = 60 * 24 * 30
"""Minutes."""
LONGEST = 200
LAST_ANSWERED = "last_answered"
ROLE = "role:"
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _checked_span(text: str) -> str:
    read_span(text)
    return text


def _digits(text: str) -> str:
    if not re.fullmatch("[0-9]{1,10}", text):
        raise ValueError(f'"{text}" is no number of digits')
    return text


def _named(text: str) -> str:
    if text != " ".join(text.split()) or not text.isprintable():
        raise ValueError("is no name: write it on one line, without blanks around it")
    return text


def _plain_day(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def _listed(value: object) -> object:
    """An assignee was one name once, and may be written so."""
    return ([value] if value else []) if isinstance(value, str) else value


Span = Annotated[str, AfterValidator(_checked_span)]
Day = Annotated[str, BeforeValidator(_plain_day), AfterValidator(read_day)]
Short = Annotated[str, Field(min_length=1, max_length=LONGEST)]
Extension = Annotated[str, AfterValidator(_digits)]
Name = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_named)]
Assignees = Annotated[list[Short], BeforeValidator(_listed)]
"""Tried in order; the first that names somebody counts."""


class Section(BaseModel):
    """What all parts of a policy share: nothing unknown, nothing of another type.

    What stands below each field is its comment in the file that people edit.
    """

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class Notes(Section):
    """Which calls become a note on the client's record."""

    inbound: list[InboundOutcome] = [
        "answered",
        "answered_then_voicemail",
        "voicemail",
        "missed",
        "unknown",
    ]
    """Incoming calls that ended so. "unknown": the phone system never reported the end."""
    outbound: bool = True
    """Whether calls that the clinic places become notes."""
    hours: When = "always"
    """Only calls that came while the clinic was open, or closed, by [hours]."""


class Callbacks(Section):
    """Which calls ask for a callback, and what its task says: for whom, how urgent, due when."""

    outcomes: list[InboundOutcome] = ["missed", "voicemail", "answered_then_voicemail"]
    """Incoming calls that ended so ask for one. However often a caller tries, it is one task."""
    voicemail_is_missed: bool = False
    """true counts a call that nobody answered and that reached voicemail as a missed call."""
    hours: When = "always"
    """Only calls, and texts, that came while the clinic was open, or closed, by [hours]."""
    due_minutes: int = Field(default=60, ge=1, le=MONTH)
    """The task is due so many minutes after the call; only minutes within [hours] count."""
    again_minutes: int = Field(default=120, ge=1, le=MONTH)
    """And so many after somebody tried to reach them without an answer."""
    assignee: Assignees = []
    """Whose task it is: the first of these that is somebody. "last_answered" is who last
    answered this client, by [people]; "role:NAME" is one of [roles]; all else is the PMS's own id
    or name of a user."""
    texts: bool = False
    """true: a text of a client that nobody answers asks for one, too, where none is open."""
    text_minutes: int = Field(default=60, ge=0, le=MONTH)
    """For so long nobody has answered it, by text or by phone. 0: every text asks at once."""
    priority: Priority = "normal"
    """How urgent the task is."""
    raise_after: int = Field(default=3, ge=0, le=100)
    """From so many calls of one caller on it is one step more urgent. 0: never."""
    closes_when_reached: bool = True
    """Whether a later call with them that was answered closes the task; else a person does."""


class Transcripts(Section):
    """Whether conversations by text become transcripts, and how they are cut."""

    enabled: bool = True
    """Whether they are written at all."""
    window: Literal["day", "gap", "message"] = "day"
    """One transcript for each day of the clinic, for each conversation up to a quiet gap, or for
    each message."""
    gap_minutes: int = Field(default=60, ge=1, le=60 * 24 * 7)
    """How long it must have been quiet, for window = "gap"."""
    repeat_seconds: int = Field(default=10, ge=0, le=600)
    """An identical text that comes again within this time counts once."""


class Strangers(Section):
    """What is written for numbers that no client has: "wait" until somebody says whose it is,
    "leave" it, or write it to the one client of `record`. All is "leave" where matching.unknown is
    "ignore"."""

    notes: Stranger = "wait"
    callbacks: Stranger = "wait"
    transcripts: Stranger = "wait"
    record: str = Field(default="", max_length=LONGEST)
    """The PMS's id of a client that stands for all strangers."""


class Ignore(Section):
    """Nothing is ever written of these."""

    numbers: list[Short] = []
    """Other people's numbers, such as a supplier's."""
    lines: list[Short] = []
    """Lines of the clinic's own, such as the fax: their numbers or names."""
    extensions: list[Extension] = []
    """Calls in which these extensions alone took part."""


class Fits(Section):
    """To which calls the case applies: to those that fit all that is named here."""

    directions: list[Literal["inbound", "outbound"]] = []
    outcomes: list[Literal[InboundOutcome, "placed"]] = []
    lines: list[Short] = []
    queues: list[Short] = []
    ring_groups: list[Short] = []
    extensions: list[Extension] = []
    hours: When = "always"


class Case(Section):
    """What is said of some calls in particular. What it leaves out stays as it is for all."""

    name: Short
    when: Fits = Fits()
    note: bool | None = None
    callback: bool | None = None
    due_minutes: int | None = Field(default=None, ge=1, le=MONTH)
    assignee: Assignees | None = None
    priority: Priority | None = None


class Holiday(Section):
    """Days with hours of their own: closed, unless `open` says otherwise."""

    date: Day
    until: Day | None = None
    name: str = Field(default="", max_length=LONGEST)
    open: list[Span] = []


class Hours(Section):
    """When the clinic is open, by its own clock. Hours that end before they begin go on into the
    next day: "20:00-06:00"."""

    always_open: bool = False
    """true makes every minute of every day count."""
    timezone: str = ""
    """Such as "America/New_York", where it is not the clinic's own."""
    monday: list[Span] = ["08:00-18:00"]
    tuesday: list[Span] = ["08:00-18:00"]
    wednesday: list[Span] = ["08:00-18:00"]
    thursday: list[Span] = ["08:00-18:00"]
    friday: list[Span] = ["08:00-18:00"]
    saturday: list[Span] = ["08:00-12:00"]
    sunday: list[Span] = []
    holidays: list[Holiday] = []


class Names(Section):
    """What people call the parts of their phone system, wherever they are told of. The phone system
    names no queue and no ring group; an extension or line that is not named here is called what it
    says."""

    queues: dict[Extension, Name] = {}
    """By their numbers."""
    ring_groups: dict[Extension, Name] = {}
    """By their numbers."""
    extensions: dict[Extension, Name] = {}
    """By their numbers."""
    lines: dict[Short, Name] = {}
    """By their telephone numbers."""


class EntryWords(Section):
    """Jinja templates; "" stands for Ringnote's own words."""

    title: str = Field(default="", max_length=500)
    body: str = Field(default="", max_length=8000)


class Words(Section):
    """How entries are worded. Templates of your own: see docs/policy.md."""

    language: str = Field(default="en", pattern=r"^[a-z]{2,3}([_-][A-Za-z]{2,4})?$")
    """The language of Ringnote's own words."""
    clock: Literal["region", "12", "24"] = "region"
    """2:30 pm or 14:30; "region" is as people of the clinic's region write it."""
    footer: bool = True
    """Whether it is said below each text what of it is approximate."""
    call: EntryWords = EntryWords()
    callback: EntryWords = EntryWords()
    transcript: EntryWords = EntryWords()
    digest: EntryWords = EntryWords()


class Rules(Section):
    """One version of a clinic's policy."""

    watch_only: bool = False
    """true decides and shows everything, and writes nothing to the PMS."""
    notes: Notes = Notes()
    callbacks: Callbacks = Callbacks()
    transcripts: Transcripts = Transcripts()
    strangers: Strangers = Strangers()
    matching: Matching = Matching()
    ignore: Ignore = Ignore()
    hours: Hours = Hours()
    people: dict[Extension, Short] = {}
    """Whose extension it is, by the PMS's own id or name of a user."""
    roles: dict[Short, Short] = {}
    """Who does what, by the PMS's own id or name of a user or group."""
    cases: list[Case] = []
    names: Names = Names()
    words: Words = Words()


DEFAULT_RULES: dict[str, Any] = Rules().model_dump(mode="json")
"""What a new clinic starts with: version 1 of its policy."""


def read_stored(stored: Mapping[str, Any]) -> Rules:
    """The rules of a stored version; what it does not say yet is as by default.

    One from before there were business hours goes on counting every minute.
    """
    known = stored if "hours" in stored else {**stored, "hours": {"always_open": True}}
    return with_strangers_left(Rules.model_validate(dict(known)))


def with_strangers_left(rules: Rules) -> Rules:
    """The same rules; where matching ignores whoever is unknown, [strangers] says so too."""
    if rules.matching.unknown != "ignore":
        return rules
    left = rules.strangers.model_copy(update=dict.fromkeys(STRANGERS, "leave"))
    return rules.model_copy(update={"strangers": left})


def asks_who_answered(rules: Rules) -> bool:
    """Whether a task may go to whoever answered the client before, so that it must be known."""
    return any(name == LAST_ANSWERED for _, name in each_assignee(rules))


def each_assignee(rules: Rules) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every assignee that a policy names, with its place."""
    for number, name in enumerate(rules.callbacks.assignee):
        yield ("callbacks", "assignee", number), name
    for index, case in enumerate(rules.cases):
        for number, name in enumerate(case.assignee or ()):
            yield ("cases", index, "assignee", number), name
