"""`ringnote callbacks`: whom somebody must call back, why, and saying that it is done."""

from collections.abc import Mapping
from typing import Any

import click
from sqlalchemy.orm import Session

from ..errors import InputError
from ..ledger.callback_listing import list_callbacks, show_callback_story
from ..ledger.closings import Act, close_callback, decide, reopen_callback
from ..models import CallbackState
from ..runtime import Runtime
from .context import find_clinics, pass_runtime, who
from .options import ID, clinic_option, limit_option
from .output import as_called, emit, emit_listing, json_option, local, print_fields, printable
from .telling import show_entry

STATES = click.Choice([*(state.value for state in CallbackState), "any"])
ROLES = {
    "asks": "asked to be called back",
    "left": "asked at first, but turned out not to",
    "tried": "was called",
    "texted": "was texted",
    "wrote": "texted",
    "reached": "was reached",
}
"""What a call or text was to the callback, of the caller."""

by_option = click.option(
    "--by", default=who, help="Who says so; the user of this machine, if not given."
)


@click.group()
def callbacks() -> None:
    """List whom somebody must call back, tell the story of one, close and reopen it."""


@callbacks.command("list")
@clinic_option
@click.option("--state", type=STATES, help="Of this state, or any; else those still to call back.")
@limit_option
@json_option
@pass_runtime
def list_(
    runtime: Runtime, clinic: str | None, state: str | None, limit: int, as_json: bool
) -> None:
    """List whom somebody must still call back, the longest waiting first."""
    with runtime.db.reading() as session:
        told = list_callbacks(session, find_clinics(session, clinic), state, limit + 1)
    empty = "No callback is of this state." if state else "Nobody is to be called back."
    emit_listing(told, limit, as_json, _row, empty)


def _row(each: Mapping[str, Any]) -> dict[str, object]:
    zone = each["clinic"]["timezone"]
    return {
        "id": each["id"],
        "clinic": each["clinic"]["name"],
        "number": each["number"],
        "client": each["client_name"] or each["client"],
        "state": each["state"],
        "asked": f"{each['asked']} x",
        "last": local(each["last_asked_at"], zone),
        "due": local(each["due_at"], zone) if each["due_at"] else "",
        "task": each["task"]["standing"] if each["task"] else "",
    }


@callbacks.command()
@click.argument("callback_id", type=ID, metavar="ID")
@json_option
@pass_runtime
def show(runtime: Runtime, callback_id: int, as_json: bool) -> None:
    """Tell the whole story of a callback: who asked, what was done, what closed it."""
    with runtime.db.reading() as session:
        told = _get(session, callback_id)
    emit(told, as_json, lambda: _show(told))


@callbacks.command()
@click.argument("callback_id", type=ID, metavar="ID")
@click.option("--why", required=True, help="What came of it, kept and told in the PMS's task.")
@by_option
@json_option
@pass_runtime
def close(runtime: Runtime, callback_id: int, why: str, by: str, as_json: bool) -> None:
    """Say that nobody has to call back any more; the task in the PMS is completed.

    A call missed later opens a new callback.
    """
    told = _decide(runtime, callback_id, close_callback, by, why)
    emit(told, as_json, lambda: click.echo(as_called(_decided(told))))


@callbacks.command()
@click.argument("callback_id", type=ID, metavar="ID")
@click.option("--why", default="", help="A remark, kept and told in the PMS's task.")
@by_option
@json_option
@pass_runtime
def reopen(runtime: Runtime, callback_id: int, why: str, by: str, as_json: bool) -> None:
    """Say that a callback was closed wrongly; its task is open again in the PMS."""
    told = _decide(runtime, callback_id, reopen_callback, by, why)
    emit(told, as_json, lambda: click.echo(as_called(_decided(told))))


def _decide(
    runtime: Runtime,
    callback_id: int,
    act: Act,
    by: str,
    why: str,
) -> dict[str, Any]:
    with runtime.db.reading() as session:
        _get(session, callback_id)
    decide(runtime.db, callback_id, act, by, why)
    runtime.waker.notify()
    with runtime.db.reading() as session:
        return _get(session, callback_id)


def _get(session: Session, callback_id: int) -> dict[str, Any]:
    told = show_callback_story(session, callback_id)
    if told is None:
        raise InputError(f"There is no callback {callback_id}; see: ringnote callbacks list")
    return told


def _decided(told: Mapping[str, Any]) -> str:
    now = "closed" if told["closed_at"] else "open again"
    return (
        f"Callback {told['id']} is {now}; its task in the PMS follows in a moment.\n"
        f"See: ringnote callbacks show {told['id']}"
    )


def _show(told: Mapping[str, Any]) -> None:
    zone = told["clinic"]["timezone"]
    click.secho(printable(f"Callback {told['id']} ({told['clinic']['name']})"), bold=True)
    print_fields(
        {
            "number": told["number"],
            "client": " ".join(filter(None, (told["client_name"], told["client"]))),
            "state": told["state"],
            "asked": f"{told['asked']} x, the last {local(told['last_asked_at'], zone)}",
            "due": local(told["due_at"], zone) if told["due_at"] else "",
            "closed": local(told["closed_at"], zone) if told["closed_at"] else "",
            "closed by": told["closed_by"],
        }
    )
    click.secho("\nWhat happened with the caller", bold=True)
    for each in told["members"]:
        role = ROLES.get(each["role"], each["role"])
        click.echo(
            printable(f"  {local(each['at'], zone)}  {role}  ({each['kind']} {each['key']})")
        )
    if told["decisions"]:
        click.secho("\nWhat people decided", bold=True)
    for each in told["decisions"]:
        why = f": {each['why']}" if each["why"] else ""
        click.echo(printable(f"  {local(each['at'], zone)}  {each['kind']} by {each['by']}{why}"))
    if told["task"]:
        show_entry(told["task"])
