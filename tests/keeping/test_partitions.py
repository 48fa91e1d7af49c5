"""The event table's months on PostgreSQL: made ahead, dropped whole, and never in anyone's way.

A month may begin between any two lines of these tests: the databases that they begin with have the
month in which the run began, and the two after it.
"""

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote import schema
from ringnote.clock import utc_now
from ringnote.db import Database
from ringnote.keeping.partitions import Partition, list_partitions, month_of
from ringnote.models import Event, lowest_event_id, new_event_id
from stories import CALLER, Phone, calls, purge, settle, write

STRANGER = "+12125550177"


ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
"""SQLite keeps its plain table: see test_events."""


@pytest.fixture
def clinic(runtime):
    return make_clinic(runtime.db)


@pytest.fixture
def phone(runtime, clinic):
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    make_connection(runtime.db, clinic)
    return Phone(runtime, clinic, at=month_of(utc_now(), -6) + timedelta(days=3))


def names(runtime):
    with runtime.db.reading() as session:
        return [each.name for each in list_partitions(session)]


def counts(runtime):
    """How many events lie in which partition."""
    with runtime.db.reading() as session:
        rows = session.execute(
            sa.text("SELECT tableoid::regclass::text, count(*) FROM ringnote_event GROUP BY 1")
        )
        return dict(rows.all())


def make_month(runtime, month):
    low, high = lowest_event_id(month), lowest_event_id(month_of(month, 1))
    name = f"ringnote_event_{month:%Y%m}"
    with runtime.db.transaction() as session:
        session.execute(
            sa.text(
                f"CREATE TABLE {name} PARTITION OF ringnote_event"
                f" FOR VALUES FROM ('{low}') TO ('{high}')"
            )
        )
    return name


def in_a_month_that_lasts():
    """The time, once its month lasts for a minute yet."""
    now = utc_now()
    left = (month_of(now, 1) - now).total_seconds()
    if left < 60:
        time.sleep(left)
    return utc_now()


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
def test_this_month_and_the_two_after_it_are_there_from_the_start(empty_database_url):
    now = in_a_month_that_lasts()
    db = Database(empty_database_url)
    schema.migrate(db)

    with db.reading() as session:
        made = [each.name for each in list_partitions(session)]
    db.dispose()
    assert made == [f"ringnote_event_{month_of(now, ahead):%Y%m}" for ahead in range(3)]


@ON_POSTGRESQL
def test_a_webhook_lies_in_its_month_and_is_found_by_its_id_alone(runtime, phone):
    phone.at = month_of(utc_now(), 1) + timedelta(days=1)
    month = f"ringnote_event_{phone.at:%Y%m}"
    receipt = phone.event("HangupCall", "u-1")

    assert list(counts(runtime)) == [month]
    with runtime.db.reading() as session:
        plan = session.execute(
            sa.text("EXPLAIN SELECT * FROM ringnote_event WHERE id = :id"), {"id": receipt.event_id}
        )
        said = "\n".join(plan.scalars())
    assert said.count("ringnote_event_") == said.count(month) > 0


@ON_POSTGRESQL
def test_an_id_can_be_there_once_only_whatever_the_time_of_receipt(runtime, clinic, phone):
    phone.at = utc_now()
    receipt = phone.event("HangupCall", "u-1")

    with pytest.raises(sa.exc.IntegrityError), runtime.db.transaction() as session:
        session.add(
            Event(
                id=receipt.event_id,
                clinic_id=clinic.id,
                received_at=utc_now() - timedelta(days=90),
                content_type="",
                body=b"",
                status="quarantined",
                fields={},
            )
        )


@ON_POSTGRESQL
def test_a_month_that_is_missing_is_made_with_what_came_for_it_meanwhile(runtime, phone):
    begins = month_of(utc_now(), 1)
    month = f"ringnote_event_{begins:%Y%m}"
    with runtime.db.transaction() as session:
        session.execute(sa.text(f"DROP TABLE {month}"))
    phone.at = begins + timedelta(days=1)
    phone.event("HangupCall", "u-1")
    assert counts(runtime) == {"ringnote_event_default": 1}

    purge(runtime)

    assert month in names(runtime)
    assert counts(runtime) == {month: 1}


@ON_POSTGRESQL
def test_an_old_month_of_which_all_may_go_is_dropped(runtime, phone):
    month = make_month(runtime, month_of(phone.at))
    phone.answered("u-1")
    settle(runtime)
    write(runtime, MemoryConnector())
    assert counts(runtime) == {month: 4}

    purged = purge(runtime)

    assert month not in names(runtime)
    assert purged["partitions"] == 1
    assert counts(runtime) == {}
    assert all(each.frozen_at for each in calls(runtime))


