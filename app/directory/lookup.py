"""Asks the PMS for numbers that the tables do not know: queued by settling, answered by the worker.

An answer also looks at the tables again, so that a client who was stored while a call was being
settled is not overlooked.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..clock import Clock
from ..connectors.base import Connector, Phone, PmsClient
from ..db import Database
from ..errors import ConnectorError, CredentialsRejected, RateLimited, RecordRejected, Temporary
from ..models import Clinic, Connection, ConnectionState, Lookup
from ..numbers import read_number
from ..signals import announce, number_unmatched
from .clients import store_clients
from .match import match_number, read_matching
from .waiting import keep_waiting, mark_waiting

REMEMBERED_SECONDS = 600.0
"""How long an answer is not asked for again."""
LEASE = timedelta(seconds=120)
"""Longer than the connector's tries to get one answer."""
REFUSED_SECONDS = 300.0
FIRST_WAIT_SECONDS = 10.0
LONGEST_WAIT_SECONDS = 3600.0

BEING_ASKED = sa.select(Lookup.number).where(
    Lookup.clinic_id == sa.bindparam("clinic_id"),
    Lookup.number == sa.bindparam("number"),
    Lookup.due_at.is_not(None),
)
"""Built once, as the settling of whoever nobody knows asks it again and again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A look-up that was taken on, and until when it is ours."""

    clinic_id: int
    region: str
    number: str
    failures: int
    leased_until: datetime
    creates_as: str | None = None
    """The name under which a client is to be made if the PMS knows none."""
    create_key: str = ""


def queue_lookup(session: Session, db: Database, clinic_id: int, number: str) -> None:
    """Have the PMS asked for `number` (E.164; anything else is left alone).

    Not again within ten minutes of its last answer. Does not commit.
    """
    if not number.startswith("+"):
        return
    insert = db.insert(Lookup).values(
        clinic_id=clinic_id, number=number, due_at=db.now(), failures=0
    )
    stale = sa.or_(
        Lookup.answered_at.is_(None), Lookup.answered_at <= db.later(-REMEMBERED_SECONDS)
    )
    session.execute(
        insert.on_conflict_do_update(
            index_elements=[Lookup.clinic_id, Lookup.number],
            set_={"due_at": insert.excluded.due_at, "failures": 0},
            where=sa.and_(Lookup.due_at.is_(None), stale),
        )
    )


def is_being_asked(session: Session, clinic_id: int, number: str) -> bool:
    """Whether the PMS has yet to say whether it knows `number`."""
    given = {"clinic_id": clinic_id, "number": number}
    return session.scalars(BEING_ASKED, given).first() is not None


def answer_lookup(db: Database, lookup: Asked, connector: Connector | None, clock: Clock) -> bool:
    """Ask the PMS and keep what it says; where it knows nobody, make the client that is wanted.
    Returns whether the PMS refused to be asked.

    `connector` is None where the clinic has none in use. No transaction is open while the PMS is
    asked. Commits.
    """
    try:
        found = _ask(connector, lookup.number)
        if found or connector is None or not _may_create(lookup, connector):
            _store(db, lookup, found, "lookup", clock())
            return False
        lookup = _take_on(db, lookup)
        _create(db, lookup, connector, clock)
    except CredentialsRejected:
        _postpone(db, lookup, REFUSED_SECONDS, has_failed=False)
        return True
    except RateLimited as error:
        _postpone(db, lookup, error.retry_after or FIRST_WAIT_SECONDS, has_failed=False)
    except ConnectorError as error:
        named = error.retry_after if isinstance(error, Temporary) else None
        _postpone(db, lookup, named or _back_off(lookup.failures), has_failed=True)
    return False


def put_off(db: Database, lookup: Asked) -> None:
    """Ask later, as nothing can be asked through now. Commits."""
    _postpone(db, lookup, _back_off(lookup.failures), has_failed=True)


def _may_create(lookup: Asked, connector: Connector) -> bool:
    return lookup.creates_as is not None and connector.capabilities.create_client


def _take_on(db: Database, lookup: Asked) -> Asked:
    """Hold it for as long again: the question before may have taken so long that another worker is
    at it by now, which raises Temporary."""
    with db.transaction() as session:
        until = db.present(session) + LEASE
        if not _finish(session, lookup, due_at=until):
            raise Temporary("another worker took it on")
    return replace(lookup, leased_until=until)


