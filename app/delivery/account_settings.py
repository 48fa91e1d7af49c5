"""What a connection's connector is made of: its settings and secrets, read and checked."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from urllib.parse import urlsplit

from ..connectors import CONNECTORS, find_connector, why_unknown, with_defaults
from ..connectors.base import Connector
from ..errors import ConfigError, InputError
from ..http import Http, Pass
from ..models import Connection
from ..runtime import Runtime
from .meter import Meter
from .shelf import Shelf


def connector_for(connection: Connection, runtime: Runtime) -> Connector:
    """The connector of a connection; touches no network. Raises ConfigError if it cannot be made.

    Its requests wait until the PMS may be asked. Each call makes a new one, which many threads may
    use: callers keep one by connection.
    """
    kind = CONNECTORS.get(connection.connector)
    if kind is None:
        raise ConfigError(why_unknown(connection.connector))
    kind = kind.described_by(connection.settings)
    secrets = runtime.vault.open(connection.secrets)
    meter = Meter(runtime.db, connection.id)
    shelf = Shelf(runtime.db, runtime.vault, connection.id)
    http = runtime.http.knowing(secrets, meter.pass_, shelf)
    connector = kind(with_defaults(kind, connection.settings), secrets, http)
    meter.rates = connector.rates
    return connector


def make_connector(
    http: Http,
    connector_name: str,
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    pass_: Pass | None = None,
) -> Connector:
    """A connector of what a person gave; `pass_` is asked before each of its requests. Raises
    InputError or ConfigError, with every fault, unless one can be made of it. Touches no network.
    """
    kind = CONNECTORS.get(connector_name)
    if kind is None:
        hint = _suggest(connector_name, CONNECTORS) or f"there are: {', '.join(CONNECTORS)}."
        said = why_unknown(connector_name)
        raise InputError(f"{said[0].upper()}{said[1:]}; {hint}")
    kind = kind.described_by(settings)
    faults = [
        *_faults_of_names(kind, settings, is_secret=False),
        *_faults_of_names(kind, secrets, is_secret=True),
    ]
    given = {**settings, **secrets}
    faults += [
        f"{each.name} is missing ({each.help}); give it with"
        f" --{'secret' if each.is_secret else 'set'} {each.name}=…"
        for each in kind.settings
        if each.is_required and not given.get(each.name, each.default).strip()
    ]
    made = None
    try:
        made = kind(with_defaults(kind, settings), dict(secrets), http.knowing(secrets, pass_))
    except ConfigError as error:
        # A constructor speaks of what is missing or in the wrong place too; once is enough.
        told = {each.split()[0] for each in faults}
        faults += [each for each in error.faults if each.split()[0] not in told]
    if made is None or faults:
        raise ConfigError(*faults)
    return made


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
