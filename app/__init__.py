"""Keeps a clinic's practice-management system up to date from its phone system's webhooks.

Mount `Ringnote` into a Flask application, or serve what `create_app` makes by itself.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .access.identity import Identity, person
    from .web.extension import Ringnote, create_app, create_receiver

__all__ = ["Identity", "Ringnote", "create_app", "create_receiver", "person"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: a worker, a connector or a short command needs no web framework.
    if name in ("Identity", "person"):
        from .access import identity

        return getattr(identity, name)
    if name in __all__:
        from .web import extension

        return getattr(extension, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
