"""What a worker does besides settling and delivering, where it cannot be done."""

import sqlalchemy as sa

from factories import make_clinic, make_connection
from ringnote.delivery.accounts import Accounts
from ringnote.directory.lookup import claim_lookup, queue_lookup
from ringnote.directory.sync_state import claim_due, tell_sync
from ringnote.jobs import Workplace, take_lookup, take_sync
from ringnote.models import Lookup


def test_where_the_plugin_is_gone_nothing_is_held_as_under_way_and_the_sync_says_why(db, runtime):
    clinic = make_clinic(db)
    connection = make_connection(db, clinic, connector="gone")
    with db.transaction() as session:
        queue_lookup(session, db, clinic.id, "+12125550142")
    place = Workplace(runtime, Accounts(runtime), lambda: False)

    for job in (take_sync(place, ()), take_lookup(place, ())):
        job.act()

    with db.reading() as session:
        told = tell_sync(session, db, connection.id)
        lookup = session.scalars(sa.select(Lookup)).one()
    assert told["state"] == "stopped"
    assert told["reason"].startswith("no connector is called gone")
    assert lookup.failures == 1
    assert (claim_due(db), claim_lookup(db)) == (None, None)
