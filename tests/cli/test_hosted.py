"""`flask ringnote …`, through the real `flask`, in an application that mounts Ringnote or not."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from cryptography.fernet import Fernet

from factories import make_client, make_clinic, make_connection, make_entry
from fakes import MemoryConnector
from ringnote.cli import COMMANDS
from ringnote.cli.hosted import APART, commands
from ringnote.clock import utc_now
from ringnote.errors import RecordRejected
from ringnote.keeping.turn import take_turn
from ringnote.models import Doubt, DueMark, Entry, EntryState
from ringnote.runtime import Runtime
from ringnote.spool_lines import Spooled
from stories import CALLER, Phone, callbacks, entries, settle, write

FLASK = str(Path(sys.executable).with_name("flask"))

HOST = """\
import sqlalchemy as sa
from flask import Flask

from ringnote import Ringnote
from ringnote.signals import call_settled


def create_app():
    app = Flask("host")
    app.config["RINGNOTE_PUBLIC_URL"] = "https://host.example/ringnote"
    app.config["SECRET_KEY"] = "of the host's own"
    engine = sa.create_engine({url!r})
    Ringnote(app, engine=engine, data_dir={folder!r})
    call_settled.connect(tell, weak=False)
    return app


def tell(clinic_id, call_uuid, **facts):
    print("settled", call_uuid)


def create_other():
    return Flask("other")
