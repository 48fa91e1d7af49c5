"""How each PMS is spoken to: one file a PMS, registered here by its name."""

from collections.abc import Mapping

from ..errors import ConfigError
from .base import Connector
from .cliniko import ClinikoConnector
from .ezyvet import EzyVetConnector
from .fhir import FhirConnector
from .gnuhealth import GnuHealthConnector
from .hubspot import HubSpotConnector
from .provet import ProvetConnector
from .rest.connector import RestConnector
from .sandbox import SandboxConnector

CONNECTORS: dict[str, type[Connector]] = {
    each.name: each
    for each in (
        ClinikoConnector,
        EzyVetConnector,
        FhirConnector,
        GnuHealthConnector,
        HubSpotConnector,
        ProvetConnector,
        RestConnector,
        SandboxConnector,
    )
}


def find_connector(name: str, settings: Mapping[str, str]) -> type[Connector] | None:
    """The connector of this name, as an account's settings describe it; None if there is none, or
    they do not describe one."""
    try:
        return CONNECTORS[name].described_by(settings)
    except (KeyError, ConfigError):
        return None
