import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from click.testing import CliRunner

from factories import make_client, make_clinic
from ringnote import create_receiver
from ringnote.cli import main
from ringnote.cli.sandbox import phone_system, webhook_address
from ringnote.models import Event, EventStatus, WebhookToken
from ringnote.runtime import Runtime
from ringnote.sandbox.people import invent_number
from ringnote.sandbox.server import Server
from ringnote.sandbox.store import Store

COMMAND = [sys.executable, "-c", "from ringnote.cli import main; main()"]


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """A running `ringnote sandbox`, and the address it printed."""
    process = subprocess.Popen(
        [*COMMAND, "sandbox", "--token", "t", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    return process, process.stdout.readline().strip()


def end(process: subprocess.Popen[str], how: signal.Signals = signal.SIGTERM) -> str:
    process.send_signal(how)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    return said


def simulate(runtime: Runtime, *arguments: str):
    return CliRunner().invoke(main, ["simulate", *arguments], obj=runtime)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_sandbox_serves_until_it_is_told_to_end(how: signal.Signals) -> None:
    process, url = start("--port", "0", "--clients", "3")

    page = requests.get(
        f"{url}/api/v1/clients", headers={"Authorization": "Bearer t"}, timeout=5
    ).json()

    end(process, how)
    assert len(page["items"]) == 3


def test_the_sandbox_keeps_its_file_and_invents_clients_once(tmp_path: Path) -> None:
    path = tmp_path / "pms.sqlite3"

    for _ in range(2):
        process, _ = start("--port", "0", "--file", str(path), "--clients", "5")
        end(process)

    store = Store(path)
    assert store.clients.count() == 5
    store.close()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    process, url = start("--port", "0")
    port = url.rpartition(":")[2]

    second = CliRunner().invoke(main, ["sandbox", "--token", "t", "--port", port])

    end(process)
    assert second.exit_code == 1
    assert f"Port {port} on 127.0.0.1 is taken" in second.output
    assert "--port" in second.output


def test_a_simulation_is_taken_whole_and_leaves_no_token(runtime: Runtime) -> None:
    clinic = make_clinic(runtime.db, container_id="555002")

    with Server(create_receiver(runtime=runtime)) as server:
        result = simulate(
            runtime,
            clinic.name,
            "--calls",
            "8",
            "--rate",
            "500",
            "--speed",
            "100000",
            "--base-url",
            server.url,
            "--json",
        )

    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    with runtime.db.reading() as session:
        events = session.scalars(sa.select(Event)).all()
        tokens = session.scalars(sa.select(WebhookToken)).all()
    assert value["calls"] == 8
    assert value["failed"] == 0
    assert len(events) == value["webhooks"]
    assert {event.status for event in events} == {EventStatus.ACCEPTED}
    assert tokens == []


def test_a_simulation_with_nobody_there_says_so(runtime: Runtime) -> None:
    clinic = make_clinic(runtime.db)
    with Server(create_receiver(runtime=runtime)) as server:
        url = server.url

    result = simulate(runtime, clinic.name, "--base-url", url)

    assert result.exit_code == 1
    assert f"Nothing answers at {url}" in result.output
    assert "ringnote serve" in result.output


def test_webhooks_that_are_not_taken_are_a_failure(runtime: Runtime) -> None:
    clinic = make_clinic(runtime.db)

    with Server(create_receiver(runtime=runtime)) as server:
        result = simulate(
            runtime,
            clinic.name,
            "--calls",
            "1",
            "--rate",
            "500",
            "--speed",
            "100000",
            "--url",
            f"{server.url}/webhooks/of-nobody",
            "--json",
        )

    assert result.exit_code == 1
    assert json.loads(result.stdout)["answers"].keys() == {"404"}


def test_only_clients_with_invented_numbers_are_made_to_call(runtime: Runtime) -> None:
    clinic = make_clinic(runtime.db)
    make_client(runtime.db, clinic, "C1", "Ada Park", ["+12125550142"])
    make_client(runtime.db, clinic, "C2", "Ben Ito", ["+12125550143"])
    make_client(runtime.db, clinic, "C3", "Real Person", ["+12123456789"])
    make_client(runtime.db, clinic, "C4", "Uma Ito", ["+12125550143"])

    phones = phone_system(runtime, clinic)

    assert [caller.number for caller in phones.clients] == ["+12125550142"]
    assert phones.couple is not None
    assert phones.couple.number == "+12125550143"


def test_a_clinic_without_such_clients_is_called_by_invented_people(runtime: Runtime) -> None:
    clinic = make_clinic(runtime.db)

    phones = phone_system(runtime, clinic)

    assert invent_number(0) in [caller.number for caller in phones.clients]


def test_an_address_works_only_inside_its_block_and_spares_the_others(runtime: Runtime) -> None:
    clinic = make_clinic(runtime.db)

    with webhook_address(runtime, clinic, "http://127.0.0.1:1"):
        with webhook_address(runtime, clinic, "http://127.0.0.1:1") as second:
            assert second.startswith("http://127.0.0.1:1/webhooks/")
        with runtime.db.reading() as session:
            inside = session.scalars(sa.select(WebhookToken.expires_at)).all()
    with runtime.db.reading() as session:
        outside = session.scalars(sa.select(WebhookToken)).all()

    assert len(inside) == 1
    assert inside[0] is not None
    assert outside == []
