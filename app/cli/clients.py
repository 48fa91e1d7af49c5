"""`ringnote clients`: the directory of a clinic's clients, by import, by sync, by number."""

import time
from collections.abc import Callable
from functools import partial
from shlex import quote
from typing import Any

import click
from sqlalchemy.orm import Session

from ..connectors.base import Connector
from ..delivery.account_settings import connector_for
from ..delivery.connections import find_connection
from ..delivery.refused import pause_if_refused
from ..directory.find import find_number
from ..directory.sync import SyncResult, sync_clients
from ..directory.sync_state import set_schedule, tell_sync
from ..errors import CredentialsRejected, InputError, Temporary
from ..models import Clinic, Connection
from ..runtime import Runtime
from .client_list import import_
from .context import get_clinic, pass_runtime
from .counting import counting
from .hygiene import hygiene
from .output import emit, json_option, print_fields, print_table, say
from .sync_words import describe_sync

SYNC_TRIES = 6
LONGEST_WAIT_SECONDS = 60.0


@click.group()
def clients() -> None:
    """The clinic's clients: bring them in, keep them current, find one by number."""


clients.add_command(import_)
clients.add_command(hygiene)


@clients.command()
@click.argument("clinic")
@click.option("--full", is_flag=True, help="Read all clients anew, not only what changed.")
@click.option(
    "--remove-missing",
    is_flag=True,
    help="Believe a PMS that tells suddenly of few clients: mark the others as deleted.",
)
@json_option
@pass_runtime
def sync(runtime: Runtime, clinic: str, full: bool, remove_missing: bool, as_json: bool) -> None:
    """Read the clients from the clinic's PMS, to the end: all at first, then what changed.

    The worker does so by itself, see `clients schedule`. Interrupted, it goes on where it stood.
    """
    with runtime.db.reading() as session:
        found = get_clinic(session, clinic)
        connection = _connection(session, found)
    connector = connector_for(connection, runtime)
    with counting("clients read", "clients.sync") as progress:
        run = partial(
            sync_clients,
            runtime.db,
            found,
            connection.id,
            connector,
            runtime.clock,
            progress,
            remove_missing=remove_missing,
        )
        try:
            result = _sync_to_the_end(run, full)
        except CredentialsRejected as error:
            raise _refused(runtime, found, connection, connector, error) from None
    emit(_sync_value(result), as_json, lambda: _show_sync(result))
    if result.reason:
        say(f"The sync stopped before the end: {result.reason}.")
        click.get_current_context().exit(1)


@clients.command()
@click.argument("clinic")
@click.option(
    "--every", type=click.IntRange(1, 7 * 24 * 60), metavar="MINUTES", help="Follow this often."
)
@click.option("--off", is_flag=True, help="Follow only when `clients sync` is run.")
@json_option
@pass_runtime
def schedule(runtime: Runtime, clinic: str, every: int | None, off: bool, as_json: bool) -> None:
    """Tell how far the worker has followed the clinic's PMS, and set how often it does."""
    if every is not None and off:
        raise click.UsageError("Either --every or --off.")
    with runtime.db.transaction() as session:
        connection = _connection(session, get_clinic(session, clinic))
        if every is not None or off:
            set_schedule(session, runtime.db, connection.id, (every or 0) * 60)
        value = tell_sync(session, runtime.db, connection.id)
    emit(value, as_json, lambda: print_fields(describe_sync(value)))


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


def _connection(session: Session, clinic: Clinic) -> Connection:
    connection = find_connection(session, clinic.id)
    if connection is None:
        raise InputError(f"{clinic.name} has no PMS; see: ringnote connect --help")
    return connection


def _refused(
    runtime: Runtime,
    clinic: Clinic,
    connection: Connection,
    connector: Connector,
    error: CredentialsRejected,
) -> InputError:
    """What to tell of a sync that was refused; a refused account is paused."""
    name = quote(clinic.name)
    if pause_if_refused(runtime.db, connection.id, connector):
        return InputError(
            f"The sync was refused, and so is signing in: {error}. The connection is paused; once"
            f" the account is mended: ringnote connection test {name}, or connect it anew"
        )
    return InputError(
        f"The sync was refused: {error}. What the account may not do:"
        f" ringnote connection test {name}"
    )


def _sync_to_the_end(run: Callable[..., SyncResult], full: bool) -> SyncResult:
    for tries_left in reversed(range(SYNC_TRIES)):
        try:
            return run(full=full)
        except Temporary as error:
            if not tries_left:
                raise
            wait = min(error.retry_after or 2.0 ** (SYNC_TRIES - tries_left), LONGEST_WAIT_SECONDS)
            say(f"{error}; going on in {wait:.0f} s")
            time.sleep(wait)
            full = False  # The next try goes on where this one stood.
    raise AssertionError("the last try returns or raises")


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