"""


@pytest.fixture
def host(database_url, tmp_path) -> Path:
    """A folder with a `host.py`, whose application has mounted Ringnote by its own engine."""
    source = HOST.format(url=database_url, folder=str(tmp_path / "data"))
    (tmp_path / "host.py").write_text(source)
    return tmp_path


def flask(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {name: each for name, each in os.environ.items() if not name.startswith("RINGNOTE_")}
    environ["RINGNOTE_ENCRYPTION_KEYS"] = Fernet.generate_key().decode()
    # A fault would show itself by making a database there.
    environ["XDG_DATA_HOME"] = str(folder / "elsewhere")
    return subprocess.run(
        [FLASK, *words], cwd=folder, env=environ, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def told(runtime):
    """What a command says under `flask ringnote`. It names none as if it were called otherwise."""

    def run(*words: object) -> str:
        result = CliRunner().invoke(commands, [str(each) for each in words], obj=runtime)
        bare = re.findall(rf"(?<!flask )\bringnote (?:{'|'.join(COMMANDS)})\b", result.output)
        assert bare == [], result.output
        return result.output

    return run


@pytest.fixture
def phone(runtime) -> Phone:
    clinic = make_clinic(runtime.db, name="Oak Street Vets")
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    make_connection(runtime.db, clinic)
    return Phone(runtime, clinic)


def test_help_needs_no_application(tmp_path):
    told = flask(tmp_path, "ringnote", "--help")
    told_more = flask(tmp_path, "ringnote", "clinic", "add", "--help")

    assert (told.returncode, told.stderr) == (0, "")
    assert "flask ringnote clinic add" in told.stdout
    assert (told_more.returncode, told_more.stderr) == (0, "")


def test_it_has_every_command_but_those_that_stand_apart():
    told = CliRunner().invoke(commands, ["--help"]).output
    listed = {line.split()[0] for line in told.splitlines() if line.startswith("  ")}

    assert listed & COMMANDS.keys() == COMMANDS.keys() - APART
    refused = CliRunner().invoke(commands, ["serve"])
    assert (refused.exit_code, "No such command 'serve'" in refused.stderr) == (2, True)


def test_it_works_on_what_the_host_has_mounted(host, runtime):
    added = flask(
        host, "--app", "host", "ringnote", "clinic", "add", "Oak Street Vets",
        "--container", "123456", "--timezone", "America/New_York", "--json",
    )  # fmt: skip
    listed = flask(host, "--app", "host", "ringnote", "clinic", "list", "--json")

    assert (added.returncode, added.stderr) == (0, "")
    clinic = json.loads(added.stdout)
    assert clinic["webhook_url"].startswith("https://host.example/ringnote/webhooks/")
    assert [each["id"] for each in json.loads(listed.stdout)] == [clinic["id"]]
    assert not (host / "elsewhere").exists()


def test_its_worker_has_the_receivers_of_the_host(host, runtime):
    Phone(runtime, make_clinic(runtime.db)).answered("u-1")

    worked = flask(host, "--app", "host", "ringnote", "worker", "--until-idle")

    assert (worked.returncode, worked.stdout) == (0, "settled u-1\n")


def test_wrong_input_reads_as_well(host, runtime):
    unknown = flask(host, "--app", "host", "ringnote", "clinic", "show", "nobody", "--json")
    misspelt = flask(host, "--app", "host", "ringnote", "clinic", "ad")

    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr.startswith("Error: No clinic is called 'nobody'")
    assert (misspelt.returncode, "'add'" in misspelt.stderr) == (2, True)


def test_advice_names_the_commands_as_they_are_called_here(tmp_path):
    source = HOST.format(url=f"sqlite:///{tmp_path / 'empty.sqlite3'}", folder=str(tmp_path))
    (tmp_path / "host.py").write_text(source)

    told = flask(tmp_path, "--app", "host", "ringnote", "clinic", "list")

    assert told.returncode == 1
    assert "run: flask ringnote migrate" in told.stderr


def test_hints_and_addresses_are_those_of_the_application(host, runtime):
    source = (host / "host.py").read_text()
    lines = [each for each in source.splitlines(keepends=True) if "PUBLIC_URL" not in each]
    (host / "host.py").write_text("".join(lines))

    none = flask(host, "--app", "host", "ringnote", "clinic", "list")
    added = flask(
        host, "--app", "host", "ringnote", "clinic", "add", "Oak", "--container", "123456",
        "--timezone", "America/New_York", "--json",
    )  # fmt: skip
    checked = flask(host, "--app", "host", "ringnote", "check")

    assert "see: flask ringnote clinic add" in none.stdout
    webhook_url = json.loads(added.stdout)["webhook_url"]
    assert webhook_url.startswith("http://127.0.0.1:8000/ringnote/webhooks/")
    assert "see: flask ringnote connect --help" in checked.stdout


def test_a_story_s_hints_can_be_pasted(runtime, phone, told):
    pms = MemoryConnector()
    pms.failures = [RecordRejected("the PMS refused the title", status=422)]
    phone.answered("u-1")
    phone.answered("u-2", caller="+12125550177")
    settle(runtime)
    write(runtime, pms)
    refused = next(each.id for each in entries(runtime) if each.state == "set_aside")

    entry = told("entries", "show", refused)
    call, waiting = told("calls", "show", "u-1"), told("calls", "show", "u-2")

    assert f"flask ringnote entries retry {refused}\n" in entry
    assert f"flask ringnote entries leave {refused}\n" in entry
    assert f"then: flask ringnote entries retry {refused}\n" in call
    assert "flask ringnote numbers map 'Oak Street Vets' +12125550177 CLIENT" in waiting


def test_what_was_decided_leads_on(runtime, phone, told):
    phone.missed("u-1")
    settle(runtime)
    [callback] = callbacks(runtime)

    closed = told("callbacks", "close", callback.id, "--why", "came in")
    reopened = told("callbacks", "reopen", callback.id)
    corrected = told("calls", "correct", "u-1", "--internal")

    assert f"See: flask ringnote callbacks show {callback.id}" in closed
    assert f"See: flask ringnote callbacks show {callback.id}" in reopened
    assert "see: flask ringnote calls show u-1" in corrected


def test_a_list_of_clients_and_a_policy_lead_on(runtime, told, tmp_path):
    clinic = make_clinic(runtime.db)
    (tmp_path / "clients.csv").write_text("id,name,phone,mobile\nC1,Jane Doe,+12125550142,12125\n")

    imported = told("clients", "import", clinic.id, tmp_path / "clients.csv")
    previewed = told("policy", "preview", clinic.id)

    assert "could not be read; see: flask ringnote clients hygiene" in imported
    assert "try: flask ringnote simulate CLINIC" in previewed


def test_webhooks_that_were_put_by_lead_on(runtime, phone, told):
    phone.post(b"no webhook")
    phone.missed("u-2")
    with runtime.db.transaction() as session:
        session.execute(sa.delete(DueMark))

    local = phone.at.astimezone(ZoneInfo(phone.clinic.timezone))

    replayed = told("events", "replay", "--clinic", "Oak Street Vets", "--dry-run")
    day = told("report", "day", "Oak Street Vets", "--day", f"{local:%F}")

    assert "why: flask ringnote events list --status quarantined" in replayed
    assert "read anew: flask ringnote events replay" in day


def test_what_a_retry_leaves_apart_leads_on(runtime, phone, told):
    entry_id = make_entry(runtime.db, phone.clinic, None)
    with runtime.db.transaction() as session:
        entry = session.get_one(Entry, entry_id)
        entry.state, entry.doubt = EntryState.SET_ASIDE, Doubt.ASKED

    left = told("entries", "retry", "--clinic", "Oak Street Vets", "--dry-run")

    assert "see flask ringnote entries list --state set_aside: 1." in left


def test_a_house_that_is_being_kept_leads_on(runtime, told):
    taken = take_turn(runtime.db, lambda: False, at_once=True)

    refused = told("housekeeping")

    assert taken is not None
    assert "Error: A worker is at it just now; see: flask ringnote check" in refused


def test_webhooks_that_wait_for_the_database_lead_on(runtime):
    lasting = runtime.settings.model_copy(update={"data_is_persistent": True})
    spooling = Runtime(lasting, runtime.db)
    spooling.spool.append(Spooled("E1", utc_now(), "hash", "text/plain", b"eventType=HangupCall"))

    result = CliRunner().invoke(commands, ["doctor"], obj=spooling)
    spooling.spool.close()

    assert "see flask ringnote check." in result.stderr


def test_an_application_that_has_not_mounted_it_is_told_what_to_do(host):
    told = flask(host, "--app", "host:create_other", "ringnote", "clinic", "list", "--json")

    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("Error: The application 'other' has not mounted Ringnote.")


def test_no_application_at_all_is_said_as_flask_says_it(tmp_path):
    told = flask(tmp_path, "ringnote", "clinic", "list")

    assert told.returncode == 2
    assert "Could not locate a Flask application" in told.stderr
