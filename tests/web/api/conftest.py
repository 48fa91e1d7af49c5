"""A clinic with a phone, and programs with tokens."""

import pytest

from factories import make_client, make_clinic
from programs import Program
from ringnote import create_app
from ringnote.access.identity import Scope
from ringnote.access.tokens import add_token
from ringnote.clock import utc_now
from ringnote.models import Clinic
from stories import CALLER, Phone


@pytest.fixture
def app(runtime):
    return create_app(runtime=runtime)


@pytest.fixture
def clinic(db):
    return make_clinic(db, name="Oak Street Vets", timezone="America/New_York")


@pytest.fixture
def jane(db, clinic):
    return make_client(db, clinic, "C1", "Jane Doe", numbers=[CALLER])


@pytest.fixture
def phone(runtime, clinic):
    return Phone(runtime, clinic)


@pytest.fixture
def issue(app, runtime):
    """Makes programs with a token of these scopes, for these clinics (None: all)."""

    def make(*scopes, clinics=None, name="report", expires_at=None):
        with runtime.db.transaction() as session:
            theirs = None
            if clinics is not None:
                theirs = [session.get_one(Clinic, clinic.id) for clinic in clinics]
            scopes = scopes or tuple(Scope)
            _, secret = add_token(session, name, scopes, theirs, utc_now(), expires_at, "kim")
        return Program(app, secret)

    return make


@pytest.fixture
def program(issue):
    return issue()