def _create(db: Database, lookup: Asked, connector: Connector, clock: Clock) -> None:
    with db.reading() as session:
        known = match_number(
            session, lookup.clinic_id, lookup.number, _national(lookup), clock()
        ).kind
    if known != "none":
        _store(db, lookup, [], "lookup", clock())
        return
    name, number = str(lookup.creates_as), lookup.number
    try:
        made = connector.create_client(name, number, lookup.create_key)
    except RecordRejected as error:
        _refuse(db, lookup, str(error), clock())
    else:
        made = replace(made, name=made.name or name, phones=made.phones or (Phone(number),))
        _store(db, lookup, [made], "created", clock())


def _ask(connector: Connector | None, number: str) -> list[PmsClient]:
    if connector is None or not connector.capabilities.search_by_phone:
        return []
    return connector.find_clients(number)


def claim_lookup(db: Database, besides: Collection[int] = ()) -> Asked | None:
    """Take on the look-up that has been due longest, by pushing its time ahead. Commits.

    None of the clinics `besides`, of which something is being asked already: a PMS that hangs holds
    up its own clinic alone. Nor of those whose connection is paused: they come once it is resumed.
    """
    paused = sa.exists().where(
        Connection.clinic_id == Lookup.clinic_id,
        Connection.ended_at.is_(None),
        Connection.state == ConnectionState.PAUSED,
    )
    is_due = sa.and_(Lookup.due_at <= db.now(), Lookup.clinic_id.not_in(besides), ~paused)
    with db.reading() as session:
        # On SQLite a glance costs the other writers nothing, a transaction does.
        if session.scalars(sa.select(Lookup.number).where(is_due).limit(1)).first() is None:
            return None
    oldest = sa.select(Lookup).where(is_due).order_by(Lookup.due_at).limit(1)
    with db.transaction() as session:
        row = session.scalars(oldest.with_for_update(skip_locked=True)).first()
        if row is None:
            return None
        row.due_at = until = db.present(session) + LEASE
        region = session.scalars(sa.select(Clinic.region).where(Clinic.id == row.clinic_id)).one()
        name = None if row.created_client or row.refusal else row.creates_as
        return Asked(
            row.clinic_id, region, row.number, row.failures, until, name, row.create_key or ""
        )


def _store(db: Database, lookup: Asked, found: list[PmsClient], source: str, now: datetime) -> None:
    values: dict[str, object] = {"due_at": None, "answered_at": now, "failures": 0}
    values["found"] = len(found)
    if source == "created":
        values["created_client"] = found[0].id
    with db.transaction() as session:
        if not _finish(session, lookup, **values):
            return
        where = (lookup.clinic_id, found, source, now, lookup.region)
        seen_at = max(now, db.present(session))
        changed = store_clients(session, db, *where, seen_at=seen_at, owns=False)
        decided = match_number(session, lookup.clinic_id, lookup.number, _national(lookup), now)
        policy = read_matching(session, lookup.clinic_id)
        if decided.kind != "none" or policy.unknown != "wait":
            changed = changed | {lookup.number}
        else:
            keep_waiting(session, lookup.clinic_id, lookup.number)
        if decided.kind == "none":
            announce(session, number_unmatched, lookup.clinic_id, number=lookup.number, kind="none")
        mark_waiting(session, db, lookup.clinic_id, changed)


def _refuse(db: Database, lookup: Asked, reason: str, now: datetime) -> None:
    """The PMS would not have such a client: a person must say whose the number is."""
    with db.transaction() as session:
        if _finish(session, lookup, due_at=None, answered_at=now, found=0, refusal=reason):
            mark_waiting(session, db, lookup.clinic_id, [lookup.number])


def _national(lookup: Asked) -> str:
    return read_number(lookup.number, lookup.region).national


def _postpone(db: Database, lookup: Asked, seconds: float, *, has_failed: bool) -> None:
    with db.transaction() as session:
        _finish(
            session, lookup, due_at=db.later(seconds), failures=lookup.failures + int(has_failed)
        )


def _finish(session: Session, lookup: Asked, **values: object) -> bool:
    """Write what became of it, unless another has taken it on since."""
    held = session.scalars(
        sa.update(Lookup)
        .where(
            Lookup.clinic_id == lookup.clinic_id,
            Lookup.number == lookup.number,
            Lookup.due_at == lookup.leased_until,
        )
        .values(values)
        .returning(Lookup.number),
        execution_options={"synchronize_session": False},
    ).all()
    return bool(held)


def _back_off(failures: int) -> float:
    return float(min(FIRST_WAIT_SECONDS * 3 ** min(failures, 10), LONGEST_WAIT_SECONDS))
