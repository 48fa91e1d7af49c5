"""`ringnote connect`, `disconnect`, `connection` and `check`, as a script runs them."""

import json
import re

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from factories import make_clinic, make_entry
from ringnote.cli import main
from ringnote.clock import utc_now
from ringnote.delivery.connections import find_connection, pause_refused
from ringnote.models import Clinic, Connection
from ringnote.runtime import Runtime
from ringnote.sandbox.faults import Fault, FaultKind, Faults
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store
from ringnote.spool_lines import Spooled
from ringnote.telephony.tokens import issue_webhook_token

TOKEN = "the-token-0142"


@pytest.fixture
def clinic(runtime):
    clinic = make_clinic(runtime.db, name="Oak")
    with runtime.db.transaction() as session:
        issue_webhook_token(session, clinic.id, utc_now())
    return clinic


@pytest.fixture
def pms():
    store = Store(":memory:")
    with Server(create_pms(":memory:", TOKEN, store=store)) as server:
        yield server.url
    store.close()


def run(runtime: Runtime, *arguments: str, input: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, obj=runtime, input=input, catch_exceptions=False)


def value(runtime: Runtime, *arguments: str, input: str | None = None):
    result = run(runtime, *arguments, "--json", input=input)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def connect(runtime: Runtime, pms: str, *more: str, token: str = TOKEN):
    words = ("connect", "Oak", "sandbox", "--set", f"base_url={pms}", "--secret", f"token={token}")
    return value(runtime, *words, *more)


def in_use(runtime: Runtime, clinic: Clinic) -> Connection | None:
    with runtime.db.reading() as session:
        return find_connection(session, clinic.id)


def secrets(runtime: Runtime, clinic: Clinic) -> dict[str, str]:
    return runtime.vault.open(in_use(runtime, clinic).secrets)


def test_a_connected_clinic_s_account_is_shown_without_its_secrets(runtime, clinic, pms):
    make_entry(runtime.db, clinic, None)

    connected = connect(runtime, pms)

    assert connected["state"] == "active"
    assert connected["settings"] == {"base_url": pms}
    assert (connected["secrets"], connected["owed"]) == (["token"], 1)
    assert value(runtime, "connection", "show", "Oak") == connected
    assert TOKEN not in run(runtime, "connection", "show", "Oak").output


def test_who_connected_paused_resumed_and_ended_it_is_kept_and_told(
    runtime, clinic, pms, monkeypatch
):
    monkeypatch.setattr("ringnote.cli.connections.who", lambda: "kim")
    connect(runtime, pms)
    value(runtime, "connection", "pause", "Oak", "--reason", "the vet moves house")
    value(runtime, "connection", "resume", "Oak")

    told = run(runtime, "connection", "show", "Oak").stdout
    ended = value(runtime, "disconnect", "Oak")["decisions"]
    gone = run(runtime, "connection", "show", "Oak").stderr

    assert [(each["by"], each["kind"], each["why"]) for each in ended] == [
        ("kim", "connect", ""),
        ("kim", "pause", "the vet moves house"),
        ("kim", "resume", ""),
        ("kim", "disconnect", ""),
    ]
    assert "kim: pause pms=Sandbox PMS (the vet moves house)" in told
    assert "Oak is connected to no PMS (kim ended it 20" in gone
    connect(runtime, pms)
    assert len(value(runtime, "connection", "show", "Oak")["decisions"]) == 5


def test_a_secret_may_come_from_a_file_or_a_pipe_or_begin_with_an_at_sign(
    runtime, clinic, pms, tmp_path
):
    path = tmp_path / "secret"
    path.write_text("from-a-file\n")
    words = ("connect", "Oak", "sandbox", "--set", f"base_url={pms}", "--secret")

    value(runtime, *words, f"token=@{path}")
    from_file = secrets(runtime, clinic)
    value(runtime, *words, "token=-", input="from-a-pipe\n")
    from_pipe = secrets(runtime, clinic)
    value(runtime, *words, "token=@@home")

    assert from_file == {"token": "from-a-file"}
    assert from_pipe == {"token": "from-a-pipe"}
    assert secrets(runtime, clinic) == {"token": "@home"}


