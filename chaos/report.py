"""What a run came to, as a table for people and as JSON for programs."""

from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table

from .reckoning import Reckoning
from .stage import Stage
from .troubles import Troubles

SHOWN = 20
WIDTH = 150
"""Where what is printed to has no width of its own."""


def count(stage: Stage, troubles: Troubles, found: Reckoning) -> dict[str, int]:
    """How much there was of everything, in the order in which it is told."""
    record = stage.phones.record
    signals = {
        f"{name.replace('SIG', '')} {role}": stage.crew.signals[f"{name} {role}"]
        for name in ("SIGKILL", "SIGTERM", "SIGSTOP")
        for role in ("web", "worker")
    }
    made = {
        name: troubles.count[name]
        for name in ("database started", "connections cut", "write lock held", "clock jump")
    }
    faults: Counter[str] = Counter({each.value: n for each, n in stage.proxy.met.items()})
    return {
        "posted": len(record.posts),
        "acknowledged": len(list(record.acknowledged())),
        "posts without an answer": record.answers["no answer"],
        "posts answered 503": record.answers["503"],
        **{name: number for name, number in signals.items() if number},
        "database restarts": made.pop("database started"),
        **made,
        "disk full": troubles.count["disk full"],
        "PostgreSQL's disk full": troubles.filled,
        "workers stopped before an update": troubles.asleep,
        "PMS faults switched on": troubles.count["PMS fault"] + troubles.count["wire fault"],
        "answers spoilt on the wire": faults.total(),
        "leases lost": found.leases_lost,
        "notes": found.written["note"],
        "tasks": found.written["task"],
        "transcripts": found.written["transcript"],
        **{kind: len(wrong) for kind, wrong in found.wrong.items()},
    }


def print_report(title: str, counts: dict[str, int], found: Reckoning) -> None:
    """The table, and what is wrong."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDTH
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, number in counts.items():
        table.add_row(name, f"{number:,}")
    console.print(title)
    console.print(table)
    for kind, wrong in found.wrong.items():
        for each in wrong[:SHOWN]:
            console.print(f"{kind}: {each}", soft_wrap=True)
        if len(wrong) > SHOWN:
            console.print(f"{kind}: and {len(wrong) - SHOWN} more")


def as_json(asked: dict[str, Any], counts: dict[str, int], found: Reckoning) -> dict[str, Any]:
    """One JSON object: what was asked for, what there was, what is wrong."""
    return {"run": asked, "counts": counts, "wrong": found.wrong}
