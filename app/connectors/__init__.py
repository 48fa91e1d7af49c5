"""How each PMS is spoken to: one file a PMS, registered here by its name, and plugins besides."""

from collections.abc import Mapping

from ..errors import ConfigError
from .base import Connector, read_values
from .cliniko import ClinikoConnector
from .ezyvet import EzyVetConnector
from .fhir import FhirConnector
from .gnuhealth import GnuHealthConnector
from .hubspot import HubSpotConnector
from .plugins import Connectors
from .provet import ProvetConnector
from .rest.connector import RestConnector
from .sandbox import SandboxConnector

CONNECTORS = Connectors(
    (
        ClinikoConnector,
        EzyVetConnector,
        FhirConnector,
        GnuHealthConnector,
        HubSpotConnector,
        ProvetConnector,
        RestConnector,
        SandboxConnector,
    )
)


def find_connector(name: str, settings: Mapping[str, str]) -> type[Connector] | None:
    """The connector of this name, as an account's settings describe it; None if there is none, or
    they do not describe one."""
    try:
        return CONNECTORS[name].described_by(settings)
    except (KeyError, ConfigError):
        return None


def with_defaults(kind: type[Connector], settings: Mapping[str, str]) -> dict[str, str]:
    """These settings of a connector, read by their types, with the defaults of those that are not
    among them; one that is not of its type stays as it is."""
    shown = [each for each in kind.settings if not each.is_secret]
    return {**settings, **read_values(shown, settings)[0]}


def why_unknown(name: str) -> str:
    """Why there is no connector of this name: its plugin is broken, or is not installed."""
    faults = [f"{each.package}: {each.fault}" for each in CONNECTORS.broken() if each.name == name]
    return (
        f"the connector {name} cannot be used ({'; '.join(faults)})"
        if faults
        else f"no connector is called {name}; if a plugin brings it, install that"
    )
