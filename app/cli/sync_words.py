"""How the following of a clinic's PMS stands, in words for people."""

from collections.abc import Mapping
from typing import Any

STANDS = {
    "never": "not begun yet",
    "running": "running",
    "stopped": "stopped before its end",
    "followed": "up to date",
}


def describe_sync(told: Mapping[str, Any]) -> dict[str, object]:
    """The fields that `tell_sync` told, to be printed under their names."""
    every = told["every_seconds"]
    return {
        "sync": in_words(told),
        "last_complete": told["finished_at"],
        "last_begun": told["started_at"],
        "every": f"{every / 60:g} minutes" if every else "only by `ringnote clients sync`",
        "next": told["due_at"],
    }


def in_words(told: Mapping[str, Any]) -> str:
    """One line: its state, how far it is, and why it stopped."""
    seen, total = told["clients_seen"], told["clients_total"]
    far = ""
    if told["state"] != "never":
        what = "of all clients" if told["is_full"] else "of those that changed"
        far = f", {seen:,} {what} read" + (f" (last time {total:,})" if total else "")
    if told["state"] == "followed":
        far = f", {total:,} clients at the last reading of all" if total is not None else ""
    why = f": {told['reason']}" if told["reason"] else ""
    return f"{STANDS[told['state']]}{far}{why}"
