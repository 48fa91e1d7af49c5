"""The console: what came in, whom it belongs to, and where its notes and tasks stand."""

from .pages import console

__all__ = ["console"]
