"""Tests for connectors that are written elsewhere: the contract suite, and what a fake PMS needs.

It needs pytest, which `pip install "ringnote[testing]"` brings.
"""

import pytest

# Before they are imported, so that a failed assertion tells what it compared.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{each}"
        for each in ("clients", "connections", "contract", "notes", "pms", "tasks", "troubles")
    )
)

from ..sandbox.faults import Fault, FaultKind, Faults
from ..sandbox.server import Server
from .contract import ConnectorContract
from .faulty import make_faulty
from .pms import BODY, BODY_2, NAME, NUMBER, TITLE, FakePms, Kept, gather, needs

__all__ = [
    "BODY",
    "BODY_2",
    "NAME",
    "NUMBER",
    "TITLE",
    "ConnectorContract",
    "FakePms",
    "Fault",
    "FaultKind",
    "Faults",
    "Kept",
    "Server",
    "gather",
    "make_faulty",
    "needs",
]