def test_a_date_is_a_day_of_the_clinic_s_own_calendar(runtime, clinic, pms):
    connected = connect(runtime, pms, "--since", "2026-07-01", "--watch-only")

    assert connected["since"] == "2026-07-01T04:00:00Z"
    assert connected["watch_only"] is True


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--set", "nonsense"), "name=value"),
        (("--set", "a=1", "--set", "a=2"), "a is given twice"),
        (("--secret", "token=@/nowhere/at-all"), "No such file"),
        (("--since", "yesterday"), "2026-11-20"),
    ],
)
def test_a_wrong_word_is_a_wrong_use(runtime, clinic, words, told):
    given = ("connect", "Oak", "sandbox", "--set", "base_url=http://127.0.0.1:9", *words)

    result = run(runtime, *given)

    assert result.exit_code == 2
    assert told in result.stderr


def test_wrong_settings_are_all_named_and_connect_nothing(runtime, clinic):
    result = run(runtime, "connect", "Oak", "sandbox", "--set", "base_ur=x", "--json")

    assert (result.exit_code, result.stdout) == (1, "")
    for told in ("did you mean base_url?", "base_url is missing", "token is missing"):
        assert told in result.stderr
    assert in_use(runtime, clinic) is None


def test_an_account_that_cannot_be_signed_in_to_is_connected_with_a_warning(runtime, clinic, pms):
    words = ("--set", f"base_url={pms}", "--secret", "token=wrong-0142")

    result = run(runtime, "connect", "Oak", "sandbox", *words)

    assert result.exit_code == 0
    assert "signing in failed" in result.stderr
    assert "wrong-0142" not in result.output


def test_a_sync_that_is_refused_pauses_the_connection_and_says_how_to_go_on(runtime, clinic, pms):
    connect(runtime, pms, token="wrong-0142")

    refused = run(runtime, "clients", "sync", "Oak", "--json")

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "The connection is paused" in refused.stderr
    assert "ringnote connection test Oak" in refused.stderr
    assert value(runtime, "connection", "show", "Oak")["paused_by"] == "refused"


def test_testing_signs_in(runtime, clinic, pms):
    connect(runtime, pms)

    assert value(runtime, "connection", "test", "Oak")["account"] == "Sandbox PMS"


def test_another_account_is_not_given_what_bears_the_former_one_s_ids_unasked(runtime, clinic, pms):
    connect(runtime, "http://127.0.0.1:9")
    make_entry(runtime.db, clinic, in_use(runtime, clinic))
    words = ("connect", "Oak", "sandbox", "--set", f"base_url={pms}", "--secret", f"token={TOKEN}")

    refused = run(runtime, *words)
    former = in_use(runtime, clinic).settings["base_url"]
    asked = connect(runtime, pms, "--since", "2020-01-01")

    assert refused.exit_code == 1
    assert "whose clients' ids 1 entries that are due bear" in refused.stderr
    assert (former, asked["settings"]["base_url"]) == ("http://127.0.0.1:9", pms)


def test_testing_a_wrong_account_fails(runtime, clinic, pms):
    connect(runtime, pms, token="wrong")

    result = run(runtime, "connection", "test", "Oak", "--json")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "Signing in was refused: the PMS answered 401" in result.stderr
    assert "ringnote connect Oak sandbox --help" in result.stderr
    assert value(runtime, "connection", "show", "Oak")["paused_by"] == "refused"


def test_a_pms_that_cannot_be_reached_is_told_with_where_to_look_and_pauses_nothing(
    runtime, clinic
):
    connect(runtime, "http://127.0.0.1:9")

    result = run(runtime, "connection", "test", "Oak")

    assert result.exit_code == 1
    assert "Signing in failed: the PMS cannot be reached" in result.stderr
    assert "ringnote connection show Oak" in result.stderr
    assert value(runtime, "connection", "show", "Oak")["state"] == "active"


def test_who_resumed_it_by_a_test_is_kept(runtime, clinic, pms, monkeypatch):
    monkeypatch.setattr("ringnote.cli.connections.who", lambda: "kim")
    connect(runtime, pms)
    with runtime.db.transaction() as session:
        [connection] = session.scalars(sa.select(Connection)).all()
        pause_refused(session, connection.id, "the token was refused", runtime.db.present(session))

    value(runtime, "connection", "test", "Oak")

    told = value(runtime, "connection", "show", "Oak")
    assert told["state"] == "active"
    assert [each["kind"] for each in told["decisions"]] == ["connect", "resume"]


