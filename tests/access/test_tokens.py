from datetime import UTC, datetime, timedelta

import pytest

from factories import make_clinic
from ringnote.access.identity import Scope
from ringnote.access.tokens import (
    add_token,
    find_token,
    identity_of_token,
    is_touch_due,
    revoke_token,
    touch_token,
)
from ringnote.errors import InputError
from ringnote.models import Clinic

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.fixture
def session(db):
    with db.transaction() as session:
        yield session


def add(session, name="report", scopes=(Scope.CALLS,), clinics=None, expires_at=None):
    return add_token(session, name, scopes, clinics, NOW, expires_at, "kim")


def test_a_token_is_told_once_and_found_by_what_was_told(session):
    token, secret = add(session)

    assert secret.startswith("rn_")
    assert len(secret) >= 46
    assert secret not in token.token_hash
    assert find_token(session, secret, NOW) is token
    assert find_token(session, secret[:-1], NOW) is None
    assert find_token(session, token.token_hash, NOW) is None


def test_it_opens_its_scopes_and_clinics_alone(db):
    clinic = make_clinic(db)
    with db.transaction() as session:
        token, _ = add(session, clinics=[session.get(Clinic, clinic.id)])
        identity = identity_of_token(token)

    assert identity.scopes == {Scope.CALLS}
    assert identity.clinics == {clinic.id}


def test_it_ends_when_it_expires_and_when_it_is_revoked(session):
    _, secret = add(session, expires_at=NOW + timedelta(days=1))
    assert find_token(session, secret, NOW)
    assert find_token(session, secret, NOW + timedelta(days=1)) is None

    revoke_token(session, "report")
    assert find_token(session, secret, NOW) is None
    with pytest.raises(InputError, match="token list"):
        revoke_token(session, "report")


def test_two_tokens_have_two_names(session):
    add(session)

    with pytest.raises(InputError, match="already"):
        add(session)


def test_its_use_is_written_down_once_a_minute(session):
    token, _ = add(session)
    assert is_touch_due(token, NOW)

    touch_token(session, token.id, NOW)
    session.refresh(token)

    assert token.used_at == NOW
    assert not is_touch_due(token, NOW + timedelta(seconds=59))
    assert is_touch_due(token, NOW + timedelta(minutes=1))
