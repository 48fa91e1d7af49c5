"""Whether a connector has what it declares: the methods that each capability promises.

Asked where plugins are loaded, and by the contract suite.
"""

from collections.abc import Mapping

from .base import Connector

METHODS: Mapping[str, tuple[str, ...]] = {
    "search_by_phone": ("find_clients",),
    "update_note": ("update_note",),
    "read_notes": ("get_note",),
    "delete_note": ("delete_note",),
    "tasks": ("create_task", "update_task", "complete_task"),
    "read_tasks": ("get_task",),
    "delete_task": ("delete_task",),
    "reopen_task": ("reopen_task",),
    "find_by_reference": ("find_by_reference",),
    "create_client": ("create_client",),
}
"""Of each capability, what a connector must do itself: the contract only says that it cannot."""


def missing_methods(kind: type[Connector]) -> list[str]:
    """The methods that a connector lacks for what it declares, each once, in that order."""
    return [
        name
        for capability, names in METHODS.items()
        if getattr(kind.capabilities, capability)
        for name in names
        if getattr(kind, name) is getattr(Connector, name)
    ]
