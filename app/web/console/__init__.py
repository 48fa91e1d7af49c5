"""The console: what came in, whom it belongs to, and where its notes and tasks stand."""

from . import callbacks, clients, mending, policy
from .pages import console

__all__ = ["callbacks", "clients", "console", "mending", "policy"]
