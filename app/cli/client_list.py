"""`ringnote clients import`: a client list, checked whole, then taken in."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from ..directory.column_choices import Choice, keep_choice, read_choice, recall_choice
from ..directory.csv_clients import ClientList, ListFile
from ..directory.csv_import import (
    Checked,
    ImportResult,
    check_clients,
    import_checked,
    may_remove,
    remove_missing,
)
from ..directory.csv_text import Rejection
from ..directory.csv_write import RejectedRows
from ..errors import InputError
from ..models import Clinic
from ..runtime import Runtime
from .context import get_clinic, pass_runtime, who
from .counting import counting
from .output import as_called, emit, json_option, print_table, say

ROWS_SHOWN = 50
INTERRUPTED = 130


@click.command("import")
@click.argument("clinic")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--column",
    "named",
    multiple=True,
    metavar="WHAT=HEADING",
    help="Say which column is id, name, first, last, phone or patients; may be repeated.",
)
@click.option("--guess", is_flag=True, help="Forget the columns that were named before.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, write nothing.")
@click.option(
    "--rejected",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the rows that were rejected to this file, with the reason.",
)
@click.option("--replace", is_flag=True, help="Mark clients that are not in FILE as deleted.")
@click.option("--yes", is_flag=True, help="Do not ask before clients are marked as deleted.")
@json_option
@pass_runtime
def import_(
    runtime: Runtime,
    clinic: str,
    file: Path,
    named: tuple[str, ...],
    guess: bool,
    dry_run: bool,
    rejected: Path | None,
    replace: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Import a client list exported from the PMS.

    FILE is CSV or TSV with a first row of column names: one for the client's id in the PMS, one or
    more for phone numbers (several in a cell are fine), and, if there are, the name and the
    patients. Which column is which is guessed and shown; what you name with --column is remembered
    for the clinic's next list. The file is checked whole before anything is written. Rows that
    cannot be taken are told by line; the others are imported. Importing again updates.

    \b
    ringnote clients import "Elm Street Vets" clients.csv --dry-run
    ringnote clients import "Elm Street Vets" clients.csv --column phone="Mobile No"
    """
    choice = read_choice(named)
    if rejected is not None and rejected.absolute() == file.absolute():
        raise InputError("--rejected would write over the list itself; name another file.")
    with runtime.db.reading() as session:
        found = get_clinic(session, clinic)
        listed = ListFile(file)
        known = {} if guess else recall_choice(session, found.id, listed.headings)
    clients = ClientList(listed, known | choice)
    _show_columns(clients, known, choice)
    checked = _check(clients, rejected)
    now = runtime.clock()
    with counting("rows imported", "clients.import", total=checked.rows) as progress:
        result = import_checked(
            runtime.db, found, clients, checked, now, progress, dry_run=dry_run, replaces=replace
        )
    if not (dry_run or result.is_cancelled) and (choice or guess):
        with runtime.db.transaction() as session:
            keep_choice(session, runtime.db, found.id, known | choice, who(), now)
    removed = _may_remove(found, result, yes=yes, can_ask=not as_json)
    if removed:
        remove_missing(runtime.db, found, result, now)
    value = _value(result, removed=removed)
    emit(value, as_json, lambda: _show(result, removed=removed))
    _end(result)


def _check(clients: ClientList, rejected: Path | None) -> Checked:
    """Read the list whole, and put the rows that cannot be taken where they were asked for."""
    file = (
        RejectedRows(rejected, clients.file.headings, clients.format.delimiter)
        if rejected
        else None
    )
    reject: Callable[[Rejection], None] | None = file.add if file else None
    try:
        with file or nullcontext(), counting("rows checked", "clients.check") as progress:
            checked = check_clients(clients, progress, reject)
    except KeyboardInterrupt:
        say("Interrupted while the list was checked: nothing was written.")
        click.get_current_context().exit(INTERRUPTED)
    if file and rejected:
        where = f"are in {rejected}: mend them there and import that file"
        say(
            f"The rows that cannot be taken ({file.count:,}) {where}."
            if file.count
            else f"No row was rejected, so {rejected} was not written."
        )
    return checked


