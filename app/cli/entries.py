"""`ringnote entries`: what should stand in the PMS, where each stands, and trying it again."""

from collections.abc import Mapping
from typing import Any

import click
from sqlalchemy.orm import Session

from ..curl import as_curl, is_cut, secret_names
from ..delivery.answers import confirm_entry, leave_entry
from ..errors import InputError
from ..ledger.entries import list_entries, show_entry_story
from ..ledger.rows import read_entries_where
from ..models import Entry, EntryState
from ..runtime import Runtime
from .context import find_clinics, pass_runtime, who
from .options import ID, clinic_option, limit_option, none_of
from .output import emit, emit_listing, json_option, local, say
from .retries import retries
from .retry import retry
from .telling import show_decisions, show_entry

STATES = click.Choice([state.value for state in EntryState])


@click.group()
def entries() -> None:
    """List and show what is to stand in the PMS, and have it tried again."""


entries.add_command(retry)
entries.add_command(retries)


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
        told = list_entries(session, find_clinics(session, clinic), state, limit + 1)
    hint = "; they come of calls and texts: ringnote calls list"
    emit_listing(told, limit, as_json, _row, none_of("entry", hint, clinic, state))


def _row(each: Mapping[str, Any]) -> dict[str, object]:
    return {
        "id": each["id"],
        "changed": local(each["updated_at"], each["clinic"]["timezone"]),
        "clinic": each["clinic"]["name"],
        "kind": each["kind"],
        "client": each["client"],
        "title": each["title"],
        "stands": each["standing"],
    }


@entries.command()
@click.argument("entry_id", type=ID, metavar="ID")
@click.option("--exchanges", is_flag=True, help="With what each try said to the PMS, in short.")
@json_option
@pass_runtime
def show(runtime: Runtime, entry_id: int, exchanges: bool, as_json: bool) -> None:
    """Show one entry: its text, and every try to write it."""
    with runtime.db.reading() as session:
        told = show_entry_story(session, entry_id)
    if told is None:
        raise InputError(f"There is no entry {entry_id}; see: ringnote entries list")
    story: Mapping[str, Any] = told
    emit(story, as_json, lambda: _show_story(story, exchanges))


def _show_story(story: Mapping[str, Any], exchanges: bool) -> None:
    show_entry(story, exchanges=exchanges)
    show_decisions(story["decisions"], story["clinic"]["timezone"])
    if any(each["exchanges"] for each in story["tries"]):
        if not exchanges:
            say(f"\nWhat was said to the PMS: ringnote entries show {story['id']} --exchanges")
        say(f"To say it again yourself: ringnote entries curl {story['id']}")


@entries.command()
@click.argument("entry_id", type=ID, metavar="ID")
@click.option("--pms-id", metavar="X", help="The PMS's id of it, so that it can be amended later.")
@json_option
@pass_runtime
def confirm(runtime: Runtime, entry_id: int, pms_id: str | None, as_json: bool) -> None:
    """Say that an entry which was perhaps written stands in the PMS: it is not written again."""
    now = runtime.clock()
    with runtime.db.transaction() as session:
        entry = _get_entry(session, entry_id)
        confirm_entry(session, runtime.db, entry, (pms_id or "").strip() or None, who(), now)
        value = _value(session, runtime, entry)
    emit(value, as_json, lambda: click.echo(f"Entry {entry_id}: {value['standing']}."))


@entries.command()
@click.argument("entry_id", type=ID, metavar="ID")
@click.option("--why", default="", help="Kept with who said so.")
@json_option
@pass_runtime
def leave(runtime: Runtime, entry_id: int, why: str, as_json: bool) -> None:
    """Leave an entry that the PMS refuses: it is tried no more, unless it changes.

    Whatever else came of the same call goes on as it was; `entries retry ID` takes it back.
    """
    with runtime.db.transaction() as session:
        entry = _get_entry(session, entry_id)
        leave_entry(session, entry, who(), why, runtime.clock())
        value = _value(session, runtime, entry)
    emit(value, as_json, lambda: click.echo(f"Entry {entry_id}: {value['standing']}."))


@entries.command()
@click.argument("entry_id", type=ID, metavar="ID")
@click.option("--try", "number", type=click.IntRange(1), help="Which try, from 1; else the last.")
@json_option
@pass_runtime
def curl(runtime: Runtime, entry_id: int, number: int | None, as_json: bool) -> None:
    """Print a try's requests as curl commands, with $NAME where a secret stood."""
    with runtime.db.reading() as session:
        told = show_entry_story(session, entry_id)
    if told is None:
        raise InputError(f"There is no entry {entry_id}; see: ringnote entries list")
    tries = told["tries"]
    if number is not None and number > len(tries):
        raise InputError(f"Entry {entry_id} was tried {len(tries)} times.")
    kept = tries[(number or len(tries)) - 1]["exchanges"] if tries else []
    if not kept:
        raise InputError(f"Nothing is kept of what was said to the PMS about entry {entry_id}.")
    commands = [
        {"command": as_curl(each), "secrets": secret_names(each), "is_cut": is_cut(each)}
        for each in kept
    ]
    emit(commands, as_json, lambda: click.echo("\n".join(as_curl(each) for each in kept)))
    if names := sorted({name for each in kept for name in secret_names(each)}):
        say(f"Set {', '.join(f'${name}' for name in names)} first.")
    if any(is_cut(each) for each in kept):
        say("A body was too long to be kept whole, so a command would send a part of it.")


def _get_entry(session: Session, entry_id: int) -> Entry:
    """The entry, locked."""
    entry = session.get(Entry, entry_id, with_for_update=True)
    if entry is None:
        raise InputError(f"There is no entry {entry_id}; see: ringnote entries list")
    return entry


def _value(session: Session, runtime: Runtime, entry: Entry) -> dict[str, Any]:
    session.flush()
    [standing] = read_entries_where(session, Entry.id == entry.id, 1)
    return {
        "id": entry.id,
        "state": entry.state.value,
        "pms_id": entry.pms_id,
        "standing": standing.in_words(None, runtime.clock()),
    }
