"""Connectors of other packages: found by their entry point, and kept from breaking anything."""

import sys
import threading
from collections import Counter
from textwrap import dedent

import pytest
from connectors.plugged import WORKING, plug_in

from ringnote.connectors import CONNECTORS
from ringnote.connectors.plugins import Connectors
from ringnote.connectors.sandbox import SandboxConnector


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that packages are installed into; what is imported of it is forgotten after."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [each for each in sys.modules if each.startswith("plugin_")]:
        del sys.modules[name]


@pytest.fixture
def connectors(folder):
    return Connectors([SandboxConnector])


def test_a_plugins_connector_is_one_like_any_other(folder, connectors):
    plug_in(folder, "acme")

    assert (connectors["acme"].title, connectors.package_of("acme")) == (
        "Made elsewhere",
        "acme-pms 2.1",
    )
    assert (list(connectors), len(connectors), connectors.broken()) == (["sandbox", "acme"], 2, [])
    assert connectors.package_of("sandbox") == ""


def test_no_plugin_is_loaded_for_a_connector_that_is_shipped(folder, connectors):
    plug_in(folder, "acme", "raise SystemExit('it was imported')")

    assert connectors["sandbox"] is SandboxConnector
    assert "sandbox" in connectors


def test_many_threads_load_a_plugin_once(folder, connectors, monkeypatch):
    counted = Counter()
    monkeypatch.setattr(sys, "loads_of_plugins", counted, raising=False)
    plug_in(folder, "acme", "import sys\nsys.loads_of_plugins['acme'] += 1\nMade = None")
    threads = [threading.Thread(target=connectors.broken) for _ in range(6)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counted["acme"] == 1


def test_a_plugin_that_asks_for_others_while_it_is_loaded_finds_those_shipped(
    folder, connectors, monkeypatch
):
    monkeypatch.setattr(sys, "connectors_asked_by_plugin", connectors, raising=False)
    ask = "import sys\nassert list(sys.connectors_asked_by_plugin) == ['sandbox']\n"
    plug_in(folder, "acme", ask + dedent(WORKING))
    asked = []
    thread = threading.Thread(target=lambda: asked.extend(connectors), daemon=True)

    thread.start()
    thread.join(30)

    assert (asked, connectors.broken()) == (["sandbox", "acme"], [])


BROKEN = {
    "it cannot be imported": ("acme", "import nothing_such", "ModuleNotFoundError"),
    "it ends the program": ("acme", "raise SystemExit(3)", "SystemExit: 3"),
    "it raises what is no Exception": (
        "acme",
        "class Odd(BaseException): ...\nraise Odd('gone')",
        "Odd: gone",
    ),
    "it fails": ("acme", "1 / 0", "ZeroDivisionError: division by zero"),
    "it has no such class": ("acme", "", "AttributeError"),
    "it is no connector": ("acme", "class Made: ...", "no subclass of Connector"),
    "it is no class": ("acme", "Made = 17", "no subclass of Connector"),
    "it lacks methods": (
        "acme",
        "from ringnote.connectors.base import Connector\nclass Made(Connector): ...",
        "Made lacks __init__, check",
    ),
    "it declares too little": (
        "acme",
        "from ringnote.connectors.base import Connector\n"
        "Made = type('Made', (Connector,), dict.fromkeys(Connector.__abstractmethods__))",
        "does not declare name, title, settings, capabilities",
    ),
    "it declares in another form": (
        "acme",
        "from ringnote.connectors.sandbox import SandboxConnector\n"
        "class Made(SandboxConnector): name, capabilities = 'acme', {'tasks': True}",
        "Made.capabilities is no Capabilities",
    ),
    "its settings are none": (
        "acme",
        "from ringnote.connectors.sandbox import SandboxConnector\n"
        "class Made(SandboxConnector): name, settings = 'acme', ('base_url',)",
        "Made.settings holds something that is no Setting",
    ),
    "it declares more than it has": (
        "acme",
        "from ringnote.connectors.base import Capabilities, Connector\n"
        "able = Capabilities(tasks=True, update_note=True)\n"
        "own = {'name': 'acme', 'title': 'Acme', 'settings': (), 'capabilities': able}\n"
        "own |= dict.fromkeys(Connector.__abstractmethods__)\n"
        "Made = type('Made', (Connector,), own)",
        "Made lacks update_note, create_task, update_task, complete_task, by its capabilities",
    ),
    "its class bears another name": (
        "acme",
        "from ringnote.connectors.sandbox import SandboxConnector as Made",
        "name is 'sandbox'",
    ),
    "it takes the name of one that is shipped": ("sandbox", "Made = 1", "ships a connector"),
    "its name is no word": ("Acme PMS", "Made = 1", "small letters"),
}


@pytest.mark.parametrize(("name", "source", "fault"), BROKEN.values(), ids=BROKEN)
def test_a_plugin_that_cannot_be_used_is_named_and_breaks_nothing(
    folder, connectors, name, source, fault
):
    plug_in(folder, name, source)
    plug_in(folder, "other", package="other-pms")

    [broken] = connectors.broken()

    assert (broken.name, broken.package) == (name, "acme-pms 2.1")
    assert fault in broken.fault
    assert list(connectors) == ["sandbox", "other"]
    assert connectors["sandbox"] is SandboxConnector


def test_of_two_with_one_name_neither_is_taken(folder, connectors):
    plug_in(folder, "acme")
    plug_in(folder, "acme", package="rival-pms")

    told = [(each.package, each.fault.split(" has ")[0]) for each in connectors.broken()]

    assert told == [("acme-pms 2.1", "rival-pms 2.1"), ("rival-pms 2.1", "acme-pms 2.1")]
    assert "acme" not in connectors


def test_all_that_are_shipped_are_registered_by_their_names():
    shipped = {"fhir", "gnuhealth", "hubspot", "rest", "sandbox", "provet", "ezyvet", "cliniko"}

    assert {name: CONNECTORS[name].name for name in shipped} == {name: name for name in shipped}
