"""The examples' applications, as real processes on loopback, or loaded into this one."""

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

EXAMPLES = Path(__file__).parents[1] / "examples"
FLASK = str(Path(sys.executable).with_name("flask"))
START_SECONDS = 30.0
TOKEN_FIELD = re.compile(r'name="(?:csrf_token|form_token)" value="([^"]+)"')
"""Finds what a form carries that proves it to be the application's own."""


@dataclass(frozen=True)
class Host:
    """An example's folder, what `--app` names in it, and the environment it runs in."""

    folder: Path
    app: str
    environ: Mapping[str, str]

    def flask(self, *words: str) -> str:
        """What `flask …` said on stdout; fails with all that it said if it failed."""
        done = subprocess.run(
            [FLASK, "--app", self.app, *words],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def running(self, log: Path) -> Iterator[str]:
        """The URL that `flask run` answers at, until the block ends; what it says is in `log`."""
        words = [FLASK, "--app", self.app, "run", "--port", "0"]
        with (
            log.open("w") as said,
            subprocess.Popen(
                words, cwd=self.folder, env=self.environ, stdout=said, stderr=said
            ) as process,
        ):
            try:
                yield _wait_for_url(log, process)
            finally:
                process.terminate()


def environ(**more: str) -> dict[str, str]:
    """This environment without settings of Ringnote's or of the examples', and with `more`."""
    ours = ("RINGNOTE_", "PORTAL_", "FLASK_")
    kept = {name: each for name, each in os.environ.items() if not name.startswith(ours)}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"} | more


def load_example(name: str, path: Path) -> ModuleType:
    """An example's package or module, under a name of its own: `app` is taken for nobody."""
    spec: Any = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _wait_for_url(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"Running on (http://\S+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"it did not start:\n{log.read_text()}")
