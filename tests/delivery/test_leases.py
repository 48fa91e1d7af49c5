"""The leases of a worker, while its database has no connection free, and afterwards."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import sqlalchemy as sa
from databases import take_one

from factories import make_clinic, make_connection, make_entry
from ringnote.delivery import leases as module
from ringnote.delivery.claim import claim
from ringnote.delivery.leases import Leases
from ringnote.delivery.outbox import renew
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


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_one_that_somebody_holds_up_does_not_hold_up_the_others(db):
    clinic = make_clinic(db)
    connection = make_connection(db, clinic)
    for _ in range(3):
        make_entry(db, clinic, connection)
    first, *others = claim(db, 3)

    with db.transaction() as session, ThreadPoolExecutor(1) as pool:
        session.get_one(OutboxRow, first.entry_id, with_for_update=True)
        renewing = pool.submit(renew, db, [first, *others])
        try:
            renewed = renewing.result(5)
        finally:
            session.rollback()

    assert renewed == {work.lease_token for work in others}
    assert renew(db, [first]) == {first.lease_token}
