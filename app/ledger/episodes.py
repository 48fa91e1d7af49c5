"""The honest ledger of a callback: what is known of one caller, folded into episodes. Pure.

An episode is "somebody must call this person back", from the first call that nobody took until
evidence or a person ends it. It depends on the set of happenings alone: whatever the order in which
they became known, and folded at any moment, it is what was true of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from ..telephony.summaries import CallSummary, Direction, Outcome

Subject = tuple[str, int]
"""Kind ('call' or 'transcript') and id."""


class Kind(StrEnum):
    """What can happen between a clinic and a caller, in the order in which it counts at a time."""

    ASKED = "asked"
    """They called, or wrote, and somebody must call them back: the policy says of what."""
    DIALLED = "dialled"
    """Somebody dialled them: an attempt, of which no end is ever reported."""
    TEXT_OUT = "text_out"
    TEXT_IN = "text_in"
    ANSWERED = "answered"
    """A call with them was answered."""
    CLOSED = "closed"
    """A person closed it, here or in the PMS."""
    REOPENED = "reopened"
    """A person said that it was closed wrongly."""


TRIES = (Kind.DIALLED, Kind.TEXT_OUT)


class Stage(StrEnum):
    """How far an episode has got since they last asked."""

    OPEN = "open"
    ATTEMPTED = "attempted"
    TEXTED = "texted"
    REPLIED = "replied"
    REACHED = "reached"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened with one number, in E.164.

    `subject` is the call or window it comes of, ('', 0) for what a person decided; `client` whom
    that was matched to, '' while undecided. A person closes or reopens what they knew of: `of`, the
    subjects that asked. What else asked by then stays open.
    """

    at: datetime
    kind: Kind
    number: str
    subject: Subject = ("", 0)
    client: str = ""
    of: frozenset[Subject] = frozenset()
    closes: bool = True
    """Of a call that was answered: whether that ends it, or a person still has to."""
    asks: bool = False
    """Of a text of theirs: whether it asks to be called back where nothing else does."""
    by: str = ""
    why: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Episode:
    """One callback: `members` are all that belongs to it, in order; the first that asked opens it.

    `due_from` is when its present wait began: at the first that asked since anybody last tried, or
    at the last try. `closing` ended it: the call that was answered, or the person's decision.
    """

    number: str
    client: str
    opened_at: datetime
    stage: Stage
    due_from: datetime
    members: tuple[Happening, ...]
    closing: Happening | None = None

    @property
    def asks(self) -> tuple[Happening, ...]:
        return tuple(each for each in self.members if each.kind is Kind.ASKED)

    @property
    def calls(self) -> list[int]:
        """The ids of the calls that ask, in order."""
        return [ask.subject[1] for ask in self.asks if ask.subject[0] == "call"]

    @property
    def is_open(self) -> bool:
        return self.closing is None

    @property
    def was_tried(self) -> bool:
        """Whether it waits since somebody tried to reach them, not since they asked."""
        return any(each.kind in TRIES and each.at == self.due_from for each in self.members)


def fold_episodes(happenings: Iterable[Happening]) -> list[Episode]:
    """The episodes of a caller's numbers, in order of their beginning; in any order of happening.

    What has the same number, or was matched to the same client, is of one caller, who has at most
    one open.
    """
    drafts: list[_Draft] = []
    for happening in sorted(set(happenings), key=_stamp):
        concerned = _open_of(drafts, {happening.number, happening.client})
        if happening.kind is Kind.ASKED:
            drafts += _ask(concerned, happening)
        elif happening.asks and not concerned:
            drafts += _ask([], replace(happening, kind=Kind.ASKED))
        elif happening.kind is Kind.REOPENED:
            _reopen(drafts, happening)
        else:
            for draft in concerned:
                for left in draft.take(happening):
                    _rejoin(drafts, left)
    kept = [draft.as_episode() for draft in drafts if draft.members]
    return sorted(kept, key=lambda each: (each.opened_at, each.number))


def read_call(
    call_id: int, summary: CallSummary, client: str, *, asks: bool, closes: bool
) -> Happening | None:
    """What a call was to its caller's callback; None if nothing.

    The policy says whether it asks for one, and whether being answered closes one.
    """
    if asks:
        kind = Kind.ASKED
    elif summary.filtered_by:
        return None
    elif summary.outcome is Outcome.ANSWERED:
        # Of an outbound call only a person can say so: the phone system reports none.
        kind = Kind.ANSWERED
    elif summary.direction is Direction.OUTBOUND:
        kind = Kind.DIALLED
    else:
        return None
    by = ", ".join(leg.name or leg.extension for leg in summary.answered_by or summary.legs)
    subject = ("call", call_id)
    return Happening(
        summary.started_at, kind, summary.number, subject, client, closes=closes, by=by
    )


def read_message(window_id: int, number: str, message: Mapping[str, Any], client: str) -> Happening:
    """What a text was, out of the summary of its window."""
    return Happening(
        at=datetime.fromisoformat(message["at"]),
        kind=Kind.TEXT_IN if message["is_inbound"] else Kind.TEXT_OUT,
        number=number,
        subject=("transcript", window_id),
        client=client,
        text=message["text"],
    )


