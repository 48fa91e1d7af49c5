"""`ringnote numbers`: what waits for a match, and what people say a number is."""

import getpass
from typing import Any

import click

from ..directory.choices import Chosen, ignore_number, map_number
from ..directory.waiting import list_unmatched
from ..runtime import Runtime
from .context import get_clinic, pass_runtime
from .output import emit, json_option, print_table

why_option = click.option("--why", default="", help="A remark, kept with the decision.")


@click.group()
def numbers() -> None:
    """Who a number is: what waits for a match, and what you say of it."""


@numbers.command()
@click.argument("clinic")
@json_option
@pass_runtime
def unmatched(runtime: Runtime, clinic: str, as_json: bool) -> None:
    """List the numbers on which calls or texts wait, with the clients to choose among."""
    with runtime.db.reading() as session:
        waiting = list_unmatched(session, get_clinic(session, clinic).id)
    emit(waiting, as_json, lambda: _show_waiting(waiting))


@numbers.command("map")
@click.argument("clinic")
@click.argument("number")
@click.argument("client")
@why_option
@json_option
@pass_runtime
def map_(runtime: Runtime, clinic: str, number: str, client: str, why: str, as_json: bool) -> None:
    """Say that NUMBER (in any format) is CLIENT's, the PMS's own id; what waited is written."""
    with runtime.db.transaction() as session:
        chosen = map_number(
            session,
            runtime.db,
            get_clinic(session, clinic).id,
            number,
            client,
            _who(),
            why,
            runtime.clock(),
        )
    _tell(chosen, "map", f"{chosen.number} is now {chosen.client}'s", as_json)


@numbers.command()
@click.argument("clinic")
@click.argument("number")
@why_option
@json_option
@pass_runtime
def ignore(runtime: Runtime, clinic: str, number: str, why: str, as_json: bool) -> None:
    """Write nothing for NUMBER from now on: a supplier, spam, staff."""
    with runtime.db.transaction() as session:
        chosen = ignore_number(
            session,
            runtime.db,
            get_clinic(session, clinic).id,
            number,
            _who(),
            why,
            runtime.clock(),
        )
    _tell(chosen, "ignore", f"{chosen.number} is now ignored", as_json)


def _tell(chosen: Chosen, kind: str, done: str, as_json: bool) -> None:
    value = {
        "number": chosen.number,
        "kind": kind,
        "client": chosen.client,
        "now_due": chosen.now_due,
    }
    waited = f"; {chosen.now_due} calls and conversations that waited are due now"
    emit(value, as_json, lambda: click.echo(f"{done}{waited if chosen.now_due else ''}."))


def _show_waiting(waiting: list[dict[str, Any]]) -> None:
    print_table(
        ["Number", "Shown as", "Why", "Calls", "Texts", "Last", "Clients"],
        [
            (
                each["number"],
                each["caller_name"],
                "no client has it" if each["kind"] == "none" else "several clients share it",
                each["calls"],
                each["texts"],
                each["last_at"],
                ", ".join(f"{one['id']} {one['name']}".strip() for one in each["candidates"]),
            )
            for each in waiting
        ],
        empty="Nothing waits for a match.",
    )


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "command line"
