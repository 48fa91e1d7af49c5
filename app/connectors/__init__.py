"""How each PMS is spoken to: one file a PMS, registered here by its name."""

from .base import Connector
from .sandbox import SandboxConnector

CONNECTORS: dict[str, type[Connector]] = {SandboxConnector.name: SandboxConnector}
