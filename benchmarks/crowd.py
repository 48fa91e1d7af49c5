"""Many clinics with a connection each, and as many due entries of one as are asked for."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.models import Clinic, Connection, Entry, EntryKind, EntryState, OutboxRow, Pace
from ringnote.vault import Vault

from .clinic import analyze
from .pms import TOKEN

CONTENT = {
    "title": "Incoming call answered by Dana Front Desk",
    "body": "Tue 24 Nov 2026, 09:32, talked about 3 min",
    "occurred_at": "2026-11-24T14:32:00+00:00",
}


def add_connections(db: Database, vault: Vault, addresses: Sequence[str]) -> list[int]:
    """A clinic connected to the sandbox PMS at each address; the connections' ids. Commits."""
    now = utc_now()
    secrets = vault.seal({"token": TOKEN})
    with db.transaction() as session:
        clinics = session.scalars(
            sa.insert(Clinic).returning(Clinic.id, sort_by_parameter_order=True),
            [
                {
                    "name": f"Clinic {number}",
                    "container_id": f"container-{number}",
                    "tenant_id": "",
                    "timezone": "America/New_York",
                    "region": "US",
                    "created_at": now,
                }
                for number in range(len(addresses))
            ],
        ).all()
        connections = session.scalars(
            sa.insert(Connection).returning(Connection.id, sort_by_parameter_order=True),
            [
                {
                    "clinic_id": clinic,
                    "connector": "sandbox",
                    "settings": {"base_url": address},
                    "secrets": secrets,
                    "created_at": now,
                }
                for clinic, address in zip(clinics, addresses, strict=True)
            ],
        ).all()
        session.execute(
            sa.insert(Pace),
            [{"connection_id": each, "last_served_at": now, "failures": 0} for each in connections],
        )
    return list(connections)


def add_due(db: Database, wanted: Mapping[int, int], clients: Mapping[int, str]) -> None:
    """As many new due notes as is `wanted` of each connection, for its client. Commits.

    Made in the database itself: a hundred thousand take seconds.
    """
    now = utc_now()
    with db.transaction() as session:
        for connection_id, count in wanted.items():
            _add_due(session, connection_id, count, clients.get(connection_id, "C1"), now)
    analyze(db)


def _add_due(
    session: sa.orm.Session, connection_id: int, count: int, client: str, now: datetime
) -> None:
    first = session.scalars(sa.select(sa.func.coalesce(sa.func.max(Entry.id), 0))).one() + 1
    numbers = sa.select(sa.literal(first).label("id")).cte("numbers", recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.id + 1).where(numbers.c.id < first + count - 1))
    clinic = sa.select(Connection.clinic_id).where(Connection.id == connection_id)
    note = {
        "id": numbers.c.id,
        "clinic_id": clinic.scalar_subquery(),
        "subject_kind": sa.literal("call"),
        "subject_id": numbers.c.id,
        "kind": sa.literal(EntryKind.NOTE, Entry.kind.type),
        "client": sa.literal(client),
        "state": sa.literal(EntryState.DUE, Entry.state.type),
        "version": sa.literal(1),
        "content": sa.literal(CONTENT, Entry.content.type),
        "is_wanted": sa.true(),
        "reference": sa.literal("rn-crowd-").concat(sa.cast(numbers.c.id, sa.Text)),
        "incarnation": sa.literal(1),
        "created_at": sa.literal(now, Entry.created_at.type),
        "updated_at": sa.literal(now, Entry.updated_at.type),
    }
    row = {
        "entry_id": numbers.c.id,
        "connection_id": sa.literal(connection_id),
        "due_at": sa.literal(now, OutboxRow.due_at.type),
        "attempts": sa.literal(0),
        "is_in_doubt": sa.false(),
        "queued_at": sa.literal(now, OutboxRow.queued_at.type),
    }
    for table, values in ((Entry, note), (OutboxRow, row)):
        chosen = sa.select(*values.values())
        session.execute(sa.insert(table).from_select(list(values), chosen, include_defaults=False))
