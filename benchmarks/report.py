"""What was measured, as a table for people and as JSON for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from .measurement import Measurement

COLUMNS = ("", "database", "ours", "a second", "floor", "floor's", "ratio", "also")
TO_THE_RIGHT = {"ours", "a second", "floor's", "ratio"}
SHOWN = (
    "p95_ms",
    "max_ms",
    "statements",
    "peak_mib",
    "backlog_written",
    "hung_at_once",
    "answers_429",
    "answers_500",
)
WIDTH = 160
"""Where what is printed to has no width of its own."""


def print_report(machine: Mapping[str, str], measurements: Sequence[Measurement]) -> None:
    """The table, under what machine it was."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in TO_THE_RIGHT else "left")
    for each in measurements:
        table.add_row(
            f"{each.name}: {each.what}",
            each.database,
            _duration(each.seconds),
            f"{each.per_second:,.0f}",
            each.floor,
            _duration(each.floor_seconds),
            f"{each.ratio:.2f} ({each.ratio_low:.2f} to {each.ratio_high:.2f})",
            ", ".join(_figure(name, each.figures[name]) for name in SHOWN if name in each.figures),
        )
    console.print(table)


def as_json(
    machine: Mapping[str, str], measurements: Sequence[Measurement], *, is_quick: bool
) -> dict[str, Any]:
    """One JSON object; times in seconds unless a name says otherwise."""
    rows = [{**asdict(each), "per_second": each.per_second} for each in measurements]
    return {"machine": dict(machine), "is_quick": is_quick, "measurements": rows}


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms" if seconds >= 0.0001 else f"{seconds * 1e6:.1f} µs"


def _figure(name: str, value: float) -> str:
    words, _, unit = name.rpartition("_")
    if unit == "ms":
        return f"{words} {value:.1f} ms"
    if unit == "mib":
        return f"{words} {value:.0f} MiB"
    return f"{value:.0f} {name.replace('_', ' ')}"
