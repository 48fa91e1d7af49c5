"""What a worker does besides settling and delivering, where it cannot be done."""

from datetime import timedelta

import sqlalchemy as sa

from factories import make_clinic, make_connection, make_entry
from ringnote.clock import utc_now
from ringnote.delivery.accounts import Accounts
from ringnote.directory.lookup import claim_lookup, queue_lookup
from ringnote.directory.sync_state import claim_due, tell_sync
from ringnote.jobs import Workplace, take_lookup, take_read_back, take_sync
from ringnote.models import Entry, EntryKind, EntryState, Lookup, Pace


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


def test_tasks_whose_secret_opens_no_more_are_left_unread_and_keep_no_others_waiting(db, runtime):
    connections = [make_connection(db, make_clinic(db)) for _ in range(2)]
    standing = {"state": EntryState.SYNCED, "pms_id": "T1"}
    standing["written_at"] = utc_now() - timedelta(days=1)
    for each in connections:
        entry_id = make_entry(db, each.clinic_id, each, EntryKind.TASK)
        with db.transaction() as session:
            at = sa.update(Entry).where(Entry.id == entry_id)
            session.execute(at.values(standing | {"connection_id": each.id}))
    place = Workplace(runtime, Accounts(runtime), lambda: False)

    for _ in connections:
        take_read_back(place, ()).act()

    assert take_read_back(place, ()) is None
    with db.reading() as session:
        failures = {each.connection_id: each.failures for each in session.scalars(sa.select(Pace))}
    assert failures == {each.id: 1 for each in connections}