@ON_POSTGRESQL
def test_what_waits_for_a_match_is_carried_out_of_a_month_that_is_dropped(runtime, phone):
    month = make_month(runtime, month_of(phone.at))
    phone.answered("u-1")
    phone.answered("u-2", caller=STRANGER)
    settle(runtime)
    write(runtime, MemoryConnector())

    purge(runtime)

    assert month not in names(runtime)
    assert counts(runtime) == {"ringnote_event_default": 4}
    assert {each.call_uuid: bool(each.frozen_at) for each in calls(runtime)} == {
        "u-1": True,
        "u-2": False,
    }


@ON_POSTGRESQL
def test_a_month_of_which_too_much_must_stay_loses_the_rest_by_rows(runtime, phone, monkeypatch):
    monkeypatch.setattr("ringnote.keeping.house.CARRIED_MOST", 3)
    month = make_month(runtime, month_of(phone.at))
    phone.answered("u-1")
    phone.answered("u-2", caller=STRANGER)
    settle(runtime)
    write(runtime, MemoryConnector())

    purge(runtime)

    assert counts(runtime) == {month: 4}


@ON_POSTGRESQL
def test_a_webhook_that_comes_while_its_month_is_dropped_is_not_lost(runtime, phone, monkeypatch):
    from ringnote.keeping import house

    month = make_month(runtime, month_of(phone.at))
    phone.answered("u-1")
    settle(runtime)
    write(runtime, MemoryConnector())
    drop = house.drop_partition

    def after_another_came(*arguments):
        phone.event("HangupCall", "u-3", extNumber="", callerIdNum=CALLER)
        drop(*arguments)

    monkeypatch.setattr("ringnote.keeping.house.drop_partition", after_another_came)

    purge(runtime)

    assert month not in names(runtime)
    assert counts(runtime) == {"ringnote_event_default": 1}


@ON_POSTGRESQL
def test_months_that_are_not_old_enough_stay(runtime):
    month = make_month(runtime, month_of(utc_now() - timedelta(days=60)))

    purge(runtime)

    assert month in names(runtime)


@contextmanager
def reading_at_length(db: Database):
    with db.reading() as session:
        session.execute(sa.text("SELECT count(*) FROM ringnote_event")).all()
        yield


@ON_POSTGRESQL
def test_whoever_reads_at_length_is_not_waited_for(runtime):
    month = make_month(runtime, month_of(utc_now(), -6))

    with reading_at_length(runtime.db):
        purged = purge(runtime)
        assert month in names(runtime)
    assert purged is not None
    purge(runtime)

    assert month not in names(runtime)


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
def test_a_table_full_of_events_becomes_the_partition_of_all_months_so_far(empty_database_url):
    db = Database(empty_database_url)
    schema.migrate(db, "0008")
    now = in_a_month_that_lasts()
    times = [datetime(2024, 2, 29, tzinfo=UTC), now, now + timedelta(days=40)]
    times.append(now + timedelta(days=4000))
    ids = [new_event_id(each) for each in times]
    with db.transaction() as session:
        session.execute(
            sa.text(
                "INSERT INTO ringnote_clinic (id, name, container_id, tenant_id, timezone, region,"
                " created_at) VALUES (1, 'One', '1', '', 'UTC', 'US', now())"
            )
        )
        for event_id, at in zip(ids, times, strict=True):
            session.execute(
                sa.text(
                    "INSERT INTO ringnote_event (id, clinic_id, received_at, content_type, body,"
                    " status, fields) VALUES (:id, 1, :at, '', 'x', 'accepted', '{}')"
                ),
                {"id": event_id, "at": at},
            )

    schema.migrate(db)

    schema.autogenerate_check(db)
    with db.reading() as session:
        rows = session.execute(sa.text("SELECT id, tableoid::regclass::text FROM ringnote_event"))
        where = dict(rows.all())
        [first, *_] = list_partitions(session)
    assert [where[each] for each in ids] == [
        "ringnote_event_before",
        "ringnote_event_before",
        f"ringnote_event_{times[2]:%Y%m}",
        "ringnote_event_default",
    ]
    high = lowest_event_id(month_of(now, 1))
    assert first == Partition("ringnote_event_before", "", high)

    schema.migrate(db, "0008")
    with db.reading() as session:
        kept = session.scalars(sa.text("SELECT id FROM ringnote_event ORDER BY id")).all()
    assert kept == sorted(ids)
    db.dispose()
