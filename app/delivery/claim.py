"""Claims due rows of the outbox under a lease, of the connections least recently served first."""

import secrets
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from ..connectors import CONNECTORS
from ..db import Database
from .bucket import Bucket
from .claim_queries import (
    BUY,
    ENTRIES,
    IN_FLIGHT_BY_CONNECTION,
    IN_FLIGHT_IN_TROUBLE,
    LEASE,
    LEASE_SECONDS,
    due_of_many,
    due_of_one,
    eligible,
    paced,
    serve,
    told_now,
)
from .cost import requests_for
from .work import Work

CONNECTIONS_A_CLAIM = 16


def claim(
    db: Database,
    limit: int,
    besides: Collection[int] = (),
    rooms: Mapping[str, int] = MappingProxyType({}),
) -> list[Work]:
    """Lease up to `limit` due rows, of the connections least recently served first. Commits.

    None of the connections `besides`, which the caller has enough to do with, and no more of those
    whose PMS is at one of the hosts in `rooms` than is said there. Of a connection whose PMS's
    rate is declared no more than its requests can be bought for; the rest stays due.
    """
    full = [host for host, room in rooms.items() if room <= 0]
    asked = {"most": min(limit, CONNECTIONS_A_CLAIM), "besides": list(besides), "full": full}
    if db.is_sqlite and not _is_anything_due(db, asked):
        return []
    with db.transaction() as session:
        connection = session.connection()
        served = connection.execute(serve(db.tells_time), {**asked, **told_now(db)}).all()
        if not served:
            return []
        now = served[0].last_served_at
        taken = _take(db, connection, _shares(served, limit, rooms), now)
        work = _pay(connection, taken, now)
        _lease(connection, work, now + timedelta(seconds=LEASE_SECONDS))
    return work


def waits_for_tokens(db: Database) -> bool:
    """Whether something is due that can be paid for now or in a moment."""
    asked = {"most": 1, "besides": [], "full": [], **told_now(db)}
    with db.reading() as session:
        return session.connection().execute(paced(db.tells_time), asked).first() is not None


def _is_anything_due(db: Database, asked: Mapping[str, Any]) -> bool:
    # On SQLite a glance costs the other writers nothing, a transaction does.
    with db.reading() as session:
        glance = session.connection().execute(eligible(db.tells_time), {**asked, **told_now(db)})
        return glance.first() is not None


def _shares(served: Sequence[Any], limit: int, rooms: Mapping[str, int]) -> list[dict[str, int]]:
    """Of each connection `id`: how many rows to take, and to have in flight, at most."""
    share, over = divmod(limit, len(served))
    left = dict(rooms)
    shares = []
    for place, row in enumerate(served):
        mine = share + (place < over)
        if row.host in left:
            mine = min(mine, left[row.host])
            left[row.host] -= mine
        most = IN_FLIGHT_IN_TROUBLE if row.failures else IN_FLIGHT_BY_CONNECTION
        shares.append({"id": row.connection_id, "share": mine, "most": most})
    return shares


def _take(
    db: Database, connection: sa.Connection, shares: list[dict[str, int]], now: datetime
) -> list[tuple[Work, Any]]:
    """The due rows of these connections, locked, each with the entry that it stands for."""
    told = told_now(db)
    if db.is_sqlite:
        one = due_of_one(db.tells_time)
        rows = [row for share in shares for row in connection.execute(one, {**share, **told})]
    else:
        asked = {f"{name}s": [share[name] for share in shares] for name in ("id", "share", "most")}
        rows = list(connection.execute(due_of_many(db.tells_time), {**asked, **told}))
    # In a statement of its own: what a lock was waited for may have changed the entry, too.
    found = connection.execute(ENTRIES, {"ids": [row.entry_id for row in rows]})
    entries = {entry.id: entry for entry in found}
    return [(_work(row, entries[row.entry_id], now), entries[row.entry_id]) for row in rows]


def _work(row: Any, entry: Any, now: datetime) -> Work:
    return Work(
        entry_id=row.entry_id,
        connection_id=row.connection_id,
        lease_token=secrets.token_hex(8),
        version=entry.version,
        kind=entry.kind,
        client=entry.client,
        content=entry.content,
        is_wanted=entry.is_wanted,
        reference=entry.reference,
        incarnation=entry.incarnation,
        pms_id=entry.pms_id,
        attempts=row.attempts,
        is_in_doubt=row.is_in_doubt,
        queued_at=row.queued_at,
        claimed_at=now,
        unanswered=row.unanswered,
        host=entry.host,
        is_done_there=entry.is_done_there,
        connector=entry.connector,
    )


def _pay(connection: sa.Connection, taken: Sequence[tuple[Work, Any]], now: datetime) -> list[Work]:
    """What of this work is free or can be paid for, in one statement if anything is to be."""
    buckets, spent = _buckets(taken), Counter[int]()
    work = []
    for each, entry in taken:
        if bucket := buckets.get(each.connection_id):
            tokens = bucket.whole_tokens(now) - spent[each.connection_id]
            each = replace(each, prepaid=min(_cost(each, entry.connector), tokens))
            spent[each.connection_id] += each.prepaid
        # One at least is taken on; what that lacks is bought when it is needed.
        if bucket is None or each.prepaid:
            work.append(each)
    bought = [
        {
            "id": connection_id,
            "known": buckets[connection_id].ready_at,
            "ready_at": buckets[connection_id].less(tokens, now).ready_at,
        }
        for connection_id, tokens in sorted((+spent).items())
    ]
    if bought and connection.execute(BUY, bought).rowcount != len(bought):
        # Somebody bought of one of them at the same moment: they come next time.
        return [each for each in work if not each.prepaid]
    return work


def _buckets(taken: Sequence[tuple[Work, Any]]) -> dict[int, Bucket]:
    """By connection, of those that are written to at a rate."""
    return {
        work.connection_id: Bucket(entry.tokens, entry.per_second, entry.refilled_at)
        for work, entry in taken
        if entry.refilled_at is not None
    }


def _cost(work: Work, connector: str) -> int:
    kind = CONNECTORS.get(connector)
    return requests_for(work, kind.capabilities) if kind else 1


def _lease(connection: sa.Connection, work: Sequence[Work], until: datetime) -> None:
    leases = [
        {
            "id": each.entry_id,
            "token": each.lease_token,
            "until": until,
            # If this worker dies from here on, a create may have been sent: the next one looks
            # first. Or a delete: then what is gone was not deleted by the PMS's users.
            "in_doubt": each.is_in_doubt or not each.pms_id or not each.is_wanted,
        }
        for each in work
    ]
    if leases:
        connection.execute(LEASE, leases)
