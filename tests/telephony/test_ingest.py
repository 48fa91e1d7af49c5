"""Keeping webhooks: what is stored of them, whatever the receiver's clock says."""

from datetime import timedelta

import sqlalchemy as sa

from factories import make_clinic
from ringnote.clock import utc_now
from ringnote.models import Event
from stories import Phone


def received(runtime):
    with runtime.db.reading() as session:
        return session.scalars(sa.select(Event.received_at)).all()


def test_a_receiver_whose_clock_is_ahead_does_not_have_its_calls_wait_as_long(runtime):
    phone = Phone(runtime, make_clinic(runtime.db), at=utc_now() + timedelta(minutes=5))

    phone.missed("u-1")

    assert max(received(runtime)) <= utc_now()


def test_a_time_of_receipt_that_has_been_is_kept_as_it_is(runtime):
    at = utc_now() - timedelta(minutes=5)
    phone = Phone(runtime, make_clinic(runtime.db), at=at)

    phone.dials("u-1")

    assert received(runtime) == [at + timedelta(seconds=3)]
