"""The wheel, built and put into an empty environment beside a host that has an `app` of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
from cryptography.fernet import Fernet

ROOT = Path(__file__).parents[1]
BUILT_FROM = ("app", "migrations", "pyproject.toml", "README.md", "LICENSE")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

HOSTS_APP = """\
from flask import Flask

from ringnote import Ringnote

application = Flask(__name__)


@application.get("/")
def home():
    return "the host's own page"


Ringnote(application)
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy so that nothing left over in the tree gets in."""
    copy = tmp_path_factory.mktemp("copy")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, copy / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, copy)
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", copy, copy])
    (made,) = copy.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def venv(wheel, tmp_path_factory) -> Path:
    """An environment with the wheel in it, and with a host's `app` and `config`.

    What Ringnote depends on comes from the environment that runs the tests: its folder is merely
    named in a .pth file, so that the .pth file there which leads to the tree is not followed.
    """
    home = tmp_path_factory.mktemp("host") / "venv"
    run([sys.executable, "-m", "venv", "--without-pip", home])
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        home / "bin/python",
    ]
    run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel])
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    (packages / "app").mkdir()
    (packages / "app" / "__init__.py").write_text(HOSTS_APP)
    (packages / "config.py").write_text("OWNER = 'host'\n")
    return home


@pytest.fixture
def environ(empty_database_url, tmp_path) -> dict[str, str]:
    return clean_environ() | {
        "RINGNOTE_DATABASE_URL": empty_database_url,
        "RINGNOTE_DATA_DIR": str(tmp_path / "data"),
        "RINGNOTE_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }


def clean_environ() -> dict[str, str]:
    mine = {name: each for name, each in os.environ.items() if not name.startswith("RINGNOTE_")}
    mine.pop("PYTHONPATH", None)
    return mine | {"PYTHONUNBUFFERED": "1"}


def run(words: list, *, environ: dict[str, str] | None = None, folder: Path | None = None) -> str:
    """What it wrote; fails with what it said if it failed."""
    done = subprocess.run(
        words, env=environ, cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask(venv: Path, folder: Path, source: str, environ: dict[str, str] | None = None) -> list:
    """What a Python of that environment prints, as JSON."""
    words = [venv / "bin/python", "-c", source]
    return json.loads(run(words, environ=environ or clean_environ(), folder=folder))


@contextmanager
def serving(venv: Path, environ: dict[str, str], folder: Path) -> Iterator[str]:
    """The address of a `ringnote serve` that runs in that folder."""
    words = [venv / "bin/ringnote", "serve", "--port", "0", "--no-worker"]
    with subprocess.Popen(
        words, env=environ, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            line = process.stdout.readline()
            yield next(word for word in line.split() if word.startswith("http://"))
        finally:
            process.kill()


def shipped(folder: str, package: str) -> set[str]:
    """What the wheel should hold of a folder of the tree: all of it."""
    files = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for path in files
        if "__pycache__" not in path.parts
    }


def test_the_wheel_holds_all_of_the_code_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())

    about = {name for name in names if name.startswith(f"ringnote-{VERSION}.dist-info/")}
    assert names - about == shipped("app", "ringnote") | shipped(
        "migrations", "ringnote/migrations"
    )
    assert f"ringnote-{VERSION}.dist-info/licenses/LICENSE" in about
    assert {
        "ringnote/py.typed",
        "ringnote/migrations/env.py",
        "ringnote/migrations/script.py.mako",
        "ringnote/migrations/versions/0001_data_model.py",
        "ringnote/web/static/look.css",
        "ringnote/web/console/templates/ringnote/console/home.html",
        "ringnote/web/console/static/console.css",
        "ringnote/sandbox/templates/home.html",
    } <= names


def test_beside_it_app_and_config_are_the_hosts(venv, tmp_path):
    source = """if True:
        import json, app, config, ringnote, ringnote.migrations
        modules = (app, config, ringnote, ringnote.migrations)
        print(json.dumps([module.__file__ for module in modules]))"""
    environ = clean_environ() | {"RINGNOTE_DATA_DIR": str(tmp_path)}

    files = ask(venv, tmp_path, source, environ)

    assert all(Path(file).is_relative_to(venv) for file in files)


def test_a_hosts_app_mounts_it(venv, environ, tmp_path):
    run([venv / "bin/ringnote", "migrate"], environ=environ, folder=tmp_path)
    source = """if True:
        import json
        from app import application
        client = application.test_client()
        pages = [client.get(path) for path in ("/", "/ringnote/readyz")]
        print(json.dumps([page.get_data(as_text=True) for page in pages]))"""

    home, ready = ask(venv, tmp_path, source, environ)

    assert home == "the host's own page"
    assert json.loads(ready) == {"status": "ready"}


def test_flask_finds_its_commands_for_what_a_host_has_mounted(venv, environ, tmp_path):
    flask = [venv / "bin/python", "-m", "flask", "--app", "app", "ringnote"]

    migrated = json.loads(run([*flask, "migrate", "--json"], environ=environ, folder=tmp_path))
    listed = json.loads(run([*flask, "clinic", "list", "--json"], environ=environ, folder=tmp_path))

    assert (migrated["before"], listed) == (None, [])


def test_the_command_says_its_version_and_what_it_can_do(venv, tmp_path):
    ringnote = venv / "bin/ringnote"

    version = run([ringnote, "--version"], environ=clean_environ(), folder=tmp_path)
    told = run([ringnote, "--help"], environ=clean_environ(), folder=tmp_path)

    assert VERSION in version
    assert "migrate" in told


def test_it_migrates_and_serves_from_any_folder(venv, environ, tmp_path):
    ringnote = venv / "bin/ringnote"

    migrated = json.loads(run([ringnote, "migrate", "--json"], environ=environ, folder=tmp_path))
    with serving(venv, environ, tmp_path) as url:
        ready = requests.get(f"{url}/readyz", timeout=10)
        console = requests.get(f"{url}/", timeout=10)
        sheets = re.findall(r'<link[^>]*href="([^"]+\.css[^"]*)"', console.text)
        styled = [requests.get(urljoin(url, sheet), timeout=10) for sheet in sheets]

    assert migrated["before"] is None
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    assert (console.status_code, "Ringnote" in console.text) == (200, True)
    assert len(styled) >= 2
    assert {(each.status_code, each.headers["Content-Type"]) for each in styled} == {
        (200, "text/css; charset=utf-8")
    }
