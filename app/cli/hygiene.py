"""`ringnote clients hygiene`: what to mend in the PMS, the costliest first."""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from ..directory.csv_write import open_private, write_rows
from ..directory.hygiene import SAYS, Finding, find_flaws
from ..runtime import Runtime
from .context import get_clinic, pass_runtime
from .output import emit, json_option, print_table, say

COLUMNS = ("kind", "says", "client", "name", "field", "waited", "calls", "clients")


@click.command()
@click.argument("clinic")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(list(SAYS)), help="This kind alone."
)
@click.option(
    "--csv",
    "csv_path",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Write all of it to this file (-: to stdout), safe to open in a spreadsheet.",
)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@json_option
@pass_runtime
def hygiene(
    runtime: Runtime,
    clinic: str,
    kinds: tuple[str, ...],
    csv_path: Path | None,
    limit: int,
    as_json: bool,
) -> None:
    """List what is wrong with the clients' numbers in the PMS, what costs most first.

    Numbers that cannot be read or lack their area code, that several clients share, that have words
    in them, that are of another country or the clinic's own, and clients without any. "Waited" is
    how many calls and texts waited or were nobody's because of it. Mend it in the PMS; the next
    sync or import takes it off the list.
    """
    if as_json and csv_path is not None:
        raise click.UsageError("Either --json or --csv.")
    with runtime.db.reading() as session:
        found = find_flaws(session, get_clinic(session, clinic))
    found = [each for each in found if not kinds or each.kind in kinds]
    if csv_path is not None:
        _write(found, csv_path)
        return
    emit([_value(each) for each in found], as_json, lambda: _show(found, limit))


def _write(found: list[Finding], path: Path) -> None:
    rows = [[_value(each)[name] for name in COLUMNS[:-1]] for each in found]
    lists = [" ".join(each.clients) for each in found]
    whole = [[*row, clients] for row, clients in zip(rows, lists, strict=True)]
    if str(path) == "-":
        write_rows(sys.stdout, COLUMNS, whole)
        return
    with open_private(path) as file:
        write_rows(file, COLUMNS, whole)
    say(f"{len(found):,} findings are in {path}.")


def _value(each: Finding) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "says": each.says,
        "client": each.client,
        "name": each.name,
        "field": each.field,
        "waited": each.waited,
        "calls": each.calls,
        "clients": list(each.clients),
    }


def _show(found: list[Finding], limit: int) -> None:
    counts = Counter(each.kind for each in found)
    for kind, says in SAYS.items():
        if counts[kind]:
            click.echo(f"{counts[kind]:>7,}  {says} ({kind})")
    if found:
        click.echo()
    print_table(
        ["Waited", "Calls", "Client", "Name", "Field", "What is wrong"],
        [
            (each.waited, each.calls, each.client, each.name, each.field, each.says)
            for each in found[:limit]
        ],
        empty="There is nothing to mend.",
    )
    if len(found) > limit:
        say(f"There are {len(found):,}; --limit shows more, --csv FILE writes all of them.")
