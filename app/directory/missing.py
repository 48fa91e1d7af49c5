"""Clients that a whole reading of the PMS, or a list that replaces all, no longer tells of.

Whoever reads all clients marks those it sees with the time it began; the rest is missing.
"""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..connectors.base import PmsClient
from ..models import Client
from .bulk import among

AT_ONCE = 500


def mark_seen(
    session: Session, clinic_id: int, ids: Iterable[str], seen_at: datetime, source: str = ""
) -> None:
    """Note that the reading that began at `seen_at` told of the clients `ids`, and that this is
    from now on where they come from, if a `source` is named. No commit."""
    session.execute(
        sa.update(Client)
        .where(Client.clinic_id == clinic_id, among(session, Client.external_id, set(ids)))
        .values({"seen_at": seen_at} | ({"source": source} if source else {})),
        execution_options={"synchronize_session": False},
    )


def count_missing(session: Session, clinic_id: int, seen_at: datetime, *sources: str) -> int:
    """How many living clients the reading that began at `seen_at` did not tell of."""
    query = sa.select(sa.func.count()).select_from(Client)
    return session.scalars(query.where(*_missing(clinic_id, seen_at, sources))).one()


def next_missing(
    session: Session, clinic_id: int, seen_at: datetime, *sources: str
) -> list[PmsClient]:
    """Some hundreds of them, each as a deletion, to be stored so; empty once there is none.

    `sources` are those whose clients can be missing; none named: all.
    """
    query = sa.select(Client.external_id).where(*_missing(clinic_id, seen_at, sources))
    ids = session.scalars(query.order_by(Client.external_id).limit(AT_ONCE))
    return [PmsClient(external_id, "", is_deleted=True) for external_id in ids]


def _missing(
    clinic_id: int, seen_at: datetime, sources: tuple[str, ...]
) -> list[sa.ColumnElement[bool]]:
    # What a look-up brought since the reading began, that reading may have been past already.
    wanted = [
        Client.clinic_id == clinic_id,
        Client.deleted_at.is_(None),
        Client.updated_at < seen_at,
        sa.or_(Client.seen_at.is_(None), Client.seen_at < seen_at),
    ]
    return [*wanted, Client.source.in_(sources)] if sources else wanted
