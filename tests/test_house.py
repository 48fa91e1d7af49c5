"""The house in order: who imports whom, what stays pure, and what is never named.

All is read from the sources; nothing of Ringnote is imported. Each check is a function of sources,
shown to find a fault before it is let loose on the tree.
"""

import ast
import graphlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]

ROOMS = (
    {
        "abandoned",
        "asking",
        "batches",
        "clock",
        "curl",
        "db",
        "errors",
        "exchanges",
        "http",
        "logs",
        "numbers",
        "once",
        "refusals",
        "resolving",
        "spool",
        "spool_lines",
    }
    | {"schema", "settings", "signals", "steps", "templating", "toml_reading", "transport"}
    | {"vault", "waits", "wake"},
    {"runtime"},
    {"models"},
    {"connectors"},
    {"telephony"},
    {"directory"},
    {"ledger"},
    {"delivery"},
    {"keeping"},
    {"metrics"},
    {"worker", "background", "jobs"},
    {"access"},
    {"web"},
    {"sandbox"},
    {"testing"},
    {"cli"},
    {"__init__"},
)
"""What lies in app/, from the ground up: a file imports from its own room and those before it."""

LOADERS = {"cli/__init__.py", "schema.py"}
"""What imports by a name put together: the commands, when asked for; the migrations."""

PURE = {
    "curl.py",
    "connectors/rest/answers.py",
    "connectors/rest/description.py",
    "connectors/rest/filling.py",
    "connectors/rest/requests.py",
    "templating.py",
    "toml_reading.py",
    "telephony/calls.py",
    "telephony/changes.py",
    "telephony/conversations.py",
    "telephony/speakers.py",
    "telephony/summaries.py",
    "directory/matching.py",
    "directory/names.py",
    "directory/ownership.py",
    "ledger/hours.py",
    "ledger/patience.py",
    "ledger/policy.py",
    "ledger/policy_checks.py",
    "ledger/policy_text.py",
    "ledger/policy_words.py",
    "ledger/preview.py",
    "ledger/rehearsal.py",
    "ledger/rules.py",
    "ledger/set_aside.py",
    "ledger/compose.py",
    "ledger/episodes.py",
    "ledger/templates.py",
    "ledger/views.py",
    "ledger/wording.py",
    "ledger/words_checks.py",
    "delivery/retry.py",
}
"""What decides by values alone: no database, no web, no clock, nor in anything it imports."""
CLOCKLESS = PURE | {"ledger/callbacks.py", "directory/match.py"}
"""What decides and reads its own rows too: it is told the time."""
OUTER_WORLD = {"sqlalchemy", "flask", "requests", "psycopg", "urllib3", "waitress"}

BROAD = {
    "background.py": 1,
    "batches.py": 1,
    "cli/serve.py": 1,
    "cli/worker.py": 1,
    "connectors/plugins.py": 1,
    "delivery/finisher.py": 1,
    "delivery/hands.py": 1,
    "directory/sync.py": 1,
    "ledger/settle.py": 1,
    "sandbox/file.py": 1,
    "signals.py": 1,
}
"""Where anything at all is caught, and how often: the outermost frames, the call of a host's
receiver, the import of another's connector, and two that raise it on once they have let go of what
they held (a lease, a transaction)."""

REGISTRIES = [
    f"{name}.{top}"
    for top, names in {
        "org": "pypi pypi.python pythonhosted npmjs anaconda rubygems proxy.golang",
        "com": "npmjs yarnpkg unpkg cdnjs cdnjs.cloudflare ajax.googleapis fonts.googleapis"
        " fonts.gstatic",
        "net": "jsdelivr",
        "io": "crates",
    }.items()
    for name in names.split()
]
"""Host names of package registries and of what serves packages to browsers."""

Sources = Mapping[str, str]
"""Python sources by path, '/'-separated, below the folder they are read from."""


def sources(folder: str) -> dict[str, str]:
    below = ROOT / folder
    return {path.relative_to(below).as_posix(): path.read_text() for path in below.rglob("*.py")}


APP = sources("app")


def tree() -> Iterator[Path]:
    """Every file of the tree that .gitignore leaves in it."""
    patterns = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()]
    patterns.append(".git")

    def is_ours(name: str) -> bool:
        return not any(fnmatch(name, pattern) for pattern in patterns)

    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if is_ours(name)]
        yield from (Path(folder, name) for name in names if is_ours(name))


