"""`ringnote token`, as a person or a script runs it."""

import json
import re

import pytest
from click.testing import CliRunner

from factories import make_clinic
from ringnote.access.tokens import find_token, identity_of_token
from ringnote.cli import main


@pytest.fixture
def ringnote(runtime):
    def run(*words):
        return CliRunner().invoke(main, words, obj=runtime, catch_exceptions=False)

    return run


def test_a_token_is_made_shown_once_and_listed_without_it(runtime, ringnote):
    clinic = make_clinic(runtime.db, name="Oak Street Vets")

    made = ringnote(
        *("token", "add", "reports", "--scope", "calls:read", "--scope", "entries:read"),
        *("--clinic", "Oak Street Vets", "--days", "30", "--json"),
    )
    told = json.loads(made.stdout)
    listed = ringnote("token", "list", "--json")

    with runtime.db.reading() as session:
        kept = find_token(session, told["token"], runtime.clock())
        assert identity_of_token(kept).clinics == {clinic.id}
    assert "not shown again" in made.stderr
    [row] = json.loads(listed.stdout)
    assert row["scopes"] == ["calls:read", "entries:read"]
    assert (row["clinics"], row["used_at"]) == (["Oak Street Vets"], None)
    assert told["token"] not in listed.stdout
    assert re.search(r"reports +calls:read entries:read +Oak", ringnote("token", "list").stdout)


def test_one_without_an_end_says_so(ringnote):
    said = ringnote("token", "add", "reports", "--scope", "calls:read", "--days", "0").stdout

    assert re.search(r"clinics +all\nends +never\ntoken +rn_", said)


def test_a_revoked_one_opens_nothing(runtime, ringnote):
    add = ("token", "add", "reports", "--scope", "calls:read", "--json")
    secret = json.loads(ringnote(*add).stdout)["token"]

    ringnote("token", "revoke", "reports")

    with runtime.db.reading() as session:
        assert find_token(session, secret, runtime.clock()) is None
    assert "token add" in ringnote("token", "list").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "reports"], "Missing option '--scope'"),
        (["add", "reports", "--scope", "everything"], "'calls:read'"),
        (["add", "reports", "--scope", "calls:read", "--clinic", "Elm"], "No clinic is called"),
        (["revoke", "reports"], "ringnote token list"),
    ],
)
def test_a_wrong_argument_is_answered_with_the_right_one(ringnote, words, said):
    result = ringnote("token", *words)

    assert result.exit_code in (1, 2)
    assert said in result.stderr
