"""The locks: everything pinned by version and hash, nothing said of where it comes from."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
RUNTIME, DEV = "requirements.lock", "requirements-dev.lock"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BUILD = {"pip", "setuptools", "wheel"}
"""What installs Ringnote itself, once what it depends on is there."""

PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[0-9][^\s;\\]*)(?P<hashes>( \S+)*)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def read_lock(text: str) -> dict[str, str]:
    """The versions by name. Raises ValueError at a line that is no pin by version and sha256."""
    bare = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    lines = (" ".join(line.split()) for line in bare.replace("\\\n", " ").splitlines())
    versions = {}
    for line in filter(None, lines):
        pin = PIN.fullmatch(line)
        hashes = pin["hashes"].split() if pin else []
        if not pin or not hashes or not all(HASH.fullmatch(each) for each in hashes):
            raise ValueError(line)
        versions[canonicalize_name(pin["name"])] = pin["version"]
    return versions


def lock(name: str) -> dict[str, str]:
    return read_lock((ROOT / name).read_text())


def asked_for(name: str) -> list[Requirement]:
    """What pyproject.toml asks for, that this lock should hold."""
    more = PROJECT["optional-dependencies"]["dev"] if name == DEV else []
    return [Requirement(each) for each in (*PROJECT["dependencies"], *more)]


def find_unpinned(requirements: list[Requirement], versions: dict[str, str]) -> set[str]:
    """What is asked for, or needed by what is, and is not in the lock at a version that will do."""
    missing, seen, open_ends = set(), set(), list(requirements)
    while open_ends:
        each = open_ends.pop()
        name = canonicalize_name(each.name)
        if name not in versions or not each.specifier.contains(versions[name], prereleases=True):
            missing.add(str(each))
            continue
        for extra in each.extras or {""}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                needed = map(Requirement, importlib.metadata.requires(name) or ())
                open_ends += [one for one in needed if _applies(one, extra)]
    return missing


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


@pytest.mark.parametrize("name", [RUNTIME, DEV])
def test_everything_in_a_lock_is_pinned_by_version_and_hash(name):
    assert len(lock(name)) > 20


@pytest.mark.parametrize("name", [RUNTIME, DEV])
def test_a_lock_holds_all_that_is_asked_for_and_all_that_needs(name):
    assert find_unpinned(asked_for(name), lock(name)) == set()


def test_both_locks_hold_what_installs_ringnote():
    assert lock(RUNTIME).keys() >= BUILD
    assert lock(DEV).keys() >= BUILD


def test_what_runs_is_what_the_tests_ran_with():
    runtime, dev = lock(RUNTIME), lock(DEV)

    assert {name: dev.get(name) for name in runtime} == runtime


@pytest.mark.parametrize("name", [RUNTIME, DEV])
def test_a_lock_names_no_place_to_fetch_from(name):
    text = (ROOT / name).read_text()

    assert re.findall(r"://|--(?!hash=sha256:)\S+|@ ?file|\bgit\+", text) == []


PINNED = (
    f"flask==3.1.2 \\\n    --hash=sha256:{'a' * 64} \\\n    --hash=sha256:{'b' * 64}\n    # via x\n"
)


def test_a_pin_is_read():
    assert read_lock(PINNED + PINNED.replace("flask", "Jinja2")) == {
        "flask": "3.1.2",
        "jinja2": "3.1.2",
    }


@pytest.mark.parametrize(
    "line",
    [
        "flask==3.1.2",
        f"flask>=3.1 --hash=sha256:{'a' * 64}",
        f"flask==3.1.2 --hash=md5:{'a' * 32}",
        f"flask==3.1.2 --hash=sha256:{'a' * 63}",
        "--index-url https://packages.example.com/simple",
        "-e .",
        f"flask @ https://files.example.com/flask.whl --hash=sha256:{'a' * 64}",
    ],
)
def test_what_is_no_pin_is_refused(line):
    with pytest.raises(ValueError, match=re.escape(line[:9])):
        read_lock(PINNED + line)


def test_what_a_lock_lacks_is_found():
    versions = lock(RUNTIME)
    versions.pop("werkzeug")
    versions.pop("psycopg-binary")
    versions["requests"] = "1.0"

    missing = find_unpinned(asked_for(RUNTIME), versions)

    assert {Requirement(each).name for each in missing} == {
        "requests",
        "werkzeug",
        "psycopg-binary",
    }
