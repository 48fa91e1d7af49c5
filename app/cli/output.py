"""What commands print: one JSON value on stdout for programs, tables for people."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
UNLIMITED = 100_000
"""Columns: where no terminal reads it, each row of a table is one line."""

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print exactly one JSON value on stdout."
)


def emit(value: Any, as_json: bool, show: Callable[[], None]) -> None:
    """Print `value` as JSON, or let `show` print it for a person."""
    if as_json:
        click.echo(json.dumps(value, default=_plain, ensure_ascii=False, indent=2))
    else:
        show()


def emit_listing(
    told: Sequence[Mapping[str, Any]],
    limit: int,
    as_json: bool,
    row: Callable[[Mapping[str, Any]], dict[str, object]],
    empty: str,
) -> None:
    """Emit the first `limit` of what was told, and say if there is more; for people, `row` of each.

    A column "clinic" is left out where all are of one clinic.
    """
    rows = [row(each) for each in told[:limit]]
    hidden = {"clinic"} if len({each.get("clinic") for each in rows}) == 1 else set()
    columns = [name for name in (rows[0] if rows else {}) if name not in hidden]
    cells = [[each[name] for name in columns] for each in rows]
    emit(told[:limit], as_json, lambda: print_table(columns, cells, empty=empty))
    if len(told) > limit:
        say(f"There are more than these {limit}; to see them, raise --limit.")


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "Nothing to list."
) -> None:
    """Print rows under headings, or `empty` where there are none. No word is cut or broken."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    cells = [["" if cell is None else _shown(cell) for cell in row] for row in rows]
    for name, column in zip(columns, zip(*cells, strict=True), strict=bool(cells)):
        words = " ".join([name, *column]).split()
        table.add_column(name, min_width=max(map(cell_len, words), default=0))
    for each in cells:
        table.add_row(*each)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if not console.is_terminal:
        console.width = UNLIMITED
    if cells:
        console.print(table)
    else:
        click.echo(as_called(empty))


def print_fields(fields: Mapping[str, object]) -> None:
    """Print what is known of one thing, a line each, whole; nothing for what is None or ''."""
    shown = {
        name.replace("_", " "): each for name, each in fields.items() if each not in (None, "")
    }
    width = max((len(name) for name in shown), default=0)
    for name, each in shown.items():
        click.echo(f"{name:<{width}}  {_shown(each)}")


def say(message: str) -> None:
    """Tell a person something that is not the result: on stderr."""
    click.echo(as_called(message), err=True)


def as_called(said: str) -> str:
    """What is said for people, with commands named as they are called here: `flask ringnote …`
    where an application has mounted Ringnote."""
    context = click.get_current_context(silent=True)
    while context is not None:
        if advice := getattr(context.command, "advice", None):
            return str(advice(said))
        context = context.parent
    return said


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)


def local(moment: datetime, timezone: str) -> str:
    """A time as a clinic's clock shows it, with its zone: '2026-11-24 09:37:49 EST'."""
    return f"{moment.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M:%S %Z}"


def printable(text: str) -> str:
    """A text without what would steer the terminal: callers and texts come from anywhere."""
    return CONTROL.sub("�", text)


def _shown(cell: object) -> str:
    return local(cell, "UTC") if isinstance(cell, datetime) else printable(as_called(str(cell)))
