"""How each PMS is spoken to: one file a PMS, registered here by its name."""

from .base import Connector
from .fhir import FhirConnector
from .gnuhealth import GnuHealthConnector
from .hubspot import HubSpotConnector
from .sandbox import SandboxConnector

CONNECTORS: dict[str, type[Connector]] = {
    each.name: each
    for each in (FhirConnector, GnuHealthConnector, HubSpotConnector, SandboxConnector)
}
