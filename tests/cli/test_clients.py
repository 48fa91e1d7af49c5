"""`ringnote clients`, as a person or a script runs it."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from factories import make_client, make_clinic, make_connection
from fakes import MemoryConnector
from ringnote.cli import clients as commands
from ringnote.cli.clients import clients
from ringnote.clock import utc_now
from ringnote.connectors.base import ClientPage, PmsClient
from ringnote.delivery.connections import open_connection
from ringnote.errors import InputError, RateLimited, Temporary
from ringnote.models import Client, Clinic
from ringnote.runtime import Runtime
from ringnote.sandbox.people import invent_clients
from ringnote.sandbox.pms import create_pms
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store

ONE = "+12125550142"


@pytest.fixture
def clinic(runtime: Runtime) -> Clinic:
    return make_clinic(runtime.db, name="Elm Street Vets")


def run(runtime: Runtime, *arguments: str) -> Result:
    return CliRunner().invoke(clients, arguments, obj=runtime, catch_exceptions=False)


def write(tmp_path: Path, content: str) -> str:
    path = tmp_path / "clients.csv"
    path.write_text(content)
    return str(path)


def test_an_import_tells_one_value_and_the_rejected_rows(
    runtime: Runtime, clinic: Clinic, tmp_path: Path
) -> None:
    path = write(tmp_path, "id,name,phone\n1,Jane,2125550142\n,Nobody,2125550143\n")

    result = run(runtime, "import", "Elm Street Vets", path, "--json")

    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (told["rows"], told["imported"], told["added"]) == (2, 1, 1)
    assert told["rejected"] == [{"line": 3, "reason": "it has no client id"}]
    assert told["columns"] == {"id": ["id"], "name": ["name"], "phones": ["phone"], "patients": []}


def test_an_import_says_in_words_what_it_did(
    runtime: Runtime, clinic: Clinic, tmp_path: Path
) -> None:
    path = write(tmp_path, "id,name,phone\n1,Jane,2125550142\n,Nobody,2125550143\n")

    result = run(runtime, "import", "Elm Street Vets", path)

    assert "Imported 1 clients: 1 new" in result.stdout
    assert "Rejected rows: 1" in result.stdout
    assert "it has no client id" in result.stdout
    assert "Nobody" not in result.output


def test_a_dry_run_writes_nothing(runtime: Runtime, clinic: Clinic, tmp_path: Path) -> None:
    path = write(tmp_path, "id,name,phone\n1,Jane,2125550142\n")

    result = run(runtime, "import", "Elm Street Vets", path, "--dry-run")

    assert "Would import 1 clients" in result.stdout
    assert json.loads(run(runtime, "find", str(clinic.id), ONE, "--json").stdout)["kind"] == "none"


def test_an_import_without_a_good_row_fails(
    runtime: Runtime, clinic: Clinic, tmp_path: Path
) -> None:
    result = run(
        runtime, "import", "Elm Street Vets", write(tmp_path, "id,phone\n,2125550142\n"), "--json"
    )

    assert result.exit_code == 1
    assert json.loads(result.stdout)["rejected_rows"] == 1
    assert "No client was imported" in result.stderr


def test_a_file_that_is_not_there_is_wrong_usage(runtime: Runtime, clinic: Clinic) -> None:
    result = run(runtime, "import", "Elm Street Vets", "/nowhere/clients.csv")

    assert result.exit_code == 2


def test_a_number_is_found_in_any_format(runtime: Runtime, clinic: Clinic) -> None:
    make_client(runtime.db, clinic, "a", "Jane Doe", [ONE])

    told = json.loads(run(runtime, "find", "Elm Street Vets", "212.555.0142", "--json").stdout)

    assert (told["number"], told["kind"], told["client"]) == (ONE, "client", "a")
    assert told["rule"] == "one client has this number"
    assert told["clients"] == [
        {
            "id": "a",
            "name": "Jane Doe",
            "patients": [],
            "numbers": [{"number": ONE, "label": ""}],
        }
    ]
    assert "Jane Doe" in run(runtime, "find", "Elm Street Vets", ONE).stdout


def test_a_clinic_that_is_not_there_is_told_with_those_that_are(
    runtime: Runtime, clinic: Clinic
) -> None:
    with pytest.raises(InputError, match="Elm Street Vets"):
        run(runtime, "find", "Oak Street Vets", ONE)


def test_a_sync_without_a_pms_says_how_to_connect_one(runtime: Runtime, clinic: Clinic) -> None:
    with pytest.raises(InputError, match="ringnote connect"):
        run(runtime, "sync", "Elm Street Vets")


class Flaky(MemoryConnector):
    """Gives `pages` in turn, raising those that are errors once."""

    def __init__(self, *pages: PmsClient | Exception) -> None:
        super().__init__()
        self.pages = list(pages)

    def iter_clients(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
        for number, page in enumerate(self.pages):
            if isinstance(page, Exception):
                self.pages.remove(page)
                raise page
            yield ClientPage((page,), {"at": str(number)})


@pytest.fixture
def speak(
    runtime: Runtime, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Flaky], None]:
    """Have the clinic's PMS be this one, and waiting take no time."""

    def to(connector: Flaky) -> None:
        make_connection(runtime.db, clinic)
        monkeypatch.setattr(commands, "connector_for", lambda *_: connector)
        monkeypatch.setattr(commands.time, "sleep", lambda _: None)

    return to


