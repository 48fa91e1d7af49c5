"""What a replay would change in the PMS: it is carried out caller by caller, and each time undone.

So what it tells is what settling would do, not a guess at it. Commands call it.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import get_history

from ..db import Database
from ..errors import InputError, RingnoteError
from ..models import (
    Call,
    Conversation,
    DueMark,
    Entry,
    EntryKind,
    EntryState,
    SubjectKind,
    Transcript,
)
from ..once import reading_once
from ..runtime import Runtime
from ..telephony.marks import Subject
from .callers import CallersBusy
from .replay import Plan, correct, unpin_policy
from .settle import lock_subjects, settle_held

Change = Literal["added", "amended", "withdrawn"]
Changed = tuple[Change, EntryKind]
Read = TypeVar("Read")
Group = Sequence[Subject]
"""Subjects that may be of one callback."""
Former = tuple[int, bool]
"""An entry's version, and whether it was wanted."""
MOST_AT_ONCE = 20
"""Subjects that are tried in one transaction, so that none takes long."""
PAUSE_SECONDS = 0.005
"""SQLite has one writer at a time: what is live goes first in between."""
KEYS_AT_ONCE = 500
BUSY_SECONDS = 0.02
BUSY_TRIES = 500

LEFT = (EntryState.SYNCED, EntryState.WITHDRAWN)
"""How an entry stands that has changed, and that is not to be written for it."""


class _UndoneError(RingnoteError):
    """Takes a trial back."""


class _BusyError(RingnoteError):
    """A worker is at one of these just now."""


def try_out(
    runtime: Runtime, plan: Plan, *, by_newest: bool, progress: Callable[[int], None]
) -> Counter[Changed]:
    """How many entries of each kind a replay would add, amend and withdraw. Writes nothing.

    Raises InputError where a worker holds on to one of the subjects for long.
    """
    trial = _Trial(runtime, plan, by_newest)
    found: dict[object, Changed] = {}
    done = 0
    for groups in _together(_by_caller(trial)):
        for changes in trial.patiently(groups, _read_changes):
            found.update(changes)
        done += sum(map(len, groups))
        progress(done)
    return Counter(found.values())


class _Trial:
    """Settles some subjects as a replay would have it, and undoes it."""

    def __init__(self, runtime: Runtime, plan: Plan, by_newest: bool) -> None:
        self.runtime = runtime
        self.plan = plan
        self._by_newest = by_newest
        self._events: dict[Subject, list[str]] = defaultdict(list)
        for event_id, subjects in plan.differing.items():
            for subject in subjects:
                self._events[subject].append(event_id)

    def patiently(self, groups: Sequence[Group], read: Callable[..., Read]) -> list[Read]:
        """What `read` makes of the session, the subjects and the entries touched, once settled; of
        each group by itself.

        Waits for those who are at one of the subjects just now.
        """
        found: list[Read] = []
        for _ in range(BUSY_TRIES):
            more, groups = self._try(groups, read)
            found += more
            if not groups:
                return found
            time.sleep(BUSY_SECONDS)
        raise InputError("A worker is at one of these for long; nothing was changed, so try again.")

    def _try(
        self, groups: Sequence[Group], read: Callable[..., Read]
    ) -> tuple[list[Read], list[Group]]:
        """What is read of them, and those that somebody else is at."""
        found, busy = [], []
        with (
            suppress(_UndoneError),
            self.runtime.db.transaction() as session,
            reading_once(session),
        ):
            every = [each for subjects in groups for each in subjects]
            free = lock_subjects(session, self.runtime.db, every)
            for subjects in groups:
                try:
                    if not free.issuperset(subjects):
                        raise _BusyError
                    found.append(self._try_one(session, subjects, read))
                except (CallersBusy, _BusyError):
                    busy.append(subjects)
            raise _UndoneError
        if self.runtime.db.is_sqlite:
            time.sleep(PAUSE_SECONDS)
        return found, busy

    def _try_one(self, session: Session, subjects: Group, read: Callable[..., Read]) -> Read:
        # Undone by itself, its caller is let go of, so that no two wait for each other's.
        with suppress(_UndoneError), session.begin_nested():
            with _watching(session) as touched:
                self._settle(session, subjects)
                session.flush()
            found = read(session, subjects, touched)
            raise _UndoneError
        return found

    def _settle(self, session: Session, subjects: Sequence[Subject]) -> None:
        if ids := {each for one in subjects for each in self._events.get(one, ())}:
            correct(session, sorted(ids))
        if self._by_newest:
            unpin_policy(session, subjects)
        for subject in subjects:
            settle_held(session, self.runtime, subject)
        _settle_digests(session, self.runtime, {clinic_id for clinic_id, _, _ in subjects})


