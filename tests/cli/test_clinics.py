"""`ringnote clinic` and `ringnote lines`, as a person or a script runs them."""

import json
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from factories import make_clinic, make_connection, make_entry, make_settled_call
from ringnote.cli import main
from ringnote.clock import utc_now
from ringnote.ledger.rules import DEFAULT_RULES
from ringnote.models import Clinic, Line, Policy
from ringnote.runtime import Runtime
from ringnote.telephony.tokens import find_clinic_by_token

NEW_YORK = ("--timezone", "America/New_York")


def run(runtime: Runtime, *arguments: object, input: str | None = None) -> Result:
    words = [str(each) for each in arguments]
    return CliRunner().invoke(main, words, obj=runtime, input=input, catch_exceptions=False)


def value(runtime: Runtime, *arguments: object):
    result = run(runtime, *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def find(runtime: Runtime, url: str, at: datetime) -> Clinic | None:
    with runtime.db.reading() as session:
        return find_clinic_by_token(session, url.rpartition("/")[2], at)


def count(runtime: Runtime, kind: type) -> int:
    with runtime.db.reading() as session:
        return session.scalars(sa.select(sa.func.count()).select_from(kind)).one()


def test_an_added_clinic_has_an_id_a_url_that_works_and_the_default_policy(runtime):
    added = value(runtime, "clinic", "add", "Oak Street", "--container", "123456", *NEW_YORK)

    assert added["webhook_url"].startswith("http://127.0.0.1:8000/webhooks/")
    assert find(runtime, added["webhook_url"], utc_now()).id == added["id"]
    with runtime.db.reading() as session:
        [policy] = session.scalars(sa.select(Policy))
    assert (policy.clinic_id, policy.version, policy.rules) == (added["id"], 1, DEFAULT_RULES)


def test_the_webhook_url_is_printed_whole_for_a_person(runtime):
    result = run(runtime, "clinic", "add", "Oak Street", "--container", "123456", *NEW_YORK)

    [url] = [word for word in result.stdout.split() if "/webhooks/" in word]
    assert find(runtime, url, utc_now()).name == "Oak Street"


def test_without_a_public_url_a_person_is_told_where_the_url_leads(runtime):
    result = run(runtime, "clinic", "add", "Oak", "--container", "123456", *NEW_YORK, "--json")

    assert "RINGNOTE_PUBLIC_URL" in result.stderr
    json.loads(result.stdout)


def test_the_public_url_is_where_the_webhook_url_leads(runtime):
    settings = runtime.settings.model_copy(update={"public_url": "https://calls.example/x"})
    runtime.settings = settings

    added = value(runtime, "clinic", "add", "Oak", "--container", "123456", *NEW_YORK)

    assert added["webhook_url"].startswith("https://calls.example/x/webhooks/")


def test_all_faults_of_a_clinic_are_told_at_once(runtime):
    make_clinic(runtime.db, name="Oak", container_id="111111")

    result = run(
        runtime, "clinic", "add", "oak", "--container", "111111", "--tenant", "0",
        "--timezone", "new york", "--region", "uk",
    )  # fmt: skip

    assert result.exit_code == 1
    assert "A clinic is called 'Oak' already" in result.stderr
    assert "Container 111111 with the default tenant is clinic 'Oak' already" in result.stderr
    assert "did you mean America/New_York?" in result.stderr
    assert "did you mean GB?" in result.stderr
    assert count(runtime, Clinic) == 1


@pytest.mark.parametrize("name", ["", "   ", "123", "a\x07b", "x" * 201])
def test_a_name_that_cannot_be_one_is_refused(runtime, name):
    result = run(runtime, "clinic", "add", name, "--container", "123456", *NEW_YORK)

    assert (result.exit_code, count(runtime, Clinic)) == (1, 0)
    assert "A clinic's name" in result.stderr


@pytest.mark.parametrize("tenant", ["", "0", "  "])
def test_every_spelling_of_the_default_tenant_is_kept_as_one(runtime, tenant):
    added = value(
        runtime, "clinic", "add", "Oak", "--container", "123456", "--tenant", tenant, *NEW_YORK
    )

    assert added["tenant"] == ""


def test_two_tenants_of_a_container_are_two_clinics(runtime):
    for name, tenant in (("A", "100"), ("B", "101")):
        value(
            runtime, "clinic", "add", name, "--container", "123456", "--tenant", tenant, *NEW_YORK
        )

    assert [each["tenant"] for each in value(runtime, "clinic", "list")] == ["100", "101"]


def test_an_unusual_container_is_taken_with_a_word_about_it(runtime):
    result = run(runtime, "clinic", "add", "Oak", "--container", "42", *NEW_YORK)

    assert result.exit_code == 0
    assert "commonly has 6 digits" in result.stderr


def test_a_clinic_is_shown_by_id_or_name_in_any_case(runtime):
    clinic = make_clinic(runtime.db, name="Oak Street")
    make_connection(runtime.db, clinic)

    shown = value(runtime, "clinic", "show", "oak street")

    assert shown == value(runtime, "clinic", "show", clinic.id)
    assert shown["connection"] == {"connector": "sandbox", "state": "active"}
    assert "sandbox, active" in run(runtime, "clinic", "show", clinic.id).stdout


def test_no_clinic_is_an_empty_array_or_a_hint(runtime):
    assert value(runtime, "clinic", "list") == []
    assert "ringnote clinic add" in run(runtime, "clinic", "list").stdout


def test_what_is_set_changes_and_the_rest_stays(runtime):
    clinic = make_clinic(runtime.db, name="Oak", tenant_id="100")

    changed = value(runtime, "clinic", "set", "Oak", "--name", "Elm", "--timezone", "UTC")

    assert (changed["id"], changed["name"], changed["timezone"]) == (clinic.id, "Elm", "UTC")
    assert changed["tenant"] == "100"
    assert value(runtime, "clinic", "show", "Elm")["timezone"] == "UTC"


def test_setting_nothing_is_a_wrong_use(runtime):
    make_clinic(runtime.db, name="Oak")

    assert run(runtime, "clinic", "set", "Oak").exit_code == 2


def test_a_clinic_cannot_take_another_one_s_place(runtime):
    make_clinic(runtime.db, name="Oak", container_id="111111")
    make_clinic(runtime.db, name="Elm", container_id="222222")

    result = run(runtime, "clinic", "set", "Elm", "--container", "111111")

    assert result.exit_code == 1
    assert "'Oak'" in result.stderr


def test_a_clinic_is_removed_with_all_that_is_known_of_it(runtime):
    clinic = make_clinic(runtime.db, name="Oak")
    other = make_clinic(runtime.db, name="Elm")
    connection = make_connection(runtime.db, clinic)
    make_settled_call(runtime.db, clinic, "+12125550142")
    make_entry(runtime.db, clinic, connection)

    assert value(runtime, "clinic", "remove", "Oak", "--yes")["removed"] is True

    assert [each["id"] for each in value(runtime, "clinic", "list")] == [other.id]


def test_removing_asks_first(runtime):
    make_clinic(runtime.db, name="Oak")

    refused = run(runtime, "clinic", "remove", "Oak", input="n\n")

    assert (refused.exit_code, count(runtime, Clinic)) == (1, 1)
    assert "0 calls" in refused.stderr


def test_a_renewed_url_works_beside_the_former_one_for_the_overlap(runtime):
    added = value(runtime, "clinic", "add", "Oak", "--container", "123456", *NEW_YORK)

    renewed = value(runtime, "clinic", "rotate-url", "Oak", "--overlap", "2")

    soon, later = utc_now() + timedelta(hours=1), utc_now() + timedelta(hours=3)
    assert find(runtime, added["webhook_url"], soon)
    assert not find(runtime, added["webhook_url"], later)
    assert find(runtime, renewed["webhook_url"], later)
    assert value(runtime, "clinic", "show", "Oak")["webhook_urls"] == 2


def test_a_line_in_any_format_is_kept_once_with_its_label(runtime):
    make_clinic(runtime.db, name="Oak")

    value(runtime, "lines", "add", "Oak", "(212) 555-0100")
    value(runtime, "lines", "add", "Oak", "+12125550100", "--label", "Main")

    assert value(runtime, "lines", "list", "Oak") == [
        {"number": "+12125550100", "label": "Main", "source": "entered"}
    ]


@pytest.mark.parametrize("number", ["101", "anonymous", "*67", "911", "nonsense"])
def test_what_is_no_phone_number_is_no_line(runtime, number):
    make_clinic(runtime.db, name="Oak")

    assert run(runtime, "lines", "add", "Oak", number).exit_code == 1
    assert count(runtime, Line) == 0