def own_imports(files: Sources, path: str) -> set[str]:
    """The files that `path` imports relatively, anywhere in it (in functions and for types too)."""
    found = set()
    for node in ast.walk(ast.parse(files[path])):
        if isinstance(node, ast.ImportFrom) and node.level:
            up = PurePosixPath(path).parents[node.level - 1]
            base = up.joinpath(*(node.module or "").split("."))
            for alias in node.names:
                found.add(_file_of(files, base / alias.name) or _file_of(files, base) or str(base))
    return found


def _file_of(files: Sources, module: PurePosixPath) -> str | None:
    candidates = (f"{module}.py", str(module / "__init__.py"))
    return next((each for each in candidates if each in files), None)


def outside_imports(source: str) -> set[str]:
    """The top-level names of what a source imports absolutely."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def storey(path: str) -> int:
    """How high above the ground a file lies; raises LookupError for one that has no room."""
    top = path.partition("/")[0].removesuffix(".py")
    for number, room in enumerate(ROOMS):
        if top in room:
            return number
    raise LookupError(f"{path} belongs to no room; give it one in ROOMS")


def find_upward(files: Sources) -> list[str]:
    """The imports that reach into a room above the importer's own."""
    return [
        f"{path} imports {imported}"
        for path in sorted(files)
        for imported in sorted(own_imports(files, path))
        if storey(imported) > storey(path)
    ]


def closure(files: Sources, path: str) -> set[str]:
    """A file and all that it imports, however far removed."""
    reached, open_ends = {path}, {path}
    while open_ends:
        open_ends = {each for end in open_ends for each in own_imports(files, end)} - reached
        reached |= open_ends
    return reached


def find_impure(files: Sources, path: str) -> list[str]:
    """What a file that should be pure imports of the outer world, by way of which file."""
    return [
        f"{path} reaches {name} by {by}"
        for by in sorted(closure(files, path))
        for name in sorted(outside_imports(files[by]) & OUTER_WORLD)
    ]


def find_clocks(source: str) -> list[str]:
    """The calls that ask for the present."""
    asked = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            words = ast.unparse(node.func).split(".")
            is_clock = words[-1] in ("utc_now", "utcnow", "now", "today", "monotonic", "time_ns")
            if is_clock or words[-2:] == ["time", "time"]:
                asked.append(f"line {node.lineno}: {ast.unparse(node)}")
    return asked


def count_broad(source: str) -> int:
    """How many handlers (or `suppress`) take any exception there is."""

    def is_any(kind: ast.expr | None) -> bool:
        kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
        names = {each.id for each in kinds if isinstance(each, ast.Name)}
        return kind is None or bool(names & {"Exception", "BaseException"})

    found = 0
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            found += is_any(node.type)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            found += any(is_any(argument) for argument in node.args)
    return found


def loads_by_name(source: str) -> bool:
    return bool(re.search(r"\bimport_module\(|\b__import__\(", source))


def name_registries(text: str) -> list[str]:
    return [host for host in REGISTRIES if host in text.lower()]


def test_a_file_imports_only_from_its_own_room_and_those_before_it():
    assert find_upward(APP) == []


def test_each_upward_import_is_found_wherever_it_stands():
    files = {
        "web/__init__.py": "",
        "web/pages.py": "",
        "cli/__init__.py": "",
        "__init__.py": "",
        "models/call.py": "if TYPE_CHECKING:\n    from .. import web",
        "telephony/parse.py": "def parse():\n    from ..web.pages import page",
        "ledger/settle.py": "from ..telephony import parse\nfrom ..cli import main",
        "delivery/retry.py": "from .. import VERSION",
    }

    assert find_upward(files) == [
        "delivery/retry.py imports __init__.py",
        "ledger/settle.py imports cli/__init__.py",
        "models/call.py imports web/__init__.py",
        "telephony/parse.py imports web/pages.py",
    ]


def test_a_file_without_a_room_is_told_of():
    with pytest.raises(LookupError, match=r"helpers\.py belongs to no room"):
        find_upward({"helpers.py": "", "cli/a.py": "from ..helpers import b"})


def test_no_file_imports_itself_in_a_circle():
    order = graphlib.TopologicalSorter({path: own_imports(APP, path) for path in APP})

    order.prepare()