def test_a_sync_waits_out_a_busy_pms(
    runtime: Runtime, clinic: Clinic, speak: Callable[[Flaky], None]
) -> None:
    speak(Flaky(PmsClient("a", "A"), RateLimited("slow down", retry_after=3), PmsClient("b", "B")))

    result = run(runtime, "sync", "Elm Street Vets", "--json")

    assert result.exit_code == 0
    assert "slow down; going on in 3 s" in result.stderr
    assert json.loads(result.stdout)["reason"] is None


def test_a_sync_gives_up_on_a_pms_that_stays_away(
    runtime: Runtime, clinic: Clinic, speak: Callable[[Flaky], None]
) -> None:
    speak(Flaky(*(Temporary(f"away {number}") for number in range(20))))

    with pytest.raises(Temporary):
        run(runtime, "sync", "Elm Street Vets")


def test_a_sync_that_is_led_in_circles_fails_with_the_reason(
    runtime: Runtime, clinic: Clinic, speak: Callable[[Flaky], None]
) -> None:
    speak(Flaky(PmsClient("a", "A"), PmsClient("a", "A")))

    result = run(runtime, "sync", "Elm Street Vets", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["reason"] == "the PMS gave the same page of clients twice"


def test_a_sync_reads_the_sandbox_pms_to_its_end_and_then_only_what_changed(
    runtime: Runtime, clinic: Clinic
) -> None:
    store = Store(":memory:")
    store.clients.add(invent_clients(450))
    with Server(create_pms(":memory:", "t", store=store)) as server:
        with runtime.db.transaction() as session:
            open_connection(
                session,
                runtime,
                clinic.id,
                "sandbox",
                {"base_url": server.url},
                {"token": "t"},
                now=runtime.clock(),
            )

        first = json.loads(run(runtime, "sync", "Elm Street Vets", "--json").stdout)
        second = json.loads(run(runtime, "sync", "Elm Street Vets", "--json").stdout)
        full = json.loads(run(runtime, "sync", "Elm Street Vets", "--full", "--json").stdout)

    store.close()
    assert (first["full"], first["clients"], first["added"]) == (True, 450, 450)
    assert second["full"] is False
    assert second["clients"] < 450
    assert (full["full"], full["unchanged"]) == (True, 450)


def test_the_columns_are_shown_corrected_and_remembered_for_the_clinic(
    runtime: Runtime, clinic: Clinic, tmp_path: Path
) -> None:
    path = write(tmp_path, "Ref,Who,Mobile No,Fax\n1,Jane,2125550142,2125550143\n")
    with pytest.raises(InputError, match="--column id=HEADING"):
        run(runtime, "import", "Elm Street Vets", path)
    named = ("--column", "id=ref", "--column", "name=Who")

    tried = run(runtime, "import", "Elm Street Vets", path, *named, "--dry-run")
    with pytest.raises(InputError, match="No column holds"):
        run(runtime, "import", "Elm Street Vets", path)
    run(runtime, "import", "Elm Street Vets", path, *named)
    again = run(runtime, "import", "Elm Street Vets", path, "--column", "phone=Fax")
    last = json.loads(run(runtime, "import", "Elm Street Vets", path, "--json").stdout)

    assert "id: Ref (as you say)" in tried.stderr
    assert "phones: Mobile No (guessed)" in tried.stderr
    assert "id: Ref (as named before)" in again.stderr
    assert last["columns"] == {"id": ["Ref"], "name": ["Who"], "phones": ["Fax"], "patients": []}
    with pytest.raises(InputError, match="No column holds the client's id"):
        run(runtime, "import", "Elm Street Vets", path, "--guess")


@pytest.mark.parametrize(
    ("named", "said"),
    [("fone=Mobile", "names no column"), ("phone", "names no column"), ("id=X", "no column 'X'")],
)
def test_a_column_that_is_not_there_is_told(
    runtime: Runtime, clinic: Clinic, tmp_path: Path, named: str, said: str
) -> None:
    path = write(tmp_path, "id,name,phone\n1,Jane,2125550142\n")

    with pytest.raises(InputError, match=said):
        run(runtime, "import", "Elm Street Vets", path, "--column", named)


def test_rejected_rows_are_written_safely_mended_and_imported_again(
    runtime: Runtime, clinic: Clinic, tmp_path: Path
) -> None:
    path = write(
        tmp_path,
        'id,=name,phone\n,=cmd(),+12125550142\n2,Joe,none of it\n3,"Ann,2125550144\n4,Al,\n',
    )
    rejected = tmp_path / "rejected.csv"

    first = run(runtime, "import", "Elm Street Vets", path, "--rejected", str(rejected))
    text = rejected.read_text(encoding="utf-8-sig")
    rejected.write_text(text.replace("it has no client id,", "it has no client id,1"))
    second = run(runtime, "import", "Elm Street Vets", str(rejected), "--json")

    assert "mend them there" in first.stderr
    assert (rejected.stat().st_mode & 0o777) == 0o600
    assert text.splitlines() == [
        "ringnote_line,ringnote_reason,id,'=name,phone",
        "2,it has no client id,,'=cmd(),'+12125550142",
        "3,none of its phone numbers can be read,2,Joe,none of it",
        "4,a quotation mark is opened and never closed,3,Ann,2125550144",
    ]
    told = json.loads(second.stdout)
    assert (told["added"], told["rejected_rows"]) == (2, 1)
    found = json.loads(run(runtime, "find", str(clinic.id), "+12125550142", "--json").stdout)
    assert found["clients"][0]["name"] == "=cmd()"


def test_a_list_that_replaces_asks_with_the_count_and_not_after_rejected_rows(
    runtime: Runtime, clinic: Clinic, tmp_path: Path
) -> None:
    run(runtime, "import", str(clinic.id), write(tmp_path, "id,phone\n1,\n2,\n3,\n"))
    with runtime.db.transaction() as session:
        session.execute(sa.update(Client).values(updated_at=utc_now() - timedelta(days=1)))
    shorter = write(tmp_path, "id,phone\n1,\n")
    command = ["import", str(clinic.id), shorter, "--replace"]

    declined = CliRunner().invoke(clients, command, obj=runtime, input="n\n")
    silent = json.loads(run(runtime, *command, "--json").stdout)
    flawed = write(tmp_path, "id,phone\n1,\n,2125550142\n")
    not_sure = run(runtime, "import", str(clinic.id), flawed, "--replace", "--yes")
    write(tmp_path, "id,phone\n1,\n")
    removed = json.loads(run(runtime, *command, "--yes", "--json").stdout)

    assert "2 clients of Elm Street Vets are not in the list. Mark them as deleted?" in (
        declined.stderr
    )
    assert "2 clients of the directory are not in the list" in declined.stdout
    assert (silent["missing"], silent["removed"]) == (2, False)
    assert "Some rows were rejected" in not_sure.stderr
    assert (removed["removed"], removed["deleted"]) == (True, 2)


def test_the_schedule_is_told_and_set(runtime: Runtime, clinic: Clinic) -> None:
    make_connection(runtime.db, clinic)

    before = json.loads(run(runtime, "schedule", str(clinic.id), "--json").stdout)
    hourly = json.loads(run(runtime, "schedule", str(clinic.id), "--every", "60", "--json").stdout)
    off = run(runtime, "schedule", str(clinic.id), "--off")

    assert (before["state"], before["every_seconds"]) == ("never", 900)
    assert hourly["every_seconds"] == 3600
    assert "only by `ringnote clients sync`" in off.stdout
    assert "not begun yet" in off.stdout


def test_hygiene_is_told_as_a_table_as_json_and_as_a_csv_without_formulas(
    runtime: Runtime, clinic: Clinic, tmp_path: Path
) -> None:
    path = write(tmp_path, "id,name,phone\n1,=cmd(),555-0142\n2,Joe,2125550143\n3,Ann,2125550143\n")
    run(runtime, "import", str(clinic.id), path)
    report = tmp_path / "hygiene.csv"

    table = run(runtime, "hygiene", str(clinic.id)).stdout
    told = json.loads(run(runtime, "hygiene", str(clinic.id), "--json").stdout)
    shared = json.loads(
        run(runtime, "hygiene", str(clinic.id), "--kind", "shared", "--json").stdout
    )
    printed = run(runtime, "hygiene", str(clinic.id), "--csv", "-").stdout
    run(runtime, "hygiene", str(clinic.id), "--csv", str(report))

    assert "the area code is missing (short)" in table
    assert [each["kind"] for each in told] == ["shared", "short"]
    assert [each["clients"] for each in shared] == [["2", "3"]]
    assert printed.splitlines()[1:] == [
        "shared,several clients have this number,,2 clients,'+12125550143,0,0,2 3",
        "short,the area code is missing,1,'=cmd(),555-0142,0,0,",
    ]
    assert report.read_text(encoding="utf-8-sig") == printed
