"""What commands print: one JSON value on stdout for programs, tables for people."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print exactly one JSON value on stdout."
)


def emit(value: Any, as_json: bool, show: Callable[[], None]) -> None:
    """Print `value` as JSON, or let `show` print it for a person."""
    if as_json:
        click.echo(json.dumps(value, default=_plain, ensure_ascii=False, indent=2))
    else:
        show()


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "Nothing to list."
) -> None:
    """Print rows under headings, or `empty` where there are none."""
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    count = 0
    for row in rows:
        table.add_row(*("" if cell is None else _shown(cell) for cell in row))
        count += 1
    if count:
        Console(soft_wrap=True, highlight=False, markup=False).print(table)
    else:
        click.echo(empty)


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
    click.echo(message, err=True)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)


def _shown(cell: object) -> str:
    return cell.strftime("%Y-%m-%d %H:%M:%S") if isinstance(cell, datetime) else str(cell)
