"""Callbacks: one row and one task for each episode of "somebody must call this person back".

Moves rows for settle and for people's decisions: what is known of a caller is folded anew, and the
rows, their members and the task are made what follows. What closed is closed in the PMS too.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from ..db import Database
from ..models import Callback, CallbackMember, CallbackState, Clinic, EntryKind
from .callers import Cause, Reach, hold_callers
from .compose import compose_callback, voice_of
from .episodes import Episode, Happening, Kind, Subject, fold_episodes, in_words
from .happenings import Callers, Known, read_known
from .policy import stranger_record, task_terms
from .reconcile import Desired, reconcile
from .rules import asks_who_answered
from .subjects import get_rules, list_answered_by

ASKS, LEFT = "asks", "left"
"""What a member is to its callback; one that left keeps the trace of the task it once asked for."""
ROLES = {
    Kind.ASKED: ASKS,
    Kind.DIALLED: "tried",
    Kind.TEXT_OUT: "texted",
    Kind.TEXT_IN: "wrote",
    Kind.ANSWERED: "reached",
}
"""In the order in which one of them tells best what a window of texts is to a callback."""
IN_THE_PMS = "a person in the PMS"
LONGEST_CHAIN = 8
"""Steps by which a call leads to another number of its caller."""
NO_LONGER = "no call asks for it any more"


def settle_callbacks(
    session: Session, db: Database, clinic: Clinic, cause: Cause, asks: bool, now: datetime
) -> None:
    """Bring the callbacks that this cause may change up to date, with their tasks.

    `asks`: it asks for one itself. Raises CallersBusy as `hold_callers`. Does not commit.
    """
    held: set[str] = set()
    for _ in range(LONGEST_CHAIN):
        reach = hold_callers(session, db, clinic.id, cause, held)
        if not reach.callbacks and not asks:
            return
        callers = Callers(clinic.id, clinic.timezone, reach.numbers, reach.clients, reach.since)
        known = read_known(session, callers, now)
        wider = _widen(cause, reach, known)
        if wider == cause:
            break
        cause = wider
    episodes = fold_episodes(known.happenings)
    members = _read_members(session, reach.callbacks)
    assigned = assign(episodes, reach.callbacks, members)
    rows = _store(session, clinic.id, assigned, reach.callbacks, now)
    for row, episode in rows:
        _keep_members(session, db, row, episode, members.get(row.id, {}))
        desired = [_task(session, clinic, episode, known)] if episode else []
        subject, is_new = ("callback", row.id), row not in reach.callbacks
        reconcile(session, db, clinic.id, subject, desired, now, is_new=is_new)


def _widen(cause: Cause, reach: Reach, known: Known) -> Cause:
    """The cause with what those who asked lead to that was not looked at yet."""
    asks = [each for each in known.happenings if each.kind is Kind.ASKED]
    numbers = {each.number for each in asks} - reach.numbers
    clients = {each.client for each in asks} - reach.clients - {""}
    return replace(cause, numbers=cause.numbers | numbers, clients=cause.clients | clients)


def assign(
    episodes: Sequence[Episode],
    rows: Sequence[Callback],
    members: Mapping[int, Mapping[Subject, str]],
) -> list[tuple[Callback | None, Episode]]:
    """Each episode with the row that it is told by: one that was of the same calls, else none.

    `members` are the roles in each row, by its id.
    """
    free = {row.id: row for row in rows}
    found: list[tuple[Callback | None, Episode]] = []
    for episode in episodes:
        asking = {ask.subject for ask in episode.asks}
        fits = [row for row in free.values() if asking & members.get(row.id, {}).keys()]
        row = min(fits, key=lambda each: (each.number != episode.number, each.id), default=None)
        if row is not None:
            del free[row.id]
        found.append((row, episode))
    return found


def _store(
    session: Session,
    clinic_id: int,
    assigned: Sequence[tuple[Callback | None, Episode]],
    rows: Sequence[Callback],
    now: datetime,
) -> list[tuple[Callback, Episode | None]]:
    """The rows as they follow, with their episodes; None of what nothing asks for any more."""
    taken = {row.id for row, _ in assigned if row is not None}
    left = [row for row in rows if row.id not in taken]
    for row in left:
        if row.state is not CallbackState.WITHDRAWN:
            row.state, row.closed_by, row.closed_at = CallbackState.WITHDRAWN, NO_LONGER, now
    # A number has one open row at any moment: whatever makes room does so first.
    for each, episode in assigned:
        if each is not None and (not episode.is_open or each.number != episode.number):
            each.closed_at = each.closed_at or now
    session.flush()
    stored: list[tuple[Callback, Episode | None]] = [(row, None) for row in left]
    for each, episode in assigned:
        row = each or Callback(clinic_id=clinic_id)
        _tell(row, episode)
        session.add(row)
        stored.append((row, episode))
    session.flush()
    return stored


def _tell(row: Callback, episode: Episode) -> None:
    row.number, row.client = episode.number, episode.client
    row.state = CallbackState(episode.stage.value)
    row.opened_at = episode.opened_at
    row.closed_at = episode.closing.at if episode.closing else None
    row.closed_by = in_words(episode.closing) if episode.closing else None


def _read_members(session: Session, rows: Sequence[Callback]) -> dict[int, dict[Subject, str]]:
    found: dict[int, dict[Subject, str]] = defaultdict(dict)
    if not rows:
        return found
    query = sa.select(CallbackMember).where(
        CallbackMember.callback_id.in_([row.id for row in rows])
    )
    for each in session.scalars(query):
        found[each.callback_id][each.subject_kind, each.subject_id] = each.role
    return found


def _keep_members(
    session: Session,
    db: Database,
    row: Callback,
    episode: Episode | None,
    known: Mapping[Subject, str],
) -> None:
    wanted = dict(_roles(episode)) if episode else {}
    for subject, role in known.items():
        if subject not in wanted and role in (ASKS, LEFT):
            wanted[subject] = LEFT, row.opened_at
    mine = CallbackMember.callback_id == row.id
    for kind, number in known.keys() - wanted.keys():
        session.execute(
            sa.delete(CallbackMember).where(
                mine, CallbackMember.subject_kind == kind, CallbackMember.subject_id == number
            )
        )
    for subject, (role, at) in wanted.items():
        if known.get(subject) == role:
            continue
        given = {
            "of": row.id,
            "kind": subject[0],
            "id": subject[1],
            "as_what": role,
            "at": at,
        }
        session.execute(_join(db.is_sqlite), given)


@cache
def _join(is_sqlite: bool) -> sa.Executable:
    """The statement, built once: every callback needs it, and building it takes longer than it."""
    members: Any = CallbackMember.__table__
    insert = (sqlite.insert if is_sqlite else postgresql.insert)(members).values(
        callback_id=sa.bindparam("of"),
        subject_kind=sa.bindparam("kind"),
        subject_id=sa.bindparam("id"),
        role=sa.bindparam("as_what"),
        joined_at=sa.bindparam("at"),
    )
    return insert.on_conflict_do_update(
        index_elements=members.primary_key, set_={"role": insert.excluded.role}
    )


def _roles(episode: Episode) -> Iterator[tuple[Subject, tuple[str, datetime]]]:
    """What each call and window is to it: of a window's texts, what tells best."""
    rank = {kind: place for place, kind in enumerate(ROLES)}
    best: dict[Subject, Happening] = {}
    for each in episode.members:
        if each.kind in ROLES:
            known = best.get(each.subject)
            if known is None or rank[each.kind] < rank[known.kind]:
                best[each.subject] = each
    for subject, each in best.items():
        yield subject, (ROLES[each.kind], each.at)


def _task(session: Session, clinic: Clinic, episode: Episode, known: Known) -> Desired:
    last = episode.asks[-1].subject
    _, rules = get_rules(session, clinic.id, known.policies[last])
    client = episode.client or stranger_record(rules, "callbacks", known.kinds[last])
    answered_by = (
        list_answered_by(session, clinic.id, episode.number, episode.client, episode.opened_at)
        if asks_who_answered(rules)
        else []
    )
    terms = task_terms(
        rules,
        [known.summaries[each] for each in episode.calls],
        episode.due_from,
        answered_by,
        clinic.timezone,
        is_again=episode.was_tried,
    )
    voice = voice_of(rules, clinic.timezone, clinic.region)
    content = compose_callback(episode, known.summaries, known.keys[last], terms, voice, rules)
    if episode.closing and episode.closing.by == IN_THE_PMS:
        # It is left as the PMS's users have it.
        content["is_closed_there"] = True
    return Desired(EntryKind.TASK, client, content)
