"""`ringnote clients`: the directory of a clinic's clients, by import, by sync, by number."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..connectors.base import Connector
from ..delivery.connections import connector_for, find_connection
from ..directory.csv_import import ImportResult, import_clients
from ..directory.find import find_number
from ..directory.sync import SyncResult, sync_clients
from ..errors import InputError, Temporary
from ..models import Clinic
from ..runtime import Runtime
from .context import get_clinic, pass_runtime
from .output import emit, json_option, print_table, say

SYNC_TRIES = 6
LONGEST_WAIT_SECONDS = 60.0
ROWS_SHOWN = 50


@click.group()
def clients() -> None:
    """The clinic's clients: bring them in, keep them current, find one by number."""


@clients.command("import")
@click.argument("clinic")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Read and check everything, write nothing.")
@json_option
@pass_runtime
def import_(runtime: Runtime, clinic: str, file: Path, dry_run: bool, as_json: bool) -> None:
    """Import a client list exported from the PMS.

    FILE is CSV or TSV with a first row of column names: one for the client's id in the PMS, one or
    more for phone numbers (several in a cell are fine), and, if there are, the name and the
    patients. Rows that cannot be taken are told by line; the others are imported. Importing again
    updates.

    \b
    ringnote clients import "Elm Street Vets" clients.csv --dry-run
    """
    with runtime.db.reading() as session:
        found = get_clinic(session, clinic)
    with _progress("rows read", "clients.import") as progress:
        result = import_clients(
            runtime.db, found, file, runtime.clock(), progress=progress, dry_run=dry_run
        )
    emit(_import_value(result), as_json, lambda: _show_import(result))
    if not result.imported:
        say("No client was imported: none of the rows could be taken.")
        click.get_current_context().exit(1)


@clients.command()
@click.argument("clinic")
@click.option("--full", is_flag=True, help="Read all clients anew, not only what changed.")
@json_option
@pass_runtime
def sync(runtime: Runtime, clinic: str, full: bool, as_json: bool) -> None:
    """Read the clients from the clinic's PMS, to the end: all at first, then what changed."""
    with runtime.db.reading() as session:
        found = get_clinic(session, clinic)
        connection = find_connection(session, found.id)
    if connection is None:
        raise InputError(f"{found.name} has no PMS; see: ringnote connect --help")
    connector = connector_for(connection, runtime.vault, runtime.http)
    with _progress("clients read", "clients.sync") as progress:
        result = _sync_to_the_end(runtime, found, connection.id, connector, full, progress)
    emit(_sync_value(result), as_json, lambda: _show_sync(result))
    if result.reason:
        say(f"The sync stopped before the end: {result.reason}.")
        click.get_current_context().exit(1)


@clients.command()
@click.argument("clinic")
@click.argument("number")
@json_option
@pass_runtime
def find(runtime: Runtime, clinic: str, number: str, as_json: bool) -> None:
    """Tell whom NUMBER (in any format) belongs to, and why."""
    with runtime.db.reading() as session:
        value = find_number(session, get_clinic(session, clinic), number, runtime.clock())
    emit(value, as_json, lambda: _show_found(value))


def _sync_to_the_end(
    runtime: Runtime,
    clinic: Clinic,
    connection_id: int,
    connector: Connector,
    full: bool,
    progress: Callable[[int], None],
) -> SyncResult:
    for tries_left in reversed(range(SYNC_TRIES)):
        try:
            return sync_clients(
                runtime.db, clinic, connection_id, connector, runtime.clock, progress, full=full
            )
        except Temporary as error:
            if not tries_left:
                raise
            wait = min(error.retry_after or 2.0 ** (SYNC_TRIES - tries_left), LONGEST_WAIT_SECONDS)
            say(f"{error}; going on in {wait:.0f} s")
            time.sleep(wait)
            full = False  # The next try goes on where this one stood.
    raise AssertionError("the last try returns or raises")


def _import_value(result: ImportResult) -> dict[str, Any]:
    return {
        "rows": result.rows,
        "imported": result.imported,
        "added": result.tally.added,
        "updated": result.tally.updated,
        "unchanged": result.tally.unchanged,
        "rejected": [asdict(each) for each in result.rejected],
        "rejected_rows": result.rejected_rows,
        "unreadable_numbers": result.tally.unreadable_numbers,
        "now_due": result.now_due,
        "dry_run": result.is_dry_run,
        "columns": result.columns,
        "encoding": result.encoding,
        "delimiter": result.delimiter,
    }


def _show_import(result: ImportResult) -> None:
    for what, headings in result.columns.items():
        if headings:
            say(f"{what}: {', '.join(headings)}")
    tally = result.tally
    done = "Would import" if result.is_dry_run else "Imported"
    click.echo(
        f"{done} {result.imported:,} clients: {tally.added:,} new, {tally.updated:,} changed,"
        f" {tally.unchanged:,} as they were."
    )
    if tally.unreadable_numbers:
        click.echo(f"{tally.unreadable_numbers:,} more numbers of theirs could not be read.")
    if result.now_due:
        click.echo(f"{result.now_due:,} calls and conversations waited for them and are due now.")
    if result.rejected_rows:
        click.echo(f"{result.rejected_rows:,} rows were rejected:")
        shown = result.rejected[:ROWS_SHOWN]
        print_table(["Line", "Reason"], [(each.line, each.reason) for each in shown])
        if result.rejected_rows > len(shown):
            click.echo(f"… and {result.rejected_rows - len(shown):,} more (--json tells them).")


def _sync_value(result: SyncResult) -> dict[str, Any]:
    return {
        "full": result.is_full,
        "clients": result.clients,
        "pages": result.pages,
        "added": result.tally.added,
        "updated": result.tally.updated,
        "unchanged": result.tally.unchanged,
        "deleted": result.tally.deleted,
        "unreadable_numbers": result.tally.unreadable_numbers,
        "now_due": result.now_due,
        "reason": result.reason,
    }


def _show_sync(result: SyncResult) -> None:
    tally = result.tally
    scope = "all" if result.is_full else "what changed"
    click.echo(
        f"Read {result.clients:,} clients ({scope}): {tally.added:,} new, {tally.updated:,}"
        f" changed, {tally.deleted:,} deleted or merged, {tally.unchanged:,} as they were."
    )
    if result.now_due:
        click.echo(f"{result.now_due:,} calls and conversations waited for them and are due now.")


def _show_found(value: dict[str, Any]) -> None:
    click.echo(f"{value['number']}: {value['rule']}.")
    if value["clients"]:
        print_table(
            ["Client", "Name", "Patients", "Numbers"],
            [
                (
                    client["id"],
                    client["name"],
                    ", ".join(client["patients"]),
                    ", ".join(f"{n['number']} {n['label']}".strip() for n in client["numbers"]),
                )
                for client in value["clients"]
            ],
        )


@contextmanager
def _progress(what: str, task: str) -> Iterator[Callable[[int], None]]:
    """A counter on stderr, where that is a terminal."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} " + what), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        shown_task = shown.add_task(task, total=None)
        yield lambda done: shown.update(shown_task, completed=done)
