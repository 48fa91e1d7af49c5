"""Which tokens open what, of which clinics."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from factories import make_client, make_clinic
from programs import LISTINGS, Program, ids
from ringnote.access.identity import Scope
from ringnote.access.tokens import revoke_token
from ringnote.clock import utc_now
from ringnote.models import ApiToken, Clinic
from stories import CALLER, settle


def test_another_clinic_s_things_are_as_if_they_were_not_there(issue, db, runtime, clinic, phone):
    other = make_clinic(db)
    theirs = make_client(db, other, "C1", "Somebody Else", numbers=[CALLER])
    phone.missed("u-1")
    phone.text("Hello")
    settle(runtime)
    everything, program = issue(), issue(clinics=[other], name="theirs")

    assert ids(program, "/clinics") == [other.id]
    assert ids(program, "/clients") == [theirs.id]
    for path in ("/calls", "/conversations", "/entries"):
        assert ids(program, path) == []
        for there in ids(everything, path):
            none = program.refused(f"{path}/999999")
            assert program.refused(f"{path}/{there}") == none
            assert none[0] == 404
    none = program.refused("/calls?clinic=999999")
    assert none[0] == 404
    assert program.refused(f"/clinics/{clinic.id}") == none
    assert program.refused(f"/lookup?clinic={clinic.id}&number=2125550142") == none
    for path in ("/calls", "/conversations", "/entries", "/clients"):
        assert program.refused(f"{path}?clinic={clinic.id}") == none


def test_a_token_whose_clinics_are_gone_opens_nothing(issue, db, runtime, clinic, phone):
    gone = make_clinic(db)
    program = issue(clinics=[gone])
    phone.missed("u-1")
    settle(runtime)
    with db.transaction() as session:
        session.delete(session.get_one(Clinic, gone.id))

    for path in LISTINGS:
        assert ids(program, path) == []


def test_one_of_several_clinics_may_be_asked_for(program, db, clinic, jane):
    other = make_clinic(db)
    theirs = make_client(db, other, "C1", "Somebody Else")

    assert ids(program, "/clients") == [theirs.id, jane.id]
    assert ids(program, f"/clients?clinic={clinic.id}") == [jane.id]


def test_a_clinic_that_is_not_there_is_not_found_by_who_has_all(program, clinic):
    assert program.refused("/calls?clinic=999999")[0] == 404


@pytest.mark.parametrize(
    ("scope", "opens"),
    [
        (Scope.CALLS, {"/calls", "/conversations"}),
        (Scope.ENTRIES, {"/entries"}),
        (Scope.CLIENTS, {"/clients", "/lookup"}),
    ],
)
def test_a_scope_opens_what_it_names_and_the_clinics(issue, clinic, scope, opens):
    program = issue(scope)

    for path in (*LISTINGS, "/lookup"):
        query = f"?clinic={clinic.id}&number=2125550142" if path == "/lookup" else ""
        if path in opens | {"/clinics"}:
            program.get(path + query)
        else:
            assert program.refused(path + query)[0] == 403


@pytest.mark.parametrize("token", [None, "rn_wrong", " ", "\xff", "rn_" + "x" * 5000])
def test_a_stranger_is_told_to_send_a_token(app, clinic, token):
    for path in (*LISTINGS, "/lookup", "/calls/1", "/clinics/1"):
        answer = Program(app, token).ask(path)

        assert answer.status_code == 401
        assert answer.content_type == "application/problem+json"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_ends_when_it_is_revoked_and_when_it_expires(issue, runtime):
    revoked, expired = issue(), issue(name="old", expires_at=utc_now() - timedelta(seconds=1))
    assert revoked.ask("/clinics").status_code == 200

    with runtime.db.transaction() as session:
        revoke_token(session, "report")

    assert revoked.refused("/clinics")[0] == 401
    assert expired.refused("/clinics")[0] == 401


def test_a_token_s_last_use_is_written_down(program, runtime):
    program.get("/clinics")

    with runtime.db.reading() as session:
        [used_at] = session.scalars(sa.select(ApiToken.used_at))
    assert utc_now() - used_at < timedelta(minutes=1)


def test_being_at_this_machine_opens_nothing(app, clinic):
    answer = Program(app, None).ask("/clinics", environ_overrides={"REMOTE_ADDR": "127.0.0.1"})

    assert answer.status_code == 401
