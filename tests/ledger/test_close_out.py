"""A day reckoned up: the sum is right whatever happened, and nothing is unexplained."""

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factories import make_client, make_clinic
from ringnote.ledger.close_out import Day, close_day
from ringnote.ledger.close_out_text import mail_text, subject_line
from ringnote.models import Clinic, DueMark, Event
from stories import CALLER, Phone, settle

MIDDAY = datetime(2024, 11, 20, 17, 0, tzinfo=UTC)
DAY = date(2024, 11, 20)


@pytest.fixture
def clinic(db):
    clinic = make_clinic(db, name="Oak Street Vets")
    make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    return clinic


@pytest.fixture
def phone(runtime, clinic):
    return Phone(runtime, clinic, at=MIDDAY)


def reckon(runtime, clinic, day=DAY):
    with runtime.db.reading() as session:
        return close_day(session, session.get_one(Clinic, clinic.id), day)


def test_each_call_and_day_of_texts_stands_under_one_disposition(runtime, phone, clinic):
    phone.answered("u-1")
    phone.missed("u-2", "+12125550177")
    phone.text("Hello")
    phone.missed("u-3", "anonymous")
    settle(runtime)
    phone.rings("u-4")

    told = reckon(runtime, clinic)

    counted = {name: count for name, count in told["dispositions"].items() if count}
    assert counted == {"due": 2, "waiting": 1, "filtered": 1, "open": 1}
    assert (told["calls"], told["texts"]) == (4, 1)
    assert told["unexplained"] == []


def test_withheld_callers_who_were_missed_are_listed(runtime, phone, clinic):
    phone.missed("u-1", "anonymous")
    phone.answered("u-2", "anonymous")

    settle(runtime)

    [withheld] = reckon(runtime, clinic)["withheld"]
    assert (withheld["call_uuid"], withheld["line"]) == ("u-1", "Main")
    assert "withheld" in mail_text(reckon(runtime, clinic))


def test_what_cannot_be_read_and_what_is_unknown_is_counted_apart(runtime, phone, clinic):
    phone.post(b"nonsense")
    phone.event("somethingNew", "u-1")

    told = reckon(runtime, clinic)

    assert told["events"] == {"received": 2, "quarantined": 1, "unknown": 1}
    assert sum(told["dispositions"].values()) == 0


def test_an_event_that_nothing_accounts_for_is_told_of(runtime, phone, clinic):
    phone.missed("u-1")
    with runtime.db.transaction() as session:
        session.execute(sa.delete(DueMark))

    told = reckon(runtime, clinic)

    assert len(told["unexplained"]) == 3
    assert "UNEXPLAINED: 3 webhooks" in mail_text(told)
    assert "3 unexplained" in subject_line(told)


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (DAY, 24)]
)
def test_a_day_is_as_long_as_the_clinics_clock_makes_it(day, hours):
    within = Day.of(day, "America/New_York")

    assert within.ends_at - within.starts_at == timedelta(hours=hours)


def test_a_call_at_midnight_is_of_one_day_alone(runtime, clinic):
    late = Phone(runtime, clinic, at=datetime(2024, 11, 1, 3, 59, 55, tzinfo=UTC))
    late.missed("u-1")
    settle(runtime)

    counts = [
        reckon(runtime, clinic, date(2024, 10, 31) + timedelta(days=n))["calls"] for n in range(3)
    ]

    assert counts == [1, 0, 0]


def test_a_quiet_day_is_in_order(runtime, clinic):
    told = reckon(runtime, clinic)

    assert subject_line(told) == "Oak Street Vets, Wednesday 20 November 2024: all in order"


STEPS = ("answered", "missed", "dials", "text", "rings", "nonsense", "unknown", "withheld")


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 60), st.booleans()), max_size=10))
def test_the_days_sum_up_to_all_that_came_whatever_it_was(runtime, steps):
    clinic = make_clinic(runtime.db)
    phone = Phone(runtime, clinic)
    calls = texts = 0
    for place, (what, hours, has_settled) in enumerate(steps):
        phone.at = MIDDAY + timedelta(hours=hours, minutes=place)
        if what == "nonsense":
            phone.post(b"nonsense")
        elif what == "unknown":
            phone.event("somethingNew", f"u-{place}")
        elif what == "text":
            phone.text("Hello", client=CALLER)
            texts += 1
        elif what == "withheld":
            phone.missed(f"u-{place}", "anonymous")
        else:
            getattr(phone, what)(f"u-{place}")
        calls += what not in ("nonsense", "unknown", "text")
        if has_settled:
            settle(runtime)

    days = [reckon(runtime, clinic, DAY + timedelta(days=number)) for number in range(5)]

    with runtime.db.reading() as session:
        received = session.scalars(
            sa.select(sa.func.count()).select_from(Event).where(Event.clinic_id == clinic.id)
        ).one()
    for told in days:
        assert told["unexplained"] == []
        assert sum(told["dispositions"].values()) == told["calls"] + told["texts"]
    assert sum(told["calls"] for told in days) == calls
    assert sum(told["events"]["received"] for told in days) == received
    assert sum(told["texts"] for told in days) <= texts
    assert bool(sum(told["texts"] for told in days)) == bool(texts)
