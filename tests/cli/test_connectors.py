"""`ringnote connector` and `connect … rest`, as whoever describes a PMS uses them."""

import json
import re

import pytest
from click.testing import CliRunner
from connectors.plugged import plug_in
from connectors.test_sandbox import SandboxPms

from factories import make_clinic, make_connection
from ringnote.cli import main
from ringnote.connectors import CONNECTORS
from ringnote.connectors.base import Kind
from ringnote.connectors.rest.examples import examples

SECRET = "token-of-the-clinic-4711"


@pytest.fixture
def pms():
    pms = SandboxPms()
    yield pms
    pms.server.stop()
    pms.store.close()


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "my-pms.toml"
    file.write_text(examples()["sandbox"])
    return file


@pytest.fixture
def nearby(monkeypatch, tmp_path):
    monkeypatch.setenv("RINGNOTE_ALLOW_PRIVATE_PMS", "1")
    monkeypatch.setenv("RINGNOTE_DATA_DIR", str(tmp_path))


def run(runtime, *words, given=None):
    return CliRunner().invoke(main, words, obj=runtime, input=given, catch_exceptions=False)


def account(pms, secret=SECRET):
    return ["--set", f"base_url={pms.server.url}", "--secret", f"token={secret}"]


def test_each_fault_of_a_description_is_named_with_its_line(file):
    text = file.read_text().replace('id = "id"\nname', 'idd = "id"\nname', 1)
    file.write_text(text.replace("{{ occurred_at }}", "{{ ocurred_at }}", 1))

    result = run(None, "connector", "check", str(file))
    told = json.loads(run(None, "connector", "check", str(file), "--json").stdout)

    assert result.exit_code == 1
    assert "client.idd: there is no such setting; did you mean id?" in result.stdout
    lines = file.read_text().splitlines()
    assert not told["ok"]
    assert all(lines[each["line"] - 1] for each in told["faults"])


def test_what_a_description_comes_to_is_told(file):
    rates = "rates = [{ requests = 9, seconds = 2 }]"
    file.write_text(file.read_text().replace("[limits]\n", f"[limits]\n{rates}\n"))

    told = json.loads(run(None, "connector", "check", str(file), "--json").stdout)
    shown = run(None, "connector", "check", str(file)).stdout

    assert (told["ok"], told["title"], told["able"]["never_twice"]) == (True, "Sandbox PMS", True)
    assert [each["name"] for each in told["asks_for"] if each["secret"]] == ["token"]
    assert told["rates"] == [{"requests": 9, "seconds": 2.0, "kind": ""}]
    assert "finds an unknown number at once" in shown
    assert "sends at most 9 requests in 2 s" in shown


@pytest.mark.parametrize("name", sorted(examples()))
def test_each_example_is_printed_and_has_no_fault(name):
    text = run(None, "connector", "example", name).stdout

    assert run(None, "connector", "check", "-", given=text).exit_code == 0


def test_it_is_tried_out_step_by_step_and_leaves_nothing_behind(nearby, file, pms):
    [client] = pms.add_clients([("Zoë O'Brien", ("(212) 555-0142",))])
    words = ["connector", "check", str(file), *account(pms), "--write", client]

    result = run(None, *words)
    told = json.loads(run(None, *words, "--json").stdout)

    assert result.exit_code == 0, result.stdout
    assert [each["step"] for each in told["steps"] if not each["ok"]] == []
    assert {"Search by number", "Complete the task", "Remove the note"} <= {
        each["step"] for each in told["steps"]
    }
    assert "POST " in result.stdout
    assert "Authorization: Bearer ⟪token⟫" in result.stdout
    assert SECRET not in result.stdout + json.dumps(told)
    assert pms.kept(Kind.NOTE, client) == pms.kept(Kind.TASK, client) == []


def test_nothing_more_is_tried_with_a_token_that_is_refused(nearby, file, pms):
    result = run(None, "connector", "check", str(file), "--live", *account(pms, "another-one"))

    assert result.exit_code == 1
    assert "WRONG: the PMS answered 401" in result.stdout
    assert "2. " not in result.stdout


