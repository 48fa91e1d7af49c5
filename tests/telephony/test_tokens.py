"""Webhook tokens: kept as a hash, found by it, rotated with an overlap."""

from datetime import timedelta

import sqlalchemy as sa

from factories import make_clinic
from ringnote.clock import utc_now
from ringnote.models import WebhookToken
from ringnote.telephony.tokens import (
    find_clinic_by_token,
    issue_webhook_token,
    rotate_webhook_token,
    webhook_url,
)

NOW = utc_now()


def test_a_token_finds_its_clinic_and_is_nowhere_in_the_database(db):
    clinic = make_clinic(db)
    make_clinic(db)

    with db.transaction() as session:
        token = issue_webhook_token(session, clinic.id, NOW)
        found = find_clinic_by_token(session, token, NOW)
        [kept] = session.scalars(sa.select(WebhookToken.token_hash))

    assert found.id == clinic.id
    assert len(token) >= 43
    assert len(kept) == 64
    assert token not in kept


def test_a_token_with_odd_characters_finds_nobody(db):
    make_clinic(db)

    with db.reading() as session:
        assert find_clinic_by_token(session, "\ud83d\x00é", NOW) is None


def test_an_expired_token_finds_nobody(db):
    clinic = make_clinic(db)

    with db.transaction() as session:
        token = issue_webhook_token(session, clinic.id, NOW, NOW + timedelta(minutes=1))

        assert find_clinic_by_token(session, token, NOW) is not None
        assert find_clinic_by_token(session, token, NOW + timedelta(minutes=1)) is None


def test_rotating_twice_never_lengthens_a_former_token_s_life(db):
    clinic = make_clinic(db)

    with db.transaction() as session:
        first = issue_webhook_token(session, clinic.id, NOW)
        second = rotate_webhook_token(session, clinic.id, NOW, timedelta(hours=1))
        third = rotate_webhook_token(session, clinic.id, NOW, timedelta(hours=9))

        later = NOW + timedelta(hours=2)
        found = [find_clinic_by_token(session, each, later) for each in (first, second, third)]

    assert [each is not None for each in found] == [False, True, True]


def test_rotating_forgets_what_has_expired(db):
    clinic = make_clinic(db)

    with db.transaction() as session:
        issue_webhook_token(session, clinic.id, NOW, NOW - timedelta(hours=1))
        rotate_webhook_token(session, clinic.id, NOW, timedelta(0))

        assert session.scalars(sa.select(sa.func.count()).select_from(WebhookToken)).one() == 1


def test_the_url_has_one_slash_whatever_the_base():
    assert webhook_url("https://a.example/x/", "t") == "https://a.example/x/webhooks/t"
