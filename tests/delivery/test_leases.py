"""The leases of a worker, while its database has no connection free, and afterwards."""

from contextlib import ExitStack

import sqlalchemy as sa
from databases import take_one

from factories import make_clinic, make_connection, make_entry
from ringnote.delivery import leases as module
from ringnote.delivery.claim import claim
from ringnote.delivery.leases import Leases
from ringnote.models import OutboxRow
from running import wait_for


def test_they_are_renewed_again_once_a_connection_is_free(db, monkeypatch, caplog):
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.02)
    monkeypatch.setattr(db.engine.pool, "_timeout", 0.02)
    clinic = make_clinic(db)
    make_entry(db, clinic, make_connection(db, clinic))
    leases = Leases(db)

    def due_at():
        with db.reading() as session:
            return session.scalars(sa.select(OutboxRow.due_at)).one()

    with leases.kept():
        leases.hold(claim(db, 1), 0.0)
        with ExitStack() as taken:
            wait_for(lambda: take_one(db, taken) or "delivery.renew_failed" in caplog.text)
        was_due_at = due_at()

        wait_for(lambda: due_at() > was_due_at)