def in_words(decided: Happening) -> str:
    """What closed or reopened an episode: the evidence, or the person and why."""
    if decided.kind is Kind.ANSWERED:
        return "a call with them was answered" + (f" by {decided.by}" if decided.by else "")
    return f"{decided.by}: {decided.why}" if decided.why else decided.by


@dataclass
class _Draft:
    members: list[Happening] = field(default_factory=list)
    stage: Stage = Stage.OPEN
    due_from: datetime | None = None
    closing: Happening | None = None

    @property
    def is_open(self) -> bool:
        return bool(self.members) and self.closing is None

    def asks(self) -> Iterator[Happening]:
        return (each for each in self.members if each.kind is Kind.ASKED)

    def client(self) -> str:
        return next((ask.client for ask in reversed([*self.asks()]) if ask.client), "")

    def names(self) -> set[str]:
        """The caller's numbers, and whom they were matched to."""
        return {self.client(), *(ask.number for ask in self.asks())} - {""}

    def asks_any(self, subjects: frozenset[Subject]) -> bool:
        return any(ask.subject in subjects for ask in self.asks())

    def ask(self, happening: Happening) -> None:
        if self.stage is not Stage.OPEN or self.due_from is None:
            self.stage, self.due_from = Stage.OPEN, happening.at
        self.members.append(happening)

    def absorb(self, other: "_Draft") -> None:
        """Take over all of a later one that turns out to be the same caller's."""
        waiting = [each for each in (self, other) if each.stage is Stage.OPEN]
        if waiting:
            self.stage = Stage.OPEN
            self.due_from = min(each.due_from for each in waiting if each.due_from)
        self.members = sorted([*self.members, *other.members], key=_stamp)
        other.members = []

    def take(self, happening: Happening) -> "list[_Draft]":
        """Go on by what is no asking; what of it was not closed begins anew."""
        if happening.kind is Kind.CLOSED:
            return self._close(happening)
        self.members.append(happening)
        reached_by = _STAGES[happening.kind]
        if reached_by is Stage.REPLIED and self.stage is Stage.OPEN:
            # They write before anybody has tried: it says more of what they want.
            return []
        self.stage = max(self.stage, reached_by, key=_RANKS.__getitem__)
        if happening.kind in TRIES:
            self.due_from = happening.at
        if self.stage is Stage.REACHED and happening.closes:
            self.stage, self.closing = Stage.DONE, happening
        return []

    def _close(self, happening: Happening) -> "list[_Draft]":
        if not self.asks_any(happening.of):
            return []
        unknown = [ask for ask in self.asks() if ask.subject not in happening.of]
        self.members = [each for each in self.members if each not in unknown] + [happening]
        self.stage, self.closing = Stage.DONE, happening
        return _ask([], *unknown) if unknown else []

    def as_episode(self) -> Episode:
        first = next(self.asks())
        return Episode(
            number=first.number,
            client=self.client(),
            opened_at=first.at,
            stage=self.stage,
            due_from=self.due_from or first.at,
            members=tuple(self.members),
            closing=self.closing,
        )


_STAGES = {
    Kind.DIALLED: Stage.ATTEMPTED,
    Kind.TEXT_OUT: Stage.TEXTED,
    Kind.TEXT_IN: Stage.REPLIED,
    Kind.ANSWERED: Stage.REACHED,
}
_RANKS = {stage: rank for rank, stage in enumerate(Stage)}
_ORDER = {kind: place for place, kind in enumerate(Kind)}


def _stamp(happening: Happening) -> tuple[object, ...]:
    # All of it, so that even what happened at one moment has one order.
    place = (happening.at, _ORDER[happening.kind], happening.number, happening.subject)
    said = (happening.client, sorted(happening.of), happening.by, happening.why, happening.text)
    return (*place, *said)


def _ask(concerned: list[_Draft], *happenings: Happening) -> list[_Draft]:
    """Join the oldest of those concerned, and the others to it; the new one if there is none."""
    oldest, *others = concerned or [_Draft()]
    for other in others:
        oldest.absorb(other)
    for each in happenings:
        oldest.ask(each)
    return [] if concerned else [oldest]


def _open_of(drafts: list[_Draft], names: set[str]) -> list[_Draft]:
    """Those that are open of whoever has one of these numbers, or is one of these clients."""
    return [draft for draft in drafts if draft.is_open and draft.names() & names]


def _rejoin(drafts: list[_Draft], left: _Draft) -> None:
    """What a person left open goes on by itself, unless the same caller has another open."""
    if theirs := _open_of(drafts, left.names()):
        theirs[0].absorb(left)
    else:
        drafts.append(left)


def _reopen(drafts: list[_Draft], happening: Happening) -> None:
    """The closed one goes on, unless another of theirs is open: somebody must see to that one."""
    closed = [draft for draft in drafts if draft.closing and draft.asks_any(happening.of)]
    if closed and not _open_of(drafts, closed[-1].names()):
        latest = closed[-1]
        latest.stage, latest.closing, latest.due_from = Stage.OPEN, None, happening.at
        latest.members.append(happening)
