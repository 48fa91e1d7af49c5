"""`ringnote numbers`, as a person or a script runs it."""

import json
from datetime import datetime

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from factories import make_client, make_clinic, make_settled_call
from ringnote.cli.numbers import numbers
from ringnote.errors import InputError
from ringnote.models import Clinic, Decision, DueMark
from ringnote.runtime import Runtime

ONE = "+12125550142"


@pytest.fixture
def clinic(runtime: Runtime) -> Clinic:
    clinic = make_clinic(runtime.db, name="Elm Street Vets")
    make_client(runtime.db, clinic, "a", "Jane Doe")
    return clinic


def run(runtime: Runtime, *arguments: str) -> Result:
    return CliRunner().invoke(numbers, arguments, obj=runtime, catch_exceptions=False)


def test_what_waits_is_listed_as_one_array(runtime: Runtime, clinic: Clinic) -> None:
    make_settled_call(runtime.db, clinic, ONE, "several", candidates=["a"])

    result = run(runtime, "unmatched", "elm street vets", "--json")

    (listed,) = json.loads(result.stdout)
    assert (listed["number"], listed["kind"], listed["calls"]) == (ONE, "several", 1)
    assert listed["candidates"] == [
        {
            "id": "a",
            "name": "Jane Doe",
            "likeness": 100,
            "why": "has this number and has the name that was shown",
        }
    ]
    assert datetime.fromisoformat(listed["last_at"]).tzinfo is not None


def test_nothing_that_waits_is_an_empty_array_or_a_sentence(
    runtime: Runtime, clinic: Clinic
) -> None:
    assert json.loads(run(runtime, "unmatched", str(clinic.id), "--json").stdout) == []
    assert run(runtime, "unmatched", str(clinic.id)).stdout == "Nothing waits for a match.\n"


def test_what_waits_is_shown_as_a_table(runtime: Runtime, clinic: Clinic) -> None:
    make_settled_call(runtime.db, clinic, ONE)

    shown = run(runtime, "unmatched", "Elm Street Vets").stdout

    assert ONE in shown
    assert "no client has this number" in shown


def test_a_number_in_any_format_is_mapped(runtime: Runtime, clinic: Clinic) -> None:
    call = make_settled_call(runtime.db, clinic, ONE)

    result = run(
        runtime,
        *("map", "Elm Street Vets", "(212) 555-0142", "a", "--why", "her new phone", "--json"),
    )

    assert json.loads(result.stdout) == {
        "number": ONE,
        "kind": "map",
        "client": "a",
        "now_due": 1,
        "moved": 0,
        "frozen": 0,
        "expires_at": None,
    }
    with runtime.db.reading() as session:
        assert session.scalars(sa.select(DueMark.subject_key)).all() == [call.call_uuid]
        decision = session.scalars(sa.select(Decision)).one()
    assert decision.why == "her new phone"
    assert decision.made_by


def test_a_number_is_ignored(runtime: Runtime, clinic: Clinic) -> None:
    result = run(runtime, "ignore", "Elm Street Vets", "212-555-0142")

    assert result.stdout == f"{ONE} is now ignored.\n"


def test_a_client_nobody_knows_is_told(runtime: Runtime, clinic: Clinic) -> None:
    with pytest.raises(InputError, match="knows no client 'zz'"):
        run(runtime, "map", "Elm Street Vets", ONE, "zz")


def test_a_missing_argument_is_wrong_usage(runtime: Runtime, clinic: Clinic) -> None:
    result = run(runtime, "map", "Elm Street Vets", ONE)

    assert result.exit_code == 2
    assert "CLIENT" in result.stderr


def test_a_pick_is_told_with_until_when_it_is_remembered_and_listed(
    runtime: Runtime, clinic: Clinic
) -> None:
    make_client(runtime.db, clinic, "b", "John Roe")
    make_settled_call(runtime.db, clinic, ONE, "several", candidates=["a", "b"])

    picked = json.loads(run(runtime, "pick", str(clinic.id), ONE, "b", "--json").stdout)

    assert (picked["client"], picked["now_due"], picked["moved"]) == ("b", 1, 0)
    assert datetime.fromisoformat(picked["expires_at"]).tzinfo is not None
    (listed,) = json.loads(run(runtime, "rules", str(clinic.id), "--json").stdout)
    assert (listed["kind"], listed["client"], listed["name"]) == ("pick", "b", "John Roe")
    assert "was the client's last time" in run(runtime, "rules", str(clinic.id)).stdout


def test_a_written_call_is_moved_denied_and_taken_back(runtime: Runtime, clinic: Clinic) -> None:
    make_client(runtime.db, clinic, "b", "John Roe", numbers=[ONE])
    make_settled_call(runtime.db, clinic, ONE, "client", client="b")
    named = str(clinic.id)

    moved = run(runtime, "map", named, ONE, "a", "--move").stdout
    assert moved == f"{ONE} is now a's; decided before and moved: 1.\n"
    assert "decided before and moved: 1." in run(runtime, "unmap", named, ONE).stdout
    denied = json.loads(run(runtime, "not", named, ONE, "b", "--move", "--json").stdout)
    assert (denied["kind"], denied["moved"], denied["now_due"]) == ("not", 1, 0)
    forgotten = json.loads(run(runtime, "forget", named, ONE, "--client", "b", "--json").stdout)

    assert (forgotten["kind"], forgotten["now_due"]) == ("forget", 1)
    assert run(runtime, "rules", named).stdout == "Nothing was said of any number.\n"


def test_what_was_never_said_cannot_be_taken_back(runtime: Runtime, clinic: Clinic) -> None:
    with pytest.raises(InputError, match="Nothing such was said"):
        run(runtime, "unmap", str(clinic.id), ONE)
