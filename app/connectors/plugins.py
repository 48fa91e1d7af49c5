"""Connectors of other packages, which name them in the entry point group `ringnote.connectors`.

They are loaded when first asked for, once a process. One that cannot be used is told of and left
out; it breaks nothing else, and none takes the place of another's or of one that is shipped.
"""

import inspect
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points

from ..logs import get_logger
from .base import Capabilities, Connector, Setting
from .declared import missing_methods

GROUP = "ringnote.connectors"
NAME = re.compile("[a-z][a-z0-9_-]{0,39}")
DECLARED = {"name": str, "title": str, "settings": tuple, "capabilities": Capabilities}

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Broken:
    """A plugin that cannot be used: its connector's name, the package it is of, and why."""

    name: str
    package: str
    fault: str


@dataclass(slots=True)
class _Plugins:
    usable: dict[str, type[Connector]] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)


class Connectors(Mapping[str, type[Connector]]):
    """Every connector by its name: those that are shipped, then those of plugins.

    Plugins are looked for when a name is asked for that is not shipped, or all of them are. Safe to
    use from threads.
    """

    def __init__(self, shipped: Iterable[type[Connector]]) -> None:
        self._shipped = {each.name: each for each in shipped}
        self._plugins: _Plugins | None = None
        self._lock = threading.RLock()

    def __getitem__(self, name: str) -> type[Connector]:
        return self._shipped[name] if name in self._shipped else self._found().usable[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._shipped, *self._found().usable])

    def __len__(self) -> int:
        return len(self._shipped) + len(self._found().usable)

    def package_of(self, name: str) -> str:
        """The package, with its version, that a plugin's connector is of; '' for a shipped one."""
        return "" if name in self._shipped else self._found().packages[name]

    def broken(self) -> list[Broken]:
        """The plugins that cannot be used, and why."""
        return list(self._found().broken)

    def _found(self) -> _Plugins:
        with self._lock:
            if self._plugins is None:
                # What a plugin finds here that looks while it is being loaded itself.
                self._plugins = _Plugins()
                try:
                    self._plugins = _load(self._shipped)
                except KeyboardInterrupt:
                    self._plugins = None
                    raise
            return self._plugins


def _load(shipped: Mapping[str, type[Connector]]) -> _Plugins:
    found = _Plugins()
    points = sorted(entry_points(group=GROUP), key=lambda each: (each.name, _package(each)))
    for point in points:
        rivals = [each for each in points if each.name == point.name and each is not point]
        try:
            kind = _read(point, shipped, rivals)
        except _Unusable as error:
            broken = Broken(point.name, _package(point), str(error))
            found.broken.append(broken)
            log.warning("connectors.plugin_broken", plugin=broken.name, package=broken.package)
        else:
            found.usable[point.name] = kind
            found.packages[point.name] = _package(point)
    return found


class _Unusable(Exception):
    """Why a plugin cannot be used."""


def _read(
    point: EntryPoint, shipped: Mapping[str, type[Connector]], rivals: Sequence[EntryPoint]
) -> type[Connector]:
    """The connector that an entry point leads to. Raises _Unusable where that is none."""
    if point.name in shipped:
        raise _Unusable("Ringnote ships a connector of this name: it needs another one")
    if not NAME.fullmatch(point.name):
        raise _Unusable("a connector's name is small letters, digits, - and _, such as my-pms")
    if rivals:
        others = ", ".join(_package(each) for each in rivals)
        raise _Unusable(f"{others} has a connector of this name too: uninstall all but one")
    try:
        kind = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # Importing another's code may raise anything; a SystemExit of its must not end Ringnote.
        said = f"{point.value} cannot be loaded: {type(error).__name__}: {error}"
        raise _Unusable(said) from error
    return _require_connector(kind, point.name)


def _require_connector(kind: object, name: str) -> type[Connector]:
    if not (isinstance(kind, type) and issubclass(kind, Connector)):
        raise _Unusable("it names something that is no subclass of Connector")
    if inspect.isabstract(kind):
        raise _Unusable(f"{kind.__name__} lacks {', '.join(sorted(kind.__abstractmethods__))}")
    if lacking := [each for each in DECLARED if not hasattr(kind, each)]:
        raise _Unusable(f"{kind.__name__} does not declare {', '.join(lacking)}")
    for each, wanted in DECLARED.items():
        if not isinstance(getattr(kind, each), wanted):
            raise _Unusable(f"{kind.__name__}.{each} is no {wanted.__name__}")
    if not all(isinstance(each, Setting) for each in kind.settings):
        raise _Unusable(f"{kind.__name__}.settings holds something that is no Setting")
    if lacking := missing_methods(kind):
        raise _Unusable(f"{kind.__name__} lacks {', '.join(lacking)}, by its capabilities")
    if kind.name != name:
        raise _Unusable(f"{kind.__name__}.name is {kind.name!r}, but its entry point is {name!r}")
    return kind


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed package"
