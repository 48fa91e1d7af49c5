from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from factories import make_clinic
from ringnote.access.sessions import begin_session, find_session
from ringnote.access.users import (
    add_user,
    change_user,
    find_user,
    follow_link,
    get_user,
    has_users,
    identity_of,
    make_link,
    set_password,
    sign_out_everywhere,
)
from ringnote.errors import InputError
from ringnote.models import Clinic, Role

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
GOOD = "paper lantern on a hill"


@pytest.fixture
def session(db):
    with db.transaction() as session:
        yield session


def add(session, name="Kim", role=Role.VIEWER, clinics=None):
    return add_user(session, name, role, GOOD, clinics, NOW)


def test_a_user_is_known_by_a_name_in_any_case(session):
    added = add(session, "Kim@Oak.example")

    assert find_user(session, "kim@oak.EXAMPLE ") is added
    assert identity_of(added).name == "kim@oak.example"
    with pytest.raises(InputError, match="already"):
        add(session, "KIM@oak.example")


@pytest.mark.parametrize("name", ["", "two words", "x" * 101, "new\nline"])
def test_a_name_that_is_none_is_refused(session, name):
    with pytest.raises(InputError, match="1 to 100"):
        add(session, name)


def test_who_is_asked_for_and_is_not_there_is_answered_with_those_who_are(session):
    with pytest.raises(InputError, match="none yet"):
        get_user(session, "kim")
    add(session, "sam")
    with pytest.raises(InputError, match="there are: sam"):
        get_user(session, "kim")


def test_who_loses_their_last_clinic_is_left_with_none_and_not_with_all(db):
    clinic = make_clinic(db)
    with db.transaction() as session:
        user = add(session, clinics=[session.get(Clinic, clinic.id)])
        assert identity_of(user).clinics == {clinic.id}
    with db.transaction() as session:
        session.execute(sa.delete(Clinic))
    with db.reading() as session:
        assert identity_of(get_user(session, "kim")).clinics == frozenset()


def test_what_a_user_may_is_changed_and_a_disabled_one_is_signed_out(session):
    user = add(session, clinics=[])
    cookie = begin_session(session, user, NOW)

    change_user(session, user, NOW, role=Role.ADMIN, has_all_clinics=True)
    assert identity_of(user).clinics is None
    assert identity_of(user).may(Role.ADMIN)
    assert find_session(session, cookie, NOW)

    change_user(session, user, NOW, is_disabled=True)
    assert find_session(session, cookie, NOW) is None
    assert not has_users(session)
    change_user(session, user, NOW, is_disabled=False)
    assert has_users(session)


def test_another_password_ends_every_session(session):
    user = add(session)
    cookies = [begin_session(session, user, NOW) for _ in range(2)]

    set_password(session, user, "another good one, longer")

    assert [find_session(session, cookie, NOW) for cookie in cookies] == [None, None]


def test_signing_out_everywhere_leaves_others_signed_in(session):
    kim, sam = add(session), add(session, "sam")
    for _ in range(3):
        begin_session(session, kim, NOW)
    other = begin_session(session, sam, NOW)

    assert sign_out_everywhere(session, kim.id) == 3
    assert find_session(session, other, NOW)


def test_a_link_signs_in_once_until_it_expires(session):
    user = add(session)
    link = make_link(session, user.id, NOW, timedelta(minutes=10))

    assert follow_link(session, link, NOW + timedelta(minutes=10)) is None
    assert follow_link(session, link, NOW) is user
    assert follow_link(session, link, NOW) is None
    assert follow_link(session, "no such link", NOW) is None


def test_a_reusable_link_lasts_and_signs_no_disabled_user_in(session):
    user = add(session)
    link = make_link(session, user.id, NOW, timedelta(hours=1), is_reusable=True)

    assert follow_link(session, link, NOW) is user
    assert follow_link(session, link, NOW) is user
    user.disabled_at = NOW
    assert follow_link(session, link, NOW) is None
