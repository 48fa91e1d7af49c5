"""The receiver: webhooks alone, with the worker and the console elsewhere."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from cryptography.fernet import Fernet

from hosting import EXAMPLES, Host, environ

RINGNOTE = str(Path(sys.executable).with_name("ringnote"))


@pytest.fixture
def receiver(database_url, tmp_path) -> Host:
    """The receiver, without the keys that only a worker needs."""
    variables = {"RINGNOTE_DATABASE_URL": database_url, "RINGNOTE_DATA_DIR": str(tmp_path / "data")}
    return Host(EXAMPLES / "receiver", "receiver", environ(**variables))


def elsewhere(receiver: Host, *words: str) -> str:
    """What `ringnote …` says on another machine, which shares the database alone."""
    key = {"RINGNOTE_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
    done = subprocess.run(
        [RINGNOTE, *words],
        env=receiver.environ | key,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_it_takes_is_worked_off_elsewhere(receiver, tmp_path):
    told = elsewhere(
        receiver, "clinic", "add", "Oak Street Vets",
        "--container", "123456", "--timezone", "America/New_York", "--json",
    )  # fmt: skip
    token = json.loads(told)["webhook_url"].rpartition("/")[2]
    fields = {"eventType": "HangupCall", "containerId": "123456", "callUuid": "u-1"}
    answered = {"extNumber": "101", "extName": "Amy", "callerIdNum": "2125550142"}

    with receiver.running(tmp_path / "log") as url:
        answer = requests.post(f"{url}/phones/webhooks/{token}", fields | answered, timeout=10)
        elsewhere(receiver, "worker", "--until-idle")

    assert answer.json() == {"status": "accepted"}
    (entry,) = json.loads(elsewhere(receiver, "entries", "list", "--json"))
    assert (entry["kind"], entry["state"]) == ("note", "waiting")


def test_it_has_nothing_else_of_ringnotes(receiver, tmp_path):
    with receiver.running(tmp_path / "log") as url:
        found = {
            path: requests.get(f"{url}{path}", timeout=10, allow_redirects=False).status_code
            for path in (
                "/",
                "/phones/healthz",
                "/phones/readyz",
                "/phones/",
                "/phones/sign-in",
                "/phones/unmatched",
                "/phones/api/v1/calls",
                "/phones/api/v1/openapi.json",
            )
        }

    assert [path for path, status in found.items() if status == 200] == [
        "/",
        "/phones/healthz",
        "/phones/readyz",
    ]
    assert {status for status in found.values() if status != 200} == {404}
