"""`ringnote entries`: what should stand in the PMS, where each stands, and trying it again."""

from typing import Any

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..delivery.outbox import retry_entries
from ..errors import InputError
from ..ledger.listings import list_entries, show_entry_story
from ..models import Entry, EntryState
from ..runtime import Runtime
from .calls import clinic_option, limit_option
from .context import find_clinic_id, pass_runtime
from .output import emit, json_option, print_table
from .telling import show_entry

STATES = click.Choice([state.value for state in EntryState])
RETRYABLE = (EntryState.SET_ASIDE, EntryState.RETRYING)


@click.group()
def entries() -> None:
    """List and show what is to stand in the PMS, and have it tried again."""


@entries.command("list")
@clinic_option
@click.option("--state", type=STATES, help="Only those that stand so.")
@limit_option
@json_option
@pass_runtime
def list_(
    runtime: Runtime, clinic: str | None, state: str | None, limit: int, as_json: bool
) -> None:
    """List entries, the newest first, and where each stands."""
    with runtime.db.reading() as session:
        told = list_entries(session, find_clinic_id(session, clinic), state, limit)
    rows = [
        (each["id"], each["kind"], each["client"], each["title"], each["standing"]) for each in told
    ]
    columns = ("id", "kind", "client", "title", "stands")
    emit(told, as_json, lambda: print_table(columns, rows, empty="There is no such entry."))


@entries.command()
@click.argument("entry_id", type=int, metavar="ID")
@json_option
@pass_runtime
def show(runtime: Runtime, entry_id: int, as_json: bool) -> None:
    """Show one entry: its text, and every try to write it."""
    with runtime.db.reading() as session:
        told = show_entry_story(session, entry_id)
    if told is None:
        raise InputError(f"There is no entry {entry_id}; see: ringnote entries list")
    story = told
    emit(story, as_json, lambda: show_entry(story))


@entries.command()
@click.argument("ids", type=int, nargs=-1, metavar="[ID]...")
@clinic_option
@click.option("--state", type=click.Choice([state.value for state in RETRYABLE]))
@json_option
@pass_runtime
def retry(
    runtime: Runtime, ids: tuple[int, ...], clinic: str | None, state: str | None, as_json: bool
) -> None:
    """Have entries tried again now: those named, or all of a clinic or state that failed."""
    if not ids and clinic is None and state is None:
        raise click.UsageError("Name entries by their ids, or give --clinic or --state.")
    with runtime.db.transaction() as session:
        found = session.scalars(
            _failed(ids, find_clinic_id(session, clinic), state).with_for_update()
        ).all()
        _require(session, ids, [entry.id for entry in found])
        count = retry_entries(session, runtime.db, found)
    told: dict[str, Any] = {"retried": count, "ids": [entry.id for entry in found]}
    emit(told, as_json, lambda: click.echo(f"{count} will be tried again now."))


def _failed(ids: tuple[int, ...], clinic_id: int | None, state: str | None) -> sa.Select[Entry]:
    states = [EntryState(state)] if state else list(RETRYABLE)
    query = sa.select(Entry).where(Entry.state.in_(states)).order_by(Entry.id)
    if ids:
        query = query.where(Entry.id.in_(ids))
    if clinic_id is not None:
        query = query.where(Entry.clinic_id == clinic_id)
    return query


def _require(session: Session, ids: tuple[int, ...], found: list[int]) -> None:
    for entry_id in ids:
        if entry_id not in found:
            entry = session.get(Entry, entry_id)
            said = f"it is {entry.state.value}" if entry else "there is none with this id"
            raise InputError(
                f"Entry {entry_id} cannot be retried: {said};"
                " only what is retrying or set_aside can."
            )
