"""What a connection's connector is made of: its settings and secrets, read and checked."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from urllib.parse import urlsplit

from ..connectors import CONNECTORS, find_connector, why_unknown, with_defaults
from ..connectors.base import Connector, Setting, read_values, require_none
from ..connectors.setting import besides
from ..errors import ConfigError, InputError
from ..http import Http, Pass
from ..models import Connection
from ..runtime import Runtime
from .meter import Meter
from .shelf import Shelf


def connector_for(connection: Connection, runtime: Runtime, http: Http | None = None) -> Connector:
    """The connector of a connection; touches no network. Raises ConfigError if it cannot be made.

    Its requests, by `http` where that is not the runtime's, wait until the PMS may be asked. Each
    call makes a new one, which many threads may use: callers keep one by connection.
    """
    kind = CONNECTORS.get(connection.connector)
    if kind is None:
        raise ConfigError(why_unknown(connection.connector))
    kind = kind.described_by(connection.settings)
    secrets = runtime.vault.open(connection.secrets)
    meter = Meter(runtime.db, connection.id)
    shelf = Shelf(runtime.db, runtime.vault, connection.id)
    knowing = (http or runtime.http).knowing(secrets, meter.pass_, shelf)
    connector = kind(with_defaults(kind, connection.settings), secrets, knowing)
    meter.rates = connector.rates
    return connector


def get_connector(name: str) -> type[Connector]:
    """The connector of this name. Raises InputError, naming those there are."""
    kind = CONNECTORS.get(name)
    if kind is None:
        hint = _suggest(name, CONNECTORS) or f"there are: {', '.join(CONNECTORS)}."
        said = why_unknown(name)
        raise InputError(f"{said[0].upper()}{said[1:]}; {hint}")
    return kind


def as_option(setting: Setting) -> str:
    """How a setting is given to a command."""
    return f"; give it with --{'secret' if setting.is_secret else 'set'} {setting.name}=…"


def make_connector(
    http: Http,
    connector_name: str,
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    pass_: Pass | None = None,
    how: Callable[[Setting], str] = as_option,
) -> Connector:
    """A connector of what a person gave, which is read by the types of its settings; `pass_` is
    asked before each of its requests, `how` says of a setting that is missing how to give it.

    Raises InputError or ConfigError, with every fault, unless one can be made of it. Touches no
    network.
    """
    kind = get_connector(connector_name).described_by(settings)
    faults = [
        *_faults_of_names(kind, settings, is_secret=False),
        *_faults_of_names(kind, secrets, is_secret=True),
    ]
    values, wrong = read_values(kind.settings, {**settings, **secrets})
    faults += [
        f"{each.name} is missing ({each.help}){how(each)}"
        for each in kind.settings
        if each.is_required and not values[each.name]
    ]
    try:
        made = kind(with_defaults(kind, settings), dict(secrets), http.knowing(secrets, pass_))
    except ConfigError as error:
        # A constructor speaks of what is missing or in the wrong place too; once is enough.
        require_none(besides(faults, wrong), error.faults)
        raise
    require_none(faults, wrong)
    return made


def read_settings(connector_name: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Those that are given, as their types have them kept."""
    values = with_defaults(CONNECTORS[connector_name].described_by(settings), settings)
    return {name: values[name] for name, given in settings.items() if given.strip()}


def _faults_of_names(
    kind: type[Connector], given: Mapping[str, str], *, is_secret: bool
) -> Iterable[str]:
    known = {each.name: each.is_secret for each in kind.settings}
    for name in given:
        if name not in known:
            what = "secret" if is_secret else "setting"
            yield f"{name} is no {what} of {kind.name}; {_suggest(name, known) or _names(kind)}"
        elif known[name] and not is_secret:
            yield f"{name} is a secret: give it with --secret {name}=…, not with --set"
        elif is_secret and not known[name]:
            yield f"{name} is no secret: give it with --set {name}=…, not with --secret"


def _names(kind: type[Connector]) -> str:
    return f"it has: {', '.join(each.name for each in kind.settings)}"


def _suggest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}?" if close else ""


def host_of(connection: Connection) -> str:
    """The host of its PMS, with its port if the address tells one; '' if it has no address."""
    kind = find_connector(connection.connector, connection.settings)
    if kind is None:
        return ""
    address = kind.address_of(with_defaults(kind, connection.settings))
    return urlsplit(address).netloc.lower()
