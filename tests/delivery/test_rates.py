"""Declared rates: what all who ask a PMS send together, and what that holds up."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from factories import make_clinic, make_entry
from fakes import MemoryConnector, tools
from ringnote.clock import utc_now
from ringnote.connectors.base import Rate
from ringnote.delivery import bucket as buckets
from ringnote.delivery import claim as claiming
from ringnote.delivery.accounts import Accounts
from ringnote.delivery.bucket import APART_SECONDS, Bucket
from ringnote.delivery.claim import claim, waits_for_tokens
from ringnote.delivery.connections import open_connection
from ringnote.delivery.cost import requests_for
from ringnote.delivery.deliver import deliver
from ringnote.delivery.meter import Meter, prepaid
from ringnote.delivery.trial_meter import TrialMeter
from ringnote.directory.accounts import is_same_account
from ringnote.errors import RateLimited
from ringnote.models import Attempt, Entry, EntryKind, EntryState, OutboxRow, Pace, PaceBucket
from ringnote.runtime import Runtime
from ringnote.sandbox.limit import Limit
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store
from ringnote.worker import Worker

TOKEN = "a-token-of-the-pretend-pms"
NOWHERE = "http://127.0.0.1:9"
SLOW = "30/3000"
RATES = st.builds(Rate, st.integers(1, 250), st.sampled_from([0.5, 1.0, 10.0, 60.0]))


def connected(runtime, rate="", url=NOWHERE, clinic=None):
    clinic = clinic or make_clinic(runtime.db).id
    given = {"base_url": url, **({"rate": rate} if rate else {})}
    with runtime.db.transaction() as session:
        return open_connection(
            session, runtime, clinic, "sandbox", given, {"token": TOKEN}, now=utc_now()
        )


def owe(runtime, connection, count, **over):
    return [make_entry(runtime.db, connection.clinic_id, connection, **over) for _ in range(count)]


def fill_up(runtime):
    with runtime.db.transaction() as session:
        session.execute(sa.update(PaceBucket).values(refilled_at=utc_now() - timedelta(hours=1)))


@given(RATES, st.data())
def test_no_window_ever_holds_more_than_the_rate_allows_even_with_requests_on_their_way(rate, data):
    now = utc_now()
    bucket, sent = Bucket.of(rate, now), []
    for _ in range(60):
        now += timedelta(seconds=data.draw(st.sampled_from([0.0, 0.01, 0.1, 1.0, rate.seconds])))
        taken = bucket.whole_tokens(now)
        bucket = bucket.less(taken, now)
        sent += [now] * taken

    window = timedelta(seconds=rate.seconds + APART_SECONDS)
    for one_too_many, first in zip(sent[rate.requests :], sent, strict=False):
        assert one_too_many - first >= window


@given(RATES)
def test_at_least_six_in_ten_of_the_requests_that_a_rate_allows_are_sent(rate):
    began = now = utc_now()
    bucket, count = Bucket.of(rate, now), 2 * rate.requests
    for _ in range(count):
        now += timedelta(seconds=bucket.seconds_until(1, now))
        bucket = bucket.less(1, now)

    assert (now - began).total_seconds() * 0.6 <= count * rate.seconds / rate.requests


def test_what_was_taken_and_given_back_is_there_again():
    now = utc_now()
    bucket = Bucket.of(Rate(100, 10.0), now - timedelta(seconds=60))

    assert bucket.whole_tokens(now) == 10
    assert bucket.less(7, now).whole_tokens(now) == 3
    assert bucket.less(7, now).more(5).whole_tokens(now) == 8
    assert bucket.less(10, now).more(10).whole_tokens(now) == 10
    assert bucket.less(11, now).seconds_until(1, now) == pytest.approx(
        2 / bucket.per_second, abs=1e-5
    )


@pytest.fixture
def slow(runtime):
    """A connection with three tokens, which come back too slowly to matter."""
    connection = connected(runtime, SLOW)
    fill_up(runtime)
    return connection


def test_no_more_is_claimed_than_can_be_paid_for_and_the_rest_stays_due_untried(runtime, slow):
    db = runtime.db
    owe(runtime, slow, 4)
    unlimited = connected(runtime)
    owe(runtime, unlimited, 2)

    claimed = claim(db, 16)
    again = claim(db, 16)

    paid = [(work.connection_id == slow.id, work.prepaid) for work in claimed]
    assert sorted(paid) == [(False, 0)] * 2 + [(True, 1)] * 3
    assert again == []
    assert waits_for_tokens(db)
    with db.reading() as session:
        left = session.scalars(sa.select(OutboxRow).where(OutboxRow.lease_token.is_(None))).one()
        served_at = session.get_one(Pace, slow.id).last_served_at
        assert left.attempts == 0
        assert served_at == session.get_one(Pace, unlimited.id).last_served_at
    fill_up(runtime)
    assert [work.entry_id for work in claim(db, 16)] == [left.entry_id]
    assert not waits_for_tokens(db)


def test_what_needs_more_requests_is_paid_for_in_full_but_for_the_last(runtime, slow):
    owe(runtime, slow, 3)
    with runtime.db.transaction() as session:
        session.execute(sa.update(OutboxRow).values(is_in_doubt=True))

    assert [work.prepaid for work in claim(runtime.db, 16)] == [2, 1]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_somebody_else_bought_at_the_same_moment_is_not_sold_twice(runtime, slow, monkeypatch):
    owe(runtime, slow, 2)
    take = claiming._take

    def be_late(*asked):
        taken = take(*asked)
        buy(runtime, slow)
        return taken

    monkeypatch.setattr(claiming, "_take", be_late)
    late = claim(runtime.db, 16)
    monkeypatch.setattr(claiming, "_take", take)

    assert late == []
    assert [work.prepaid for work in claim(runtime.db, 16)] == [1, 1]
    assert claim(runtime.db, 16) == []


def meter_of(runtime, connection):
    meter = Meter(runtime.db, connection.id)
    meter.rates = (Rate(*map(int, connection.settings["rate"].split("/"))),)
    return meter


def test_a_trial_waits_for_each_rate_that_a_request_counts_for():
    waits, at = [], [utc_now()]

    def sleep(seconds):
        waits.append(seconds)
        at[0] += timedelta(seconds=seconds)

    meter = TrialMeter(lambda: at[0], sleep)
    meter.rates = (Rate(1, 4.0), Rate(1, 2.0, "search", counts_for_all=True))

    for kind in ("", "search", "search", "other"):
        meter.pass_(kind)

    apart = APART_SECONDS
    assert waits == pytest.approx([0, 0, 4 + apart, 0, 4 + apart], abs=1e-3)


def buy(runtime, connection):
    meter_of(runtime, connection).pass_("")


@pytest.mark.parametrize("counts_for_all", [False, True])
def test_a_search_is_bought_of_all_requests_too_where_it_counts_for_them(
    runtime, slow, counts_for_all
):
    meter = meter_of(runtime, slow)
    searches = Rate(100, 1000.0, "search", counts_for_all)
    meter.rates = (*meter.rates, searches)

    meter.pass_("search")

    with runtime.db.reading() as session:
        row = session.get_one(PaceBucket, (slow.id, ""))
        left = Bucket(row.tokens, row.per_second, row.refilled_at)
        assert left.whole_tokens(runtime.db.present(session)) == (2 if counts_for_all else 3)


def test_who_reads_leaves_one_to_those_who_write_and_is_told_when_to_come_back(runtime, slow):
    for _ in range(2):
        buy(runtime, slow)
    with pytest.raises(RateLimited) as refused:
        buy(runtime, slow)

    assert 10 < refused.value.retry_after < 3000
    owe(runtime, slow, 2)
    assert len(claim(runtime.db, 16)) == 1


def test_a_try_uses_what_was_bought_for_it_and_buys_what_it_lacks(runtime, slow):
    with prepaid(3) as left:
        buy(runtime, slow)
    Accounts(runtime).give_back(slow.id, left.tokens)
    assert left.tokens == 2

    # Never more than it holds.
    owe(runtime, slow, 4)
    assert len(claim(runtime.db, 16)) == 3
    with prepaid(0), pytest.raises(RateLimited):
        buy(runtime, slow)


def test_an_endpoint_without_a_rate_is_asked_at_once(runtime, slow):
    for _ in range(5):
        meter_of(runtime, slow).pass_("another kind")


def test_a_connection_of_an_earlier_version_keeps_to_what_is_declared_by_now(runtime, slow):
    with runtime.db.transaction() as session:
        session.execute(sa.update(PaceBucket).values(kind="former"))
    owe(runtime, slow, 1)

    Accounts(runtime).connector(slow.id)

    with runtime.db.reading() as session:
        assert session.scalars(sa.select(PaceBucket.kind)).all() == [""]
    assert [work.prepaid for work in claim(runtime.db, 16)] == [1]


def test_another_rate_makes_no_other_account(runtime, slow):
    lower = connected(runtime, "10/3000", clinic=slow.clinic_id)

    assert is_same_account(slow, lower)


@pytest.mark.parametrize("is_in_doubt", [False, True])
@pytest.mark.parametrize("is_wanted", [True, False])
@pytest.mark.parametrize("stands", [False, True])
@pytest.mark.parametrize("kind", [EntryKind.NOTE, EntryKind.TASK])
def test_a_try_makes_as_many_requests_as_it_was_reckoned_to(
    runtime, kind, stands, is_wanted, is_in_doubt
):
    connection, pms = connected(runtime), MemoryConnector()
    owe(runtime, connection, 1, kind=kind)
    [work] = claim(runtime.db, 1)
    if stands:
        written = deliver(work, pms, tools(runtime.db))
        work, pms.calls = replace(work, pms_id=written.pms_id), []
    content = {**work.content, "body": "Another text"}
    work = replace(work, content=content, is_wanted=is_wanted, is_in_doubt=is_in_doubt)

    deliver(work, pms, tools(runtime.db))

    if not stands and not is_wanted and not is_in_doubt:
        # There is always one to pay for: it is looked for in case a former try left it there.
        assert len(pms.calls) <= 1
    else:
        assert len(pms.calls) == requests_for(work, pms.capabilities)


class Counting(Limit):
    """A limit that tells how many requests it took and refused."""

    def __init__(self, *limit):
        super().__init__(*limit)
        self.waits = []

    def take(self):
        self.waits.append(super().take())
        return self.waits[-1]


def test_two_workers_and_who_reads_beside_them_stay_within_the_limit_that_a_pms_enforces(
    runtime, monkeypatch
):
    # A busy machine holds requests up for longer than those that a deployment is made for.
    monkeypatch.setattr(buckets, "APART_SECONDS", 1.5)
    store, limit = Store(":memory:"), Counting(48, 4.0)
    [client] = store.clients.add([{"name": "Jane Doe", "phones": [], "patients": []}])
    with Server(create_pms(":memory:", TOKEN, store=store, limit=limit)) as server:
        connection = connected(runtime, "48/4", server.url)
        ids = owe(runtime, connection, 50, client=client)
        other = Runtime.from_settings(runtime.settings)

        def read():
            for _ in range(5):
                Accounts(other).connector(connection.id).find_clients("+12125550142")

        works = [Worker(runtime).run_until_idle, Worker(other).run_until_idle, read]
        with ThreadPoolExecutor(len(works)) as pool:
            for each in [pool.submit(work) for work in works]:
                each.result()
        other.close()
    store.close()

    with runtime.db.reading() as session:
        states = session.scalars(sa.select(Entry.state).where(Entry.id.in_(ids))).all()
        outcomes = session.scalars(sa.select(Attempt.outcome)).all()
    assert states == [EntryState.SYNCED] * 50
    assert outcomes == ["written"] * 50
    # More than are taken at once, so that those who kept to no common rate would be refused.
    assert len(limit.waits) >= 55
    assert not any(limit.waits)
