"""The console: what came in, whom it belongs to, and where its notes and tasks stand."""

from . import callbacks, mending
from .pages import console

__all__ = ["callbacks", "console", "mending"]