def test_only_the_loaders_import_by_a_name_put_together():
    assert {path for path, source in APP.items() if loads_by_name(source)} == LOADERS


def test_connectors_import_no_tables_no_web_and_no_database():
    files = [path for path in APP if path.startswith("connectors/")]
    tables = [
        (path, each)
        for path in files
        for each in own_imports(APP, path)
        if each.startswith("models/")
    ]
    frameworks = [
        (path, name)
        for path in files
        for name in outside_imports(APP[path]) & {"flask", "sqlalchemy"}
    ]

    assert (tables, frameworks) == ([], [])


def test_nothing_takes_a_name_that_a_host_may_have():
    inside = {path: outside_imports(source) for path, source in APP.items()}
    outside = {
        path.relative_to(ROOT).as_posix(): outside_imports(path.read_text())
        for path in tree()
        if path.suffix == ".py" and (ROOT / "app") not in path.parents
    }

    assert {"wsgi.py", "config.py", "migrations/env.py", "tests/conftest.py"} <= outside.keys()
    assert {path for path, names in inside.items() if "ringnote" in names} == set()
    taken = {"app", "config", "migrations"}
    assert {path for path, names in (inside | outside).items() if taken & names} == set()


def test_absolute_imports_are_seen_wherever_they_stand():
    source = "import app.web, os\ndef f():\n    from config import X\n    from . import y"

    assert outside_imports(source) == {"app", "os", "config"}


def test_no_file_of_the_code_is_over_300_lines():
    assert {path: n for path, source in APP.items() if (n := len(source.splitlines())) > 300} == {}


@pytest.mark.parametrize("path", sorted(PURE))
def test_what_decides_reaches_neither_database_nor_network(path):
    assert find_impure(APP, path) == []


def test_the_outer_world_is_found_behind_another_file():
    files = {
        "a/pure.py": "from . import b",
        "a/b.py": "from .c import x",
        "a/c.py": "import requests",
    }

    assert find_impure(files, "a/pure.py") == ["a/pure.py reaches requests by a/c.py"]


@pytest.mark.parametrize("path", sorted(CLOCKLESS))
def test_what_decides_is_told_the_time(path):
    assert find_clocks(APP[path]) == []


@pytest.mark.parametrize(
    "asks", ["utc_now()", "datetime.now(UTC)", "time.time()", "date.today()", "clock.utc_now()"]
)
def test_each_way_to_ask_for_the_time_is_found(asks):
    assert find_clocks(f"def decide():\n    return {asks}") == [f"line 2: {asks}"]


def test_everything_is_caught_only_in_the_outermost_frames():
    found = {path: count for path, source in APP.items() if (count := count_broad(source))}

    assert found == BROAD


@pytest.mark.parametrize(
    "line",
    [
        "try: ...\nexcept Exception: ...",
        "try: ...\nexcept (ValueError, BaseException) as error: ...",
        "try: ...\nexcept: ...",
        "with contextlib.suppress(Exception): ...",
    ],
)
def test_each_way_to_catch_everything_is_found(line):
    assert count_broad(line) == 1
    assert count_broad(
        line.replace("BaseException", "KeyError").replace("Exception", "KeyError")
    ) == ("except:" in line)


def _table_names(source: str) -> Iterator[str]:
    given = {"__tablename__", "VERSION_TABLE"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in given:
            yield ast.literal_eval(node.value)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "op.create_table":
            yield ast.literal_eval(node.args[0])


def test_every_table_bears_the_prefix():
    migrations = sources("migrations")
    names = Counter(
        name for source in (*APP.values(), *migrations.values()) for name in _table_names(source)
    )

    assert len(names) > 20
    assert [name for name in names if not name.startswith("ringnote_")] == []
    versions = [list(_table_names(source)) for source in (APP["schema.py"], migrations["env.py"])]
    assert versions == [["ringnote_alembic_version"]] * 2


def test_a_table_without_the_prefix_is_seen():
    source = "class Call(Base):\n    __tablename__ = 'call'\nop.create_table('note', 1)"

    assert sorted(_table_names(source)) == ["call", "note"]


def test_no_file_names_a_package_registry():
    named = {str(path): found for path in tree() if (found := name_registries(_text(path)))}

    assert named == {}


def test_a_registry_is_found_by_its_host_name():
    assert name_registries(f"--index-url https://{REGISTRIES[0].upper()}/simple") == [REGISTRIES[0]]


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")
