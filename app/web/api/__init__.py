"""`/api/v1`: what programs read of clinics, calls, conversations, entries and clients."""

# Each module puts its operations on the blueprint, in the order of the document.
from . import clinics, days, calls, conversations, entries, clients, callers, document, refusals  # noqa: F401, I001
from .operations import api

__all__ = ["api"]