def _may_remove(clinic: Clinic, result: ImportResult, *, yes: bool, can_ask: bool) -> bool:
    """Whether those who are missing from the list are to be marked as deleted."""
    if not result.missing or result.is_dry_run or not result.imported:
        return False
    if not may_remove(result):
        say(
            "Some rows were rejected and their clients would be taken for missing, so nobody was"
            " marked as deleted: mend them (--rejected FILE) and import again with --replace."
        )
        return False
    they = f"{result.missing:,} clients of {clinic.name} are not in the list."
    if not (yes or can_ask):
        say(f"{they} With --yes they are marked as deleted.")
        return False
    return yes or click.confirm(f"{they} Mark them as deleted?", err=True)


def _end(result: ImportResult) -> None:
    context = click.get_current_context()
    if result.is_cancelled:
        say(
            f"Interrupted after {result.rows:,} rows: each client is as the list has it, or as"
            " it was before. To take in the rest, import the list again."
        )
        context.exit(INTERRUPTED)
    if not result.imported:
        say("No client was imported: none of the rows could be taken.")
        context.exit(1)


def _show_columns(clients: ClientList, known: Choice, choice: Choice) -> None:
    for what, headings in clients.columns.described().items():
        how = "as you say" if choice.keys() & _parts(what) else "guessed"
        if how == "guessed" and known.keys() & _parts(what):
            how = "as named before"
        say(f"{what}: {', '.join(headings) or 'none'} ({how})")
    if not choice:
        say('If that is wrong, name the column: --column phone="Mobile No"')


def _parts(what: str) -> set[str]:
    return {"name", "first", "last"} if what == "name" else {what}


def _value(result: ImportResult, *, removed: bool) -> dict[str, Any]:
    return {
        "rows": result.rows,
        "imported": result.imported - result.tally.deleted,
        "added": result.tally.added,
        "updated": result.tally.updated,
        "unchanged": result.tally.unchanged,
        "deleted": result.tally.deleted,
        "missing": result.missing,
        "removed": removed,
        "rejected": [{"line": each.line, "reason": each.reason} for each in result.rejected],
        "rejected_rows": result.rejected_rows,
        "unreadable_numbers": result.tally.unreadable_numbers,
        "now_due": result.now_due,
        "dry_run": result.is_dry_run,
        "cancelled": result.is_cancelled,
        "columns": result.columns,
        "encoding": result.encoding,
        "delimiter": result.delimiter,
    }


def _show(result: ImportResult, *, removed: bool) -> None:
    tally = result.tally
    done = "Would import" if result.is_dry_run else "Imported"
    click.echo(
        f"{done} {result.imported - tally.deleted:,} clients: {tally.added:,} new,"
        f" {tally.updated:,} changed, {tally.unchanged:,} as they were."
    )
    if removed:
        click.echo(f"{tally.deleted:,} that are not in the list were marked as deleted.")
    elif result.missing:
        click.echo(f"{result.missing:,} clients of the directory are not in the list.")
    if tally.unreadable_numbers:
        count = f"{tally.unreadable_numbers:,}"
        hint = as_called("see: ringnote clients hygiene")
        click.echo(f"Of their numbers {count} could not be read; {hint}")
    if result.now_due:
        click.echo(
            f"Calls and conversations that waited for them and are due now: {result.now_due:,}"
        )
    if result.rejected_rows:
        click.echo(f"Rejected rows: {result.rejected_rows:,}")
        shown = result.rejected[:ROWS_SHOWN]
        print_table(["Line", "Reason"], [(each.line, each.reason) for each in shown])
        if result.rejected_rows > len(shown):
            more = result.rejected_rows - len(shown)
            click.echo(f"… and {more:,} more; --rejected FILE writes all of them to a file.")
