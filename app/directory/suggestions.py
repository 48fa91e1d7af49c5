"""Whom a number that waits may belong to, the likeliest first, with why. Reads only.

Those who share it are ranked by the name that was shown; for a number that nobody has, clients of
such a name are looked for.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Client
from .accounts import read_foreign_times
from .bulk import among, portions
from .names import is_name, likeness, rank

ALIKE = 85
SIMILAR = 60
MOST = 3
"""How many are suggested for a number that nobody has."""
NAMES_AT_ONCE = 25
"""For how many numbers, the latest, clients are looked for by name: one pass over the clients."""
MOST_FOUND = 2000

Suggestion = dict[str, Any]


def suggest(
    session: Session, clinic_id: int, waiting: Iterable[Mapping[str, Any]]
) -> dict[str, list[Suggestion]]:
    """By number, its candidates: each `id`, `name`, `likeness` (0 to 100) and `why`, in words.

    `waiting` has `number`, `caller_name` and `candidates` (ids) of each, the latest first.
    """
    known = list(waiting)
    names = _names(session, clinic_id, {client for each in known for client in each["candidates"]})
    unknown = [each for each in known if not each["candidates"] and is_name(each["caller_name"])]
    alike = _named_like(session, clinic_id, [e["caller_name"] for e in unknown[:NAMES_AT_ONCE]])
    found = {}
    for each in known:
        shown = each["caller_name"]
        if each["candidates"]:
            ranked = rank(shown, {client: names.get(client, "") for client in each["candidates"]})
        else:
            ranked = [pair for pair in rank(shown, alike) if pair[1] >= ALIKE][:MOST]
        found[each["number"]] = [
            {
                "id": client,
                "name": names.get(client) or alike.get(client, ""),
                "likeness": score,
                "why": _why(score, has_number=bool(each["candidates"])),
            }
            for client, score in ranked
        ]
    return found


def _why(score: int, *, has_number: bool) -> str:
    words = ["has this number"] if has_number else []
    if score >= ALIKE:
        words.append("has the name that was shown")
    elif score >= SIMILAR:
        words.append("has a name similar to the one shown")
    return " and ".join(words)


def _names(session: Session, clinic_id: int, clients: set[str]) -> dict[str, str]:
    return {
        row.external_id: row.name
        for some in portions(clients)
        for row in session.execute(
            sa.select(Client.external_id, Client.name).where(
                Client.clinic_id == clinic_id, among(session, Client.external_id, some)
            )
        )
    }


def _named_like(session: Session, clinic_id: int, shown: list[str]) -> dict[str, str]:
    """The living clients whose name holds the longest word of one of these, and is like it."""
    words = sorted({max(name.replace(",", " ").split(), key=len).lower() for name in shown})
    if not words:
        return {}
    holds = (sa.func.lower(Client.name).contains(word, autoescape=True) for word in words)
    rows = session.execute(
        sa.select(Client.external_id, Client.name, Client.seen_at, Client.updated_at)
        .where(Client.clinic_id == clinic_id, Client.deleted_at.is_(None), sa.or_(*holds))
        .limit(MOST_FOUND)
    )
    foreign = read_foreign_times(session, clinic_id)
    return {
        row.external_id: row.name
        for row in rows
        if not foreign.hold_client(row) and any(likeness(name, row.name) >= ALIKE for name in shown)
    }
