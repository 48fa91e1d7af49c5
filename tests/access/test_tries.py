import threading
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from ringnote.access.tries import FIRST_PAUSE, FREE, LONGEST_PAUSE, count_try, forgive
from ringnote.models import SignInTries

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


def tried(db, name="kim", address="192.0.2.1", at=NOW):
    """How long to wait, None if the try is let through."""
    with db.transaction() as session:
        return count_try(session, db, name, address, at)


def test_the_first_failures_cost_nothing_and_each_later_one_twice_as_much(db):
    addresses = (f"192.0.2.{number}" for number in range(1, 99))
    waits, at = [], NOW

    for _ in range(FREE["name"] + 9):
        assert tried(db, address=next(addresses), at=at) is None
        waits.append(tried(db, address=next(addresses), at=at) if len(waits) >= 4 else None)
        at += waits[-1] or timedelta(0)

    assert waits[:4] == [None] * 4
    assert waits[4:7] == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4]
    assert waits[-1] == LONGEST_PAUSE


def test_a_refused_try_makes_the_pause_no_longer(db):
    for _ in range(FREE["name"] + 50):
        tried(db)

    assert tried(db, at=NOW + FIRST_PAUSE) is None


def test_another_name_from_the_same_address_is_let_through_until_the_address_is_guessing(db):
    for number in range(FREE["address"]):
        assert tried(db, name=f"user-{number}") is None

    assert tried(db, name="kim") == FIRST_PAUSE
    assert tried(db, name="kim", address="192.0.2.2") is None


def test_the_right_password_forgives_the_name_and_takes_back_the_address_s_one_try(db):
    for number in range(FREE["address"] - 1):
        tried(db, name=f"user-{number}")
    for _ in range(3):
        assert tried(db) is None
        with db.transaction() as session:
            forgive(session, "kim", "192.0.2.1")

    assert tried(db) is None
    assert tried(db) == FIRST_PAUSE


def test_a_day_later_all_is_forgotten(db):
    for _ in range(FREE["name"] + 1):
        tried(db)

    assert tried(db, at=NOW + timedelta(hours=25)) is None
    with db.reading() as session:
        assert set(session.scalars(sa.select(SignInTries.failures))) == {1}


def test_what_was_typed_as_a_name_is_not_kept(db):
    tried(db, name="paper lantern on a hill")

    with db.reading() as session:
        keys = session.scalars(sa.select(SignInTries.key)).all()
    assert not any("paper" in key or "192" in key for key in keys)


def test_many_at_once_are_counted_one_by_one(db):
    found, lock = [], threading.Lock()

    def one():
        wait = tried(db)
        with lock:
            found.append(wait)

    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found.count(None) == FREE["name"]
