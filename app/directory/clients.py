"""Keeps clients and their numbers as the PMS tells them, for import, sync and look-ups.

Only what differs is written, so that a repeated import or page costs reads alone.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..connectors.base import Phone, PmsClient
from ..db import Database
from ..models import Client, ClientNumber
from ..numbers import read_numbers
from .accounts import read_foreign_times
from .bulk import among, upsert
from .flaws import LABELLED, MOST_KEPT, Flaw, find_flaw
from .missing import mark_seen
from .told import fit_clients

CLIENTS: Any = Client.__table__
NUMBERS: Any = ClientNumber.__table__
Columns = dict[str, str]


@dataclass(slots=True)
class Tally:
    """How many clients were what, added up over several batches."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    unreadable_numbers: int = 0

    @property
    def clients(self) -> int:
        return self.added + self.updated + self.unchanged + self.deleted


@dataclass(frozen=True, slots=True)
class Plan:
    """What storing a batch would change, worked out without writing."""

    clients: list[PmsClient]
    """Those to insert or update."""
    numbers: list[tuple[str, Columns]]
    """The client's external id, and the columns of a number to insert or update."""
    dropped: list[int]
    """Keys of numbers that are a client's no longer."""
    changed: set[str]
    """E.164 of numbers that were added or changed hands."""
    tally: Tally


@dataclass(slots=True)
class _Known:
    """A client as it stands, with the numbers it has, by E.164."""

    row: Any
    numbers: dict[str, Any] = field(default_factory=dict)


def store_clients(
    session: Session,
    db: Database,
    clinic_id: int,
    clients: Sequence[PmsClient],
    source: str,
    now: datetime,
    region: str,
    tally: Tally | None = None,
    seen_at: datetime | None = None,
    *,
    owns: bool = True,
) -> set[str]:
    """Insert or update `clients` (a batch of some hundreds; of two with one id, the last counts).

    Returns the numbers (E.164) that were added or changed hands. Numbers that cannot be read are
    kept with their client as flaws and counted in `tally`. `seen_at` is when the reading began that
    tells of these; with `owns` even those that are as they were are from `source` from now on. Does
    not commit.
    """
    clients = fit_clients(clients)
    plan = plan_clients(session, clinic_id, clients, region)
    keys = _write_clients(session, db, clinic_id, plan.clients, source, now, region)
    if plan.dropped:
        session.execute(sa.delete(NUMBERS).where(among(session, NUMBERS.c.id, plan.dropped)))
    if plan.numbers:
        _write_numbers(session, db, clinic_id, plan.numbers, keys)
    if seen_at is not None:
        ids = (client.id for client in clients)
        mark_seen(session, clinic_id, ids, seen_at, source if owns else "")
    if tally is not None:
        add_up(tally, plan.tally)
    return plan.changed


def plan_clients(
    session: Session, clinic_id: int, clients: Sequence[PmsClient], region: str
) -> Plan:
    """Work out what storing `clients` would change. Reads only."""
    batch = {client.id: client for client in clients}
    known = _known_clients(session, clinic_id, batch)
    foreign = read_foreign_times(session, clinic_id)
    plan = Plan([], [], [], set(), Tally())
    for client in batch.values():
        was = known.get(client.id)
        _plan_client(plan, client, was, region)
        if was and foreign.hold_client(was.row):
            # Though nothing else differs, it is from now on a client of the account in use.
            plan.changed.update(was.numbers)
    return plan


def count_clients(session: Session, clinic_ids: Collection[int]) -> dict[int, int]:
    """How many living clients each of these clinics has; one without any is left out."""
    living = [Client.clinic_id.in_(clinic_ids), Client.deleted_at.is_(None)]
    query = sa.select(Client.clinic_id, sa.func.count()).where(*living).group_by(Client.clinic_id)
    return {row[0]: row[1] for row in session.execute(query)}


def add_up(tally: Tally, more: Tally) -> None:
    """Add `more` to `tally`."""
    for name in ("added", "updated", "unchanged", "deleted", "unreadable_numbers"):
        setattr(tally, name, getattr(tally, name) + getattr(more, name))


@lru_cache(maxsize=2048)
def read_phones(
    phones: tuple[Phone, ...], region: str
) -> tuple[Mapping[str, Columns], Sequence[Flaw]]:
    """Numbers by E.164, ready for the table, and what is wrong with the fields."""
    numbers: dict[str, Columns] = {}
    flaws: list[Flaw] = []
    for phone in phones:
        read = [each for each in read_numbers(phone.number, region) if each.e164]
        if len(flaws) < MOST_KEPT and (flaw := find_flaw(phone, read)):
            flaws.append(flaw)
        for number in read:
            numbers.setdefault(
                number.e164,
                {
                    "number": number.e164,
                    "national": number.national,
                    "raw": number.raw,
                    "label": number.label or phone.label,
                },
            )
    return numbers, flaws