def _by_caller(trial: _Trial) -> Iterator[list[Subject]]:
    """The subjects that may be of one callback together, some at a time."""
    subjects = list(trial.plan.subjects)
    with trial.runtime.db.reading() as session:
        callers = _read_callers(session, subjects)
    new = ([each] for each in subjects if each not in callers)
    for groups in _together(new):
        for found in trial.patiently(groups, lambda session, mine, _: _read_callers(session, mine)):
            callers |= found
    by_caller: dict[object, list[Subject]] = defaultdict(list)
    for subject in subjects:
        by_caller[callers.get(subject, subject)].append(subject)
    for mine in by_caller.values():
        for start in range(0, len(mine), MOST_AT_ONCE):
            yield mine[start : start + MOST_AT_ONCE]


def _together(groups: Iterable[Group]) -> Iterator[list[Group]]:
    """As many of them at a time as one transaction tries."""
    some: list[Group] = []
    for each in groups:
        if some and sum(map(len, some)) + len(each) > MOST_AT_ONCE:
            yield some
            some = []
        some.append(each)
    if some:
        yield some


def _read_callers(session: Session, subjects: Sequence[Subject]) -> dict[Subject, tuple[int, str]]:
    """By subject, its clinic and a number of whoever called or texted, where that is known."""
    keys: dict[tuple[int, SubjectKind], list[str]] = defaultdict(list)
    for clinic_id, kind, key in subjects:
        keys[clinic_id, kind].append(key)
    found = {}
    for (clinic_id, kind), mine in keys.items():
        for start in range(0, len(mine), KEYS_AT_ONCE):
            query = _numbers(clinic_id, kind, mine[start : start + KEYS_AT_ONCE])
            for key, number in session.execute(query):
                found[clinic_id, kind, key] = clinic_id, number
    return found


def _numbers(clinic_id: int, kind: SubjectKind, keys: Sequence[str]) -> sa.Select[str, str]:
    if kind is SubjectKind.CALL:
        return sa.select(Call.call_uuid, Call.number).where(
            Call.clinic_id == clinic_id, Call.call_uuid.in_(keys), Call.number != ""
        )
    return (
        sa.select(Conversation.conversation_key, Transcript.number)
        .join(Transcript, Transcript.conversation_id == Conversation.id)
        .where(Conversation.clinic_id == clinic_id, Conversation.conversation_key.in_(keys))
    )


def _read_changes(
    _session: Session, subjects: Sequence[Subject], touched: Mapping[Entry, Former | None]
) -> dict[object, Changed]:
    """By entry, what the PMS would see of it. The ids of new ones are given anew in each trial."""
    return {
        entry.id if former else (subjects[0], entry.id): (change, entry.kind)
        for entry, former in touched.items()
        if (change := _change(entry, former))
    }


def _hold(session: Session, db: Database, subjects: Sequence[Subject]) -> None:
    if len(lock_subjects(session, db, subjects)) < len(subjects):
        raise _BusyError


def _settle_digests(session: Session, runtime: Runtime, clinic_ids: Iterable[int]) -> None:
    """Settle what the others have marked: the notes that tell of several at once."""
    for clinic_id in clinic_ids:
        marks = sa.select(DueMark.subject_key).where(
            DueMark.clinic_id == clinic_id, DueMark.subject_kind == SubjectKind.DIGEST
        )
        for number in session.scalars(marks).all():
            subject = clinic_id, SubjectKind.DIGEST, number
            _hold(session, runtime.db, [subject])
            settle_held(session, runtime, subject)


@contextmanager
def _watching(session: Session) -> Iterator[dict[Entry, Former | None]]:
    """The entries that are written until the block ends, each as it was before; None if new."""
    touched: dict[Entry, Former | None] = {}

    def note(flushed: Session, _context: Any) -> None:
        for each in flushed.new:
            if isinstance(each, Entry):
                touched[each] = None
        for each in flushed.dirty:
            if isinstance(each, Entry) and each not in touched:
                touched[each] = _before(each, "version"), _before(each, "is_wanted")

    sa.event.listen(session, "after_flush", note)
    try:
        yield touched
    finally:
        sa.event.remove(session, "after_flush", note)


def _before(entry: Entry, name: str) -> Any:
    history = get_history(entry, name)
    former: Sequence[Any] = history.deleted or history.unchanged
    return former[0]


def _change(entry: Entry, former: Former | None) -> Change | None:
    """What the PMS would see of it."""
    if former is None:
        return None if entry.state in LEFT else "added"
    version, was_wanted = former
    if entry.version == version or entry.state is EntryState.SYNCED:
        return None
    if entry.is_wanted and entry.state is not EntryState.WITHDRAWN:
        return "amended" if was_wanted else "added"
    # A task that a person has done there stays as it is.
    is_theirs = entry.is_done_there and entry.content.get("is_closed_there")
    return "withdrawn" if was_wanted and not is_theirs else None
