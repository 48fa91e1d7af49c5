from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from ringnote.access.sessions import (
    IDLE,
    LONGEST,
    begin_session,
    end_session,
    find_session,
    is_touch_due,
    touch_session,
)
from ringnote.access.users import add_user
from ringnote.models import BrowserSession, Role

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.fixture
def session(db):
    with db.transaction() as session:
        yield session


@pytest.fixture
def user(session):
    return add_user(session, "kim", Role.VIEWER, None, None, NOW)


def test_a_cookie_is_known_again_and_is_not_what_is_kept(session, user):
    cookie = begin_session(session, user, NOW)

    row, owner = find_session(session, cookie, NOW)
    assert owner is user
    assert cookie not in row.token_hash
    assert find_session(session, row.token_hash, NOW) is None
    assert find_session(session, cookie + "x", NOW) is None


def test_a_session_that_is_not_used_ends_and_one_that_is_used_goes_on(session, user):
    cookie = begin_session(session, user, NOW)
    almost = NOW + IDLE - timedelta(seconds=1)

    row, _ = find_session(session, cookie, almost)
    assert find_session(session, cookie, NOW + IDLE) is None

    touch_session(session, row.id, almost)
    session.expire_all()
    assert find_session(session, cookie, NOW + IDLE)


def test_even_a_session_in_use_ends_after_its_longest(session, user):
    cookie = begin_session(session, user, NOW)
    end = NOW + LONGEST
    session.execute(sa.update(BrowserSession).values(seen_at=end))

    assert find_session(session, cookie, end - timedelta(seconds=1))
    assert find_session(session, cookie, end) is None


def test_its_use_is_written_down_once_a_minute(session, user):
    row, _ = find_session(session, begin_session(session, user, NOW), NOW)

    assert not is_touch_due(row, NOW + timedelta(seconds=59))
    assert is_touch_due(row, NOW + timedelta(seconds=60))


def test_signing_in_again_renews_it_and_clears_what_has_ended(session, user):
    old = begin_session(session, user, NOW)
    idle = begin_session(session, user, NOW)
    later = NOW + IDLE
    session.execute(
        sa.update(BrowserSession)
        .where(BrowserSession.id == find_session(session, old, NOW)[0].id)
        .values(seen_at=later)
    )

    new = begin_session(session, user, later, replaces=old)

    assert new != old
    assert [find_session(session, each, later) is not None for each in (old, idle, new)] == [
        False,
        False,
        True,
    ]
    assert session.scalar(sa.select(sa.func.count()).select_from(BrowserSession)) == 1


def test_signing_out_ends_this_browser_s_alone(session, user):
    one, other = begin_session(session, user, NOW), begin_session(session, user, NOW)

    end_session(session, one)

    assert find_session(session, one, NOW) is None
    assert find_session(session, other, NOW)
