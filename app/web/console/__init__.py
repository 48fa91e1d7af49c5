"""The console: what came in, whom it belongs to, and where its notes and tasks stand."""

from . import callbacks, clients, connect, connection, mending, policy
from .pages import console

__all__ = ["callbacks", "clients", "connect", "connection", "console", "mending", "policy"]
