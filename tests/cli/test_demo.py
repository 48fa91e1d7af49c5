import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from ringnote.sandbox.store import Store

COMMAND = [sys.executable, "-c", "from ringnote.cli import main; main()", "demo"]
READY = "Ctrl-C ends all of it."


class Demo:
    """A running `ringnote demo` and what it has said."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.said = ""
        self.process = subprocess.Popen(
            [*COMMAND, "--port", "0", "--pms-port", "0", "--data-dir", str(folder), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line
            if READY in line:
                break
        assert READY in self.said, self.said
        [self.link] = re.findall(r"^  (http://\S+/sign-in/\S+)$", self.said, re.MULTILINE)
        self.console = self.link.partition("/sign-in/")[0]
        [self.pms] = re.findall(r"^  (http://[^/\s]+)$", self.said, re.MULTILINE)
        [self.webhook] = re.findall(r"^  (http://\S+/webhooks/\S+)$", self.said, re.MULTILINE)

    def end(self) -> str:
        self.process.send_signal(signal.SIGINT)
        rest, _ = self.process.communicate(timeout=30)
        return rest

    def titles(self, client: str) -> list[str]:
        page = requests.get(f"{self.pms}/clients/{client}/record", timeout=30).text
        return re.findall(r"<h3>(.*?)</h3>", page)


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Demo]:
    demo = Demo(folder, *arguments)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.end()


def wait_for(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def is_open(url: str) -> bool:
    port = int(url.rpartition(":")[2])
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_call_it_proposes_becomes_a_note_and_ctrl_c_ends_all(tmp_path: Path) -> None:
    with running(tmp_path / "demo", "--no-simulate") as demo:
        # What a person pastes into a shell, with the addresses of this run.
        [command] = re.findall(r"^  (curl '.*?' \\\n.*?)$", demo.said, re.MULTILINE)
        [body] = re.findall(r"-d '(.*)'$", command, re.DOTALL)
        body = body.replace("'$(date +%s)'", "1")
        [client] = re.findall(r"/clients/(C\d+)", demo.said)
        taken = requests.post(
            demo.webhook,
            data=body,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            timeout=30,
        )
        wait_for(lambda: demo.titles(client))
        titles = demo.titles(client)
        rest = demo.end()

    assert taken.json() == {"status": "accepted"}
    assert titles == ["Incoming call answered by Dana (101)"]
    assert demo.process.returncode == 0
    assert "Traceback" not in demo.said + rest
    assert not is_open(demo.console)
    assert not is_open(demo.pms)


def test_its_link_signs_in_again_and_again_and_nobody_else_is_let_in(tmp_path: Path) -> None:
    with running(tmp_path / "demo", "--no-simulate") as demo:
        stranger = requests.get(demo.console, timeout=30)
        signed_in = [requests.Session() for _ in range(2)]
        pages = [each.get(demo.link, timeout=30) for each in signed_in]
        again = signed_in[0].get(demo.console, timeout=30)
        policy = signed_in[0].get(f"{demo.console}/policy", timeout=30)

    assert "<h1>Sign in</h1>" in stranger.text
    assert ["Calls and texts</h1>" in page.text for page in (*pages, again)] == [True] * 3
    assert "<dd>700 is Reception</dd>" in policy.text


def test_calls_come_by_themselves(tmp_path: Path) -> None:
    with running(tmp_path / "demo") as demo:
        wait_for(lambda: "Nothing yet" not in requests.get(f"{demo.pms}/feed", timeout=30).text)
        feed = requests.get(f"{demo.pms}/feed", timeout=30).text

    assert re.search(r"<strong>.*(answered|Missed|Text)", feed)


def test_a_second_run_goes_on_with_what_the_first_left(tmp_path: Path) -> None:
    with running(tmp_path, "--no-simulate") as first:
        first.end()

    with running(tmp_path, "--no-simulate") as second:
        second.end()

    store = Store(tmp_path / "pms.sqlite3")
    assert store.clients.count() == 200
    store.close()
    assert second.process.returncode == 0


def test_nothing_outlives_it_when_it_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, "--no-simulate") as demo:
        demo.process.kill()
        demo.process.communicate()

    assert not is_open(demo.console)
    assert not is_open(demo.pms)


@pytest.mark.parametrize("option", ["--port", "--pms-port"])
def test_a_taken_port_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    other = "--pms-port" if option == "--port" else "--port"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = subprocess.run(
            [*COMMAND, option, port, other, "0", "--data-dir", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert result.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken" in result.stderr
    assert f"choose another with {option}." in result.stderr


def test_it_leaves_a_deployment_of_the_environment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere.sqlite3"
    monkeypatch.setenv("RINGNOTE_DATABASE_URL", f"sqlite:///{elsewhere}")

    with running(tmp_path / "demo", "--no-simulate") as demo:
        demo.end()

    assert not elsewhere.exists()