def test_a_connection_is_paused_with_a_reason_and_resumed(runtime, clinic, pms):
    connect(runtime, pms)

    paused = value(runtime, "connection", "pause", "Oak", "--reason", "a move")
    resumed = value(runtime, "connection", "resume", "Oak")

    assert (paused["state"], paused["paused_reason"]) == ("paused", "a move")
    assert (resumed["state"], resumed["paused_reason"]) == ("active", None)


def test_a_disconnected_clinic_has_no_connection(runtime, clinic, pms):
    connect(runtime, pms)

    assert value(runtime, "disconnect", "Oak")["state"] == "ended"

    result = run(runtime, "connection", "show", "Oak")
    assert result.exit_code == 1
    assert "ringnote connect --help" in result.stderr


def test_check_finds_nothing_wrong_with_a_clinic_that_is_connected(runtime, clinic, pms):
    connect(runtime, pms)

    checked = value(runtime, "check")

    assert checked["ok"] is True
    assert "signed in to Sandbox PMS" in [each["detail"] for each in checked["findings"]]


def test_check_names_every_fault_and_ends_with_1(runtime, clinic, pms, monkeypatch):
    connect(runtime, pms, token="wrong")
    make_clinic(runtime.db, name="Elm")
    monkeypatch.setenv("RINGNOTE_PUBLIC_ULR", "x")

    result = run(runtime, "check", "--json")

    assert result.exit_code == 1
    findings = json.loads(result.stdout)["findings"]
    faults = [(each["subject"], each["detail"]) for each in findings if each["state"] == "fault"]
    assert [subject for subject, _ in faults] == ["Oak", "Elm"]
    assert "signing in to sandbox failed" in faults[0][1]
    assert "no webhook URL that works" in faults[1][1]
    hints = [each["detail"] for each in findings if each["state"] == "hint"]
    assert any("did you mean RINGNOTE_PUBLIC_URL?" in each for each in hints)


def spool_of(runtime) -> Runtime:
    """A runtime whose data folder lasts, with one webhook in its spool."""
    made = Runtime(runtime.settings.model_copy(update={"data_is_persistent": True}), runtime.db)
    made.spool.append(Spooled("E1", utc_now(), "hash", "text/plain", b"eventType=HangupCall"))
    return made


def test_check_and_doctor_tell_of_webhooks_that_wait_for_the_database(runtime, clinic, monkeypatch):
    spooling = spool_of(runtime)
    soon = [each for each in value(spooling, "check")["findings"] if each["subject"] == "spool"]
    monkeypatch.setattr("ringnote.cli.check.SPOOLED_SECONDS", -1)

    result = run(spooling, "check", "--json")

    [late] = [each for each in json.loads(result.stdout)["findings"] if each["subject"] == "spool"]
    assert [each["state"] for each in soon] == ["hint"]
    assert (result.exit_code, late["state"]) == (1, "fault")
    assert re.search(r"1 KiB of webhooks have waited \d+ s for the database", late["detail"])
    assert "ringnote check" in run(spooling, "doctor").stderr


def test_check_tells_of_webhooks_that_the_database_will_not_take(runtime, clinic):
    spooling = spool_of(runtime)
    spooling.spool.drain(lambda webhooks: webhooks)

    result = run(spooling, "check", "--json")

    faults = [each for each in json.loads(result.stdout)["findings"] if each["state"] == "fault"]
    assert "spool/refused.lines" in faults[0]["detail"]


def test_check_tells_of_settings_that_cannot_be_read(monkeypatch):
    monkeypatch.setenv("RINGNOTE_DATABASE_URL", "mysql://x")
    monkeypatch.setenv("RINGNOTE_LOG_FORMAT", "xml")

    result = CliRunner().invoke(main, ["check", "--json"])

    assert result.exit_code == 1
    findings = json.loads(result.stdout)["findings"]
    assert [each["state"] for each in findings] == ["fault", "fault"]


