"""Which numbers and clients are one caller to a callback, and holding them against other workers.

Two calls of one caller may settle at once, from two numbers even: whoever holds their names works
alone. Callbacks and people's decisions ask it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from ..db import Database
from ..errors import RingnoteError
from ..models import Call, Callback, CallbackMember, Transcript
from .episodes import Subject

LONGEST_CHAIN = 8
"""Steps by which a number leads to a client, and that to another number."""

# Statements are built once: every settling needs them, and building them takes longer than they do.
OF_SUBJECT = sa.select(CallbackMember.callback_id).where(
    CallbackMember.subject_kind == sa.bindparam("kind"),
    CallbackMember.subject_id == sa.bindparam("id"),
)
OF_CLINIC = sa.select(Callback.id).where(Callback.clinic_id == sa.bindparam("clinic_id"))
# Each by an index of its own: asked for at once, all callbacks of the clinic are read through.
NAMED = sa.union(
    OF_CLINIC.where(Callback.number.in_(sa.bindparam("numbers", expanding=True))),
    OF_CLINIC.where(Callback.client.in_(sa.bindparam("clients", expanding=True))),
    OF_SUBJECT,
)
REACHED = (
    sa.select(Callback)
    .where(
        Callback.id.in_(NAMED),
        sa.or_(
            Callback.closed_at.is_(None),
            Callback.closed_at >= sa.bindparam("since"),
            Callback.id.in_(OF_SUBJECT),
        ),
    )
    .execution_options(populate_existing=True)
)
LOCKS = sa.func.unnest(sa.bindparam("locks", type_=ARRAY(sa.BigInteger))).column_valued()
WAIT_FOR = sa.select(sa.func.pg_advisory_xact_lock(LOCKS))
TRY = sa.select(sa.func.pg_try_advisory_xact_lock(LOCKS))


class CallersBusy(RingnoteError):
    """Another worker holds one of these callers; the same is tried again in a moment."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What happened, at the latest known: of which subject, on which numbers, by which clients."""

    subject: Subject
    numbers: frozenset[str]
    clients: frozenset[str]
    at: datetime

    @classmethod
    def of(cls, subject: Subject, number: str, client: str, at: datetime) -> "Cause":
        """With '' for a number that is none, and for a client that is not decided."""
        return cls(subject, frozenset({number} - {""}), frozenset({client} - {""}), at)


@dataclass(frozen=True, slots=True)
class Reach:
    """What a cause may change: the callbacks of these numbers and clients since then."""

    callbacks: tuple[Callback, ...]
    numbers: frozenset[str]
    clients: frozenset[str]
    since: datetime

    def names(self) -> set[str]:
        """What they are held by."""
        return {f"number {each}" for each in self.numbers} | {
            f"client {each}" for each in self.clients
        }


def hold_callers(
    session: Session, db: Database, clinic_id: int, cause: Cause, held: set[str]
) -> Reach:
    """What this cause reaches, held until the transaction ends. `held` is what already is, and
    grows.

    Raises CallersBusy where waiting could have two workers wait for each other. Does not commit.
    """
    while True:
        reach = find_reach(session, clinic_id, cause)
        missing = reach.names() - held
        if db.is_sqlite or not missing:
            return reach
        _hold(session, [_lock(clinic_id, name) for name in sorted(missing)], may_wait=not held)
        # Whoever held them before may have changed what there is.
        held |= missing


def _hold(session: Session, locks: Sequence[int], may_wait: bool) -> None:
    """Take them in this order, as all do who wait."""
    given = {"locks": locks}
    if may_wait:
        session.execute(WAIT_FOR, given)
    elif not all(session.scalars(TRY, given)):
        raise CallersBusy("another worker is at a callback of this caller")


def find_reach(session: Session, clinic_id: int, cause: Cause) -> Reach:
    """What this cause may change. A callback that had ended before it is not among that."""
    kind, key = cause.subject
    numbers, clients, since = set(cause.numbers), set(cause.clients), cause.at
    found: dict[int, Callback] = {}
    for _ in range(LONGEST_CHAIN):
        among = {"numbers": list(numbers), "clients": list(clients), "since": since}
        given = {"clinic_id": clinic_id, "kind": kind, "id": key, **among}
        rows = session.scalars(REACHED, given).all()
        if len(rows) == len(found):
            break
        found = {row.id: row for row in rows}
        numbers |= {row.number for row in rows} | _asking_numbers(session, [*found])
        clients |= {row.client for row in rows} - {""}
        since = min([since, *(row.opened_at for row in rows)])
    callbacks = tuple(found[key] for key in sorted(found))
    return Reach(callbacks, frozenset(numbers), frozenset(clients), since)


def _asking_numbers(session: Session, callback_ids: list[int]) -> set[str]:
    members = sa.and_(CallbackMember.callback_id.in_(callback_ids), CallbackMember.role == "asks")
    calls = sa.select(Call.number).join(
        CallbackMember,
        sa.and_(CallbackMember.subject_kind == "call", CallbackMember.subject_id == Call.id),
    )
    windows = sa.select(Transcript.number).join(
        CallbackMember,
        sa.and_(
            CallbackMember.subject_kind == "transcript",
            CallbackMember.subject_id == Transcript.id,
        ),
    )
    found = calls.where(members).union(windows.where(members))
    return {number for number in session.scalars(found) if number}


def _lock(clinic_id: int, name: str) -> int:
    named = f"callback {clinic_id} {name}".encode()
    return int.from_bytes(hashlib.blake2b(named, digest_size=8).digest(), "big", signed=True)
