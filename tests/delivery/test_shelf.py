"""One token of a connection for all processes: fetched by one of them, sealed, renewed once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from connectors.fhir_fake import FhirPms
from cryptography.fernet import Fernet

from factories import make_clinic
from ringnote.delivery import shelf as shelves
from ringnote.delivery.account_settings import connector_for
from ringnote.delivery.connections import open_connection
from ringnote.delivery.shelf import Shelf
from ringnote.errors import Temporary
from ringnote.http import Token
from ringnote.models import AccessToken
from ringnote.runtime import Runtime
from ringnote.vault import Vault

PROCESSES = 5


@pytest.fixture
def pms():
    pms = FhirPms()
    yield pms
    pms.server.stop()


@pytest.fixture
def connection(runtime, pms):
    clinic = make_clinic(runtime.db)
    settings = {
        "base_url": pms.root,
        "token_url": f"{pms.server.url}/oauth2/token",
        "client_id": pms.client_id,
    }
    secrets = {"client_secret": pms.secret}
    with runtime.db.transaction() as session:
        return open_connection(
            session, runtime, clinic.id, "fhir", settings, secrets, now=runtime.clock()
        )


@pytest.fixture
def processes(runtime, connection):
    """The connector of one connection, as several processes have it: each with its own database
    connections, and no memory of the others."""
    runtimes = [Runtime.from_settings(runtime.settings) for _ in range(PROCESSES)]
    yield [connector_for(connection, each) for each in runtimes]
    for each in runtimes:
        each.close()


def check_all(connectors):
    with ThreadPoolExecutor(len(connectors)) as pool:
        for each in [pool.submit(each.check) for each in connectors]:
            each.result()


def test_many_processes_sign_in_with_one_token(processes, pms):
    check_all(processes)

    assert len(pms.tokens.given) == 1


def test_a_token_that_is_refused_is_renewed_once_for_all(processes, pms):
    check_all(processes)
    pms.tokens.given.append("of-somebody-else")

    check_all(processes)

    assert len(pms.tokens.given) == 3


def test_a_token_due_to_be_renewed_is_renewed_once_for_all(runtime, processes, pms):
    check_all(processes[:1])
    with runtime.db.transaction() as session:
        session.execute(sa.update(AccessToken).values(renew_at=runtime.db.later(-1)))

    check_all(processes[1:])

    assert len(pms.tokens.given) == 2


def test_a_token_lies_there_sealed(runtime, processes, pms):
    check_all(processes[:1])

    with runtime.db.reading() as session:
        kept = session.scalars(sa.select(AccessToken)).one()

    assert pms.tokens.given[0].encode() not in kept.sealed
    assert runtime.vault.open(kept.sealed) == {"token": pms.tokens.given[0]}
    assert timedelta(minutes=5) < kept.ends_at - kept.renew_at < timedelta(minutes=7)


def test_what_was_sealed_with_a_key_that_is_lost_is_fetched_anew(runtime, connection):
    other = Shelf(runtime.db, Vault([Fernet.generate_key().decode()]), connection.id)
    other.token("", lambda: Token("old", 900.0, 1000.0))

    got = Shelf(runtime.db, runtime.vault, connection.id).token("", lambda: Token("new", 9.0, 10.0))

    assert got.text == "new"


def test_a_fetch_that_failed_is_anybodys_to_make_again(runtime, connection):
    shelf = Shelf(runtime.db, runtime.vault, connection.id)

    def fail():
        raise Temporary("the PMS cannot be reached")

    with pytest.raises(Temporary):
        shelf.token("", fail)

    assert shelf.token("", lambda: Token("new", 9.0, 10.0)).text == "new"


def test_who_died_while_fetching_is_waited_for_no_longer_than_a_fetch_takes(
    runtime, connection, monkeypatch
):
    shelf = Shelf(runtime.db, runtime.vault, connection.id)
    monkeypatch.setattr(shelves, "LEASE_SECONDS", 0.0)
    assert shelf._claim("") is True

    assert shelf.token("", lambda: Token("new", 9.0, 10.0)).text == "new"