def _plan_client(plan: Plan, client: PmsClient, known: _Known | None, region: str) -> None:
    found, flaws = read_phones(client.phones, region)
    wanted = dict(found)
    has = known.numbers if known else {}
    if client.is_deleted and client.merged_into is None:
        wanted = {}
    elif client.merged_into is not None:
        # Its callers still ring from these: they lead to the client it was merged into.
        wanted = {number: _as_columns(row) for number, row in has.items()} | wanted
    for number, columns in wanted.items():
        if number not in has or _as_columns(has[number]) != columns:
            plan.numbers.append((client.id, columns))
    plan.dropped.extend(row.id for number, row in has.items() if number not in wanted)
    plan.changed.update(wanted.keys() ^ has.keys())
    plan.tally.unreadable_numbers += sum(flaw["kind"] != LABELLED for flaw in flaws)
    if known is None:
        if client.is_deleted and client.merged_into is None:
            plan.tally.unchanged += 1
        else:
            plan.clients.append(client)
            plan.tally.added += 1
        return
    if _is_gone(client) and not client.name:
        client = replace(client, name=known.row.name, patients=tuple(known.row.patients))
    if _stands_for(known.row) != _will_stand_for(client):
        plan.changed.update(wanted, has)
    if not _is_same(known.row, client, flaws):
        plan.clients.append(client)
    elif wanted.keys() == has.keys():
        plan.tally.unchanged += 1
        return
    if _is_gone(client):
        plan.tally.deleted += 1
    else:
        plan.tally.updated += 1


def _known_clients(session: Session, clinic_id: int, ids: Iterable[str]) -> dict[str, _Known]:
    rows = session.execute(
        sa.select(CLIENTS).where(
            CLIENTS.c.clinic_id == clinic_id, among(session, CLIENTS.c.external_id, ids)
        )
    ).all()
    by_key = {row.id: _Known(row) for row in rows}
    if by_key:
        for number in session.execute(
            sa.select(NUMBERS).where(among(session, NUMBERS.c.client_id, by_key))
        ):
            by_key[number.client_id].numbers[number.number] = number
    return {known.row.external_id: known for known in by_key.values()}


def _write_clients(
    session: Session,
    db: Database,
    clinic_id: int,
    clients: Sequence[PmsClient],
    source: str,
    now: datetime,
    region: str,
) -> dict[str, int]:
    """Upsert them; returns their keys by external id."""
    if not clients:
        return {}
    rows = [
        {
            "clinic_id": clinic_id,
            "external_id": client.id,
            "name": client.name,
            "patients": list(client.patients),
            "source": source,
            "updated_at": now,
            "deleted_at": now if _is_gone(client) else None,
            "merged_into": client.merged_into,
            "flaws": list(read_phones(client.phones, region)[1]),
        }
        # One order for all, so that two who store the same clients never lock each other out.
        for client in sorted(clients, key=lambda client: client.id)
    ]
    found = upsert(session, db, CLIENTS, rows, ("clinic_id", "external_id"), ("external_id", "id"))
    return {row.external_id: row.id for row in found}


def _write_numbers(
    session: Session,
    db: Database,
    clinic_id: int,
    numbers: Sequence[tuple[str, Columns]],
    keys: dict[str, int],
) -> None:
    missing = sorted({external_id for external_id, _ in numbers} - keys.keys())
    if missing:
        found = session.execute(
            sa.select(Client.external_id, Client.id).where(
                Client.clinic_id == clinic_id, among(session, Client.external_id, missing)
            )
        )
        keys = keys | {row.external_id: row.id for row in found}
    rows = [
        {"clinic_id": clinic_id, "client_id": keys[external_id], **columns}
        for external_id, columns in sorted(numbers, key=lambda item: (item[0], item[1]["number"]))
    ]
    upsert(session, db, NUMBERS, rows, ("client_id", "number"))


def _is_gone(client: PmsClient) -> bool:
    return client.is_deleted or client.merged_into is not None


def _as_columns(row: Any) -> Columns:
    return {"number": row.number, "national": row.national, "raw": row.raw, "label": row.label}


def _is_same(row: Any, client: PmsClient, flaws: Sequence[Flaw]) -> bool:
    return bool(
        row.name == client.name
        and (row.flaws or []) == list(flaws)
        and list(row.patients) == list(client.patients)
        and (row.deleted_at is not None) == _is_gone(client)
        and row.merged_into == client.merged_into
    )


def _stands_for(row: Any) -> str | None:
    return row.merged_into or (None if row.deleted_at else row.external_id)


def _will_stand_for(client: PmsClient) -> str | None:
    return client.merged_into or (None if client.is_deleted else client.id)