def test_a_trial_keeps_to_the_rates_of_the_description(nearby, file, pms):
    rates = "rates = [{ requests = 1, seconds = 3000 }]"
    file.write_text(file.read_text().replace("[limits]\n", f"[limits]\n{rates}\n"))

    result = run(None, "connector", "check", str(file), "--live", *account(pms))

    # One request may be sent, and signing in takes three.
    assert result.stdout.count("GET ") == 1
    assert "WRONG: as many requests were sent to the PMS as it takes for now" in result.stdout


def test_what_is_wrong_is_told_with_where_to_look(nearby, file, pms):
    pms.add_clients([("Zoë O'Brien", ("(212) 555-0142",))])
    file.write_text(file.read_text().replace('phones = "phones"', 'phones = "numbers"'))

    result = run(None, "connector", "check", str(file), "--live", *account(pms))

    assert result.exit_code == 1
    assert "look at client.phones" in result.stdout


def test_a_clinic_is_connected_by_a_description(runtime, db, file, pms):
    make_clinic(db, name="Oak Street Vets")
    words = ["connect", "Oak Street Vets", "rest", "--set", f"file=@{file}", *account(pms)]

    result = run(runtime, *words)
    tested = run(runtime, "connection", "test", "Oak Street Vets")
    shown = json.loads(run(runtime, "connection", "show", "Oak Street Vets", "--json").stdout)

    assert result.exit_code == 0, result.stderr
    assert "Signed in to Sandbox PMS." in tested.stdout
    assert shown["secrets"] == ["token"]
    assert "lines)" in run(runtime, "connection", "show", "Oak Street Vets").stdout
    assert shown["settings"]["file"] == file.read_text().strip()


def test_faults_of_the_description_are_told_instead_of_connecting(runtime, db, file):
    make_clinic(db, name="Oak Street Vets")
    file.write_text(file.read_text().replace("[create_note]", "[create_not]"))

    result = run(runtime, "connect", "Oak Street Vets", "rest", "--set", f"file=@{file}")

    assert result.exit_code == 1
    assert "did you mean create_note?" in result.stderr


def test_what_a_description_asks_for_is_asked_at_a_terminal(runtime, db, file, pms, monkeypatch):
    make_clinic(db, name="Oak Street Vets")
    monkeypatch.setattr("ringnote.cli.given.is_at_terminal", lambda: True)
    words = ["connect", "Oak Street Vets", "rest", "--set", f"file=@{file}"]

    result = run(runtime, *words, given=f"{pms.server.url}\n{SECRET}\n")

    assert result.exit_code == 0, result.stderr
    assert "The token it was started with" in result.stderr
    assert SECRET not in result.output


@pytest.fixture
def broken_plugin(tmp_path, monkeypatch):
    """A package on the path whose connector `acme` cannot be loaded."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(CONNECTORS, "_plugins", None)
    plug_in(tmp_path, "acme", "import nothing_such")


def test_the_connectors_are_listed():
    listed = json.loads(run(None, "connector", "list", "--json").stdout)

    assert {"name": "hubspot", "title": "HubSpot", "package": "", "fault": None} in listed


def test_a_broken_plugin_is_named_wherever_one_looks(runtime, broken_plugin):
    clinic = make_clinic(runtime.db, name="Oak")
    make_connection(runtime.db, clinic, connector="acme")

    listed = run(None, "connector", "list")
    checked = run(runtime, "check")
    advised = run(runtime, "doctor")
    refused = run(runtime, "connect", "Oak", "acme")

    assert {each.exit_code for each in (listed, checked, advised, refused)} == {1}
    assert "cannot be used: plugin_acme_pms:Made cannot be loaded: Module" in listed.stdout
    assert "acme cannot be used: plugin_acme_pms" in checked.stdout
    assert "0 waiting: the connector acme cannot be used (acme-pms 2.1:" in advised.stdout
    assert "The connector acme cannot be used (acme-pms 2.1:" in refused.stderr


def test_what_a_connector_asks_for_is_shown_with_its_types():
    result = CliRunner().invoke(main, ["connector", "show", "ezyvet"], catch_exceptions=False)

    for told in (r"base_url +web address", "secret text", "one of 5 phone call log, 6 in person"):
        assert re.search(told, result.output), told