def refuse(runtime, clinic):
    with runtime.db.transaction() as session:
        pause_refused(
            session, find_connection(session, clinic.id).id, "the PMS answered 401", utc_now()
        )


def test_a_refused_connection_is_resumed_by_the_test_that_passes(runtime, clinic, pms):
    connect(runtime, pms)
    refuse(runtime, clinic)
    told = run(runtime, "doctor")

    tested = value(runtime, "connection", "test", "Oak")

    assert (told.exit_code, "ringnote connection test Oak" in told.output) == (1, True)
    assert (tested["state"], tested["resumed"]) == ("active", True)
    assert value(runtime, "connection", "show", "Oak")["paused_reason"] is None


def test_a_refused_connection_stays_paused_while_it_is_refused(runtime, clinic, pms):
    connect(runtime, pms, token="another-token")
    refuse(runtime, clinic)

    tested = run(runtime, "connection", "test", "Oak")

    assert tested.exit_code != 0
    assert value(runtime, "connection", "show", "Oak")["paused_by"] == "refused"


def test_what_a_person_paused_is_not_resumed_by_a_test(runtime, clinic, pms):
    connect(runtime, pms)
    value(runtime, "connection", "pause", "Oak", "--reason", "moving house")
    refuse(runtime, clinic)

    tested = run(runtime, "connection", "test", "Oak")

    assert "ringnote connection resume Oak" in tested.stderr
    shown = value(runtime, "connection", "show", "Oak")
    assert (shown["state"], shown["paused_by"]) == ("paused", "person")
    assert shown["paused_reason"] == "moving house"


def add_client(store: Store) -> str:
    phones = [{"number": "(212) 555-0142", "label": "mobile"}]
    [client] = store.clients.add([{"name": "Zoë O'Brien", "phones": phones, "patients": []}])
    return client


@pytest.fixture
def faults():
    return Faults()


@pytest.fixture
def store():
    store = Store(":memory:")
    yield store
    store.close()


@pytest.fixture
def troubled(store, faults):
    """The address of a PMS with `store`, which goes wrong by `faults`."""
    with Server(create_pms(":memory:", TOKEN, store=store, faults=faults)) as server:
        yield server.url


def test_a_test_reads_clients_and_writes_nothing(runtime, clinic, store, troubled):
    connect(runtime, troubled)
    client = add_client(store)

    told = run(runtime, "connection", "test", "Oak")

    assert told.exit_code == 0
    assert "fine   List the first page of clients: 1 client, 1 of them" in told.stdout
    assert "fine   Search by number: found 1" in told.stdout
    assert "Zoë" not in told.output and "0142" not in told.output
    assert "see --write" in told.stderr
    assert list(store.records.after("note", 0, 9, client_id=client)) == []


def test_a_test_that_writes_removes_what_it_wrote(runtime, clinic, store, troubled):
    connect(runtime, troubled)
    client = add_client(store)

    tested = value(runtime, "connection", "test", "Oak", "--write", client)

    steps = {each["step"]: each["ok"] for each in tested["steps"]}
    assert {"Write a note", "Change the note", "Complete the task", "Remove the task"} <= set(steps)
    assert set(steps.values()) == {True}
    for kind in ("note", "task"):
        assert list(store.records.after(kind, 0, 9, client_id=client)) == []


def test_what_the_account_may_not_do_is_told_with_where_to_set_it(
    runtime, clinic, store, troubled, faults
):
    connect(runtime, troubled)
    client = add_client(store)
    faults.switch_on(Fault(FaultKind.SERVER_ERROR, status=403, only_writes=True))

    told = run(runtime, "connection", "test", "Oak", "--write", client)

    assert told.exit_code == 1
    assert "WRONG  Write a note: the PMS answered 403" in told.stdout
    assert "give it the right in the PMS (docs/connectors/sandbox.md says where)" in told.stdout


def test_nothing_is_tried_by_writing_where_it_only_watches(runtime, clinic, store, troubled):
    connect(runtime, troubled, "--watch-only")
    client = add_client(store)

    told = run(runtime, "connection", "test", "Oak", "--write", client)

    assert (told.exit_code, "watch only" in told.stderr) == (1, True)
    assert list(store.records.after("note", 0, 9, client_id=client)) == []
