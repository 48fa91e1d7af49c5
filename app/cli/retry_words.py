"""What `ringnote entries retry` says to people: before it is done, and after."""

from collections.abc import Mapping
from typing import Any

from ..ledger.standing import span
from .output import as_called, printable

CLINICS_SHOWN = 10
NOTHING = "Nothing to retry: none of these is retrying or set aside."


def plan_in_words(plan: Mapping[str, Any]) -> list[str]:
    """What a retry would cover, by clinic and kind, and what it leaves apart."""
    count, rate, left = plan["counted"], plan["rate"], _left_in_words(plan)
    if not count:
        return ["Nothing to retry.", *left] if left else [NOTHING]
    by_clinic: dict[str, list[str]] = {}
    for each in plan["counts"]:
        by_clinic.setdefault(each["clinic"]["name"], []).append(
            f"{each['count']:,} {each['kind']}{'s' * (each['count'] != 1)}"
        )
    lines = [f"{name}: {', '.join(kinds)}" for name, kinds in by_clinic.items()]
    if (more := len(lines) - CLINICS_SHOWN) > 0:
        lines[CLINICS_SHOWN:] = [f"and {more:,} more clinics"]
    takes = f", within {span(count * 60 / rate)}" if rate else ""
    first = f"{count:,} failed and can be retried{takes}:"
    return [printable(line) for line in (first, *(f"  {each}" for each in lines), *left)]


def _left_in_words(plan: Mapping[str, Any]) -> list[str]:
    words = {
        "asking": as_called("waiting for a person, see ringnote entries list --state set_aside"),
        "without_pms": "without a PMS to be written to",
        "under_way": "being tried just now",
    }
    counts = plan["left_apart"]
    return [f"Left apart, {words[of]}: {n:,}." for of, n in counts.items() if n]


def done_in_words(value: Mapping[str, Any]) -> list[str]:
    """What became of those that were counted, once all are queued."""
    held = {each["reason"] or "by a person": each["count"] for each in value["paused"]}
    going = value["retried"] - sum(held.values())
    rate = value["rate"]
    when = f", {rate:,} a minute, within {span(going * 60 / rate)}" if rate else " now"
    lines = [f"{going:,} will be tried again{when}."] if going or not held else []
    for reason, count in held.items():
        lines.append(f"{count:,} cannot be tried yet: due: the connection is paused ({reason}).")
    if moved_on := value["counted"] - value["retried"]:
        lines.append(f"Left as they are, since they have moved on meanwhile: {moved_on:,}.")
    return [printable(line) for line in (*lines, *_left_in_words(value))]
