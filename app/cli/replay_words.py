"""What `ringnote events replay` says to people: before it is done, instead of it, and after."""

from collections.abc import Mapping
from typing import Any

from ..ledger.standing import span

NOTHING = "Nothing to replay: no webhook fits."
QUARANTINED = "ringnote events list --status quarantined"


def plan_in_words(plan: Mapping[str, Any]) -> list[str]:
    """What a replay covers, and how long settling it takes."""
    if not plan["replayed"]:
        return [NOTHING]
    lines = [f"{_many(plan['replayed'], 'webhook')}, of {_subjects(plan)}."]
    if count := plan["read_otherwise"]:
        lines.append(f"{_many(count, 'webhook')} read otherwise by now.")
    if plan["quarantined"]:
        lines.append(f"{plan['quarantined']:,} quarantined; why: {QUARANTINED}")
    if plan["policy"] == "current":
        lines.append("All are decided anew by the newest policy of their clinic.")
    if plan["rate"]:
        lines.append(f"They are settled {_spread(plan, _count(plan))}.")
    return lines


def changes_in_words(value: Mapping[str, Any]) -> list[str]:
    """What a replay would change in the PMS."""
    if not value["replayed"]:
        return [NOTHING]
    lines = plan_in_words(value)
    for change, kinds in value["changes"].items():
        if kinds:
            told = ", ".join(_many(count, kind) for kind, count in kinds.items())
            lines.append(f"Would be {change} in the PMS: {told}.")
    if not any(value["changes"].values()):
        lines.append("Nothing would change in the PMS.")
    return [*lines, "Nothing was written."]


def done_in_words(value: Mapping[str, Any]) -> list[str]:
    """What became of it, also if it was interrupted."""
    count, marked = _count(value), value["marked"]
    if value["interrupted"]:
        return [
            f"{marked:,} of {count:,} calls and conversations are settled anew; the others stand as"
            " they stood. The same command goes through all of them."
        ]
    done = f"{value['replayed']:,} read anew: {value['accepted']:,} accepted"
    if value["quarantined"]:
        lines = [f"{done}, {value['quarantined']:,} quarantined; why: {QUARANTINED}"]
    else:
        lines = [f"{done}, none quarantined."]
    if value["rate"]:
        lines.append(f"{_subjects(value)} are settled {_spread(value, count)}.")
    return lines


def _count(value: Mapping[str, Any]) -> int:
    count: int = value["calls"] + value["conversations"]
    return count


def _spread(value: Mapping[str, Any], count: int) -> str:
    rate = value["rate"]
    return f"{rate:,} a minute, within {span(count * 60 / rate)}"


def _subjects(value: Mapping[str, Any]) -> str:
    calls, conversations = value["calls"], value["conversations"]
    return f"{_many(calls, 'call')} and {_many(conversations, 'conversation')}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"
