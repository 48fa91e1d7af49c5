"""`ringnote numbers`: what waits for a match, and what people say a number is."""

from collections.abc import Callable
from typing import Any

import click
from sqlalchemy.orm import Session

from ..directory.choices import (
    Chosen,
    deny_client,
    forget_number,
    ignore_number,
    map_number,
    pick_client,
)
from ..directory.rulings import list_rules
from ..directory.waiting import list_unmatched
from ..runtime import Runtime
from .context import get_clinic, pass_runtime, who
from .output import emit, json_option, local, print_table

why_option = click.option("--why", default="", help="A remark, kept with the decision.")
move_option = click.option(
    "--move", is_flag=True, help="Also move what was written to others because of this number."
)
Command = Callable[..., None]
RULES = {
    "map": "is the client's",
    "not": "is not the client's",
    "ignore": "is ignored",
    "pick": "was the client's last time",
}
OF_FORMER = ", at a former PMS account: without effect"


def says_whose(command: Command) -> Command:
    """The arguments and options of a command that says of a number whether it is a client's."""
    parts: list[Callable[[Command], Command]] = [pass_runtime, json_option, why_option, move_option]
    parts += [click.argument(each) for each in ("client", "number", "clinic")]
    for part in parts:
        command = part(command)
    return command


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
        found = get_clinic(session, clinic)
        waiting = list_unmatched(session, found.id)
    emit(waiting, as_json, lambda: _show_waiting(waiting, found.timezone))


@numbers.command("map")
@says_whose
def map_(
    runtime: Runtime, clinic: str, number: str, client: str, move: bool, why: str, as_json: bool
) -> None:
    """Say that NUMBER (in any format) is CLIENT's, the PMS's own id; what waited is written."""
    chosen = _say_whose(runtime, map_number, clinic, number, client, why, move=move)
    _tell(chosen, "map", f"{chosen.number} is now {chosen.client}'s", as_json)


@numbers.command()
@click.argument("clinic")
@click.argument("number")
@click.argument("client")
@click.option("--call", "call_uuid", default="", help="Only this call, decided already or not.")
@why_option
@json_option
@pass_runtime
def pick(
    runtime: Runtime, clinic: str, number: str, client: str, call_uuid: str, why: str, as_json: bool
) -> None:
    """Say that this time it was CLIENT who used NUMBER, which several share.

    It is remembered for the next call, for as long as the clinic's policy says; once people picked
    now the one client, now another, each call waits for a person again.
    """

    def act(session: Session, clinic_id: int) -> Chosen:
        db, now = runtime.db, runtime.clock()
        return pick_client(
            session, db, clinic_id, number, client, who(), why, now, call_uuid=call_uuid
        )

    chosen = _decide(runtime, clinic, act)
    _tell(chosen, "pick", f"It was {chosen.client} who used {chosen.number}", as_json)


@numbers.command("not")
@says_whose
def not_(
    runtime: Runtime, clinic: str, number: str, client: str, move: bool, why: str, as_json: bool
) -> None:
    """Say that NUMBER is not CLIENT's, whatever the PMS has."""
    chosen = _say_whose(runtime, deny_client, clinic, number, client, why, move=move)
    _tell(chosen, "not", f"{chosen.number} is not {chosen.client}'s", as_json)


@numbers.command()
@click.argument("clinic")
@click.argument("number")
@why_option
@json_option
@pass_runtime
def ignore(runtime: Runtime, clinic: str, number: str, why: str, as_json: bool) -> None:
    """Write nothing for NUMBER from now on: a supplier, spam, staff."""

    def act(session: Session, clinic_id: int) -> Chosen:
        now = runtime.clock()
        return ignore_number(session, runtime.db, clinic_id, number, who(), why, now)

    chosen = _decide(runtime, clinic, act)
    _tell(chosen, "ignore", f"{chosen.number} is now ignored", as_json)


@numbers.command()
@click.argument("clinic")
@click.argument("number")
@click.option("--client", default="", help="Only what was said of this client.")
@why_option
@json_option
@pass_runtime
def forget(
    runtime: Runtime, clinic: str, number: str, client: str, why: str, as_json: bool
) -> None:
    """Take back what was said of NUMBER; what was decided by it is decided anew, and moved."""
    _forget(runtime, clinic, number, client, "", why, as_json)


@numbers.command()
@click.argument("clinic")
@click.argument("number")
@why_option
@json_option
@pass_runtime
def unmap(runtime: Runtime, clinic: str, number: str, why: str, as_json: bool) -> None:
    """Take back that NUMBER was mapped to a client; what was written by that is moved."""
    _forget(runtime, clinic, number, "", "map", why, as_json)


@numbers.command()
@click.argument("clinic")
@json_option
@pass_runtime
def rules(runtime: Runtime, clinic: str, as_json: bool) -> None:
    """List what people said of numbers, with who, when and why, and until when it holds."""
    with runtime.db.reading() as session:
        known = get_clinic(session, clinic)
        zone = known.timezone
        said = list_rules(session, known.id, runtime.clock())
    emit(said, as_json, lambda: _show_rules(said, zone))


def _decide(runtime: Runtime, clinic: str, act: Callable[[Session, int], Chosen]) -> Chosen:
    with runtime.db.transaction() as session:
        return act(session, get_clinic(session, clinic).id)


def _say_whose(
    runtime: Runtime,
    say: Callable[..., Chosen],
    clinic: str,
    number: str,
    client: str,
    why: str,
    *,
    move: bool,
) -> Chosen:
    def act(session: Session, clinic_id: int) -> Chosen:
        db, now = runtime.db, runtime.clock()
        return say(session, db, clinic_id, number, client, who(), why, now, move=move)

    return _decide(runtime, clinic, act)


def _forget(
    runtime: Runtime, clinic: str, number: str, client: str, kind: str, why: str, as_json: bool
) -> None:
    def act(session: Session, clinic_id: int) -> Chosen:
        db, now = runtime.db, runtime.clock()
        return forget_number(
            session, db, clinic_id, number, who(), why, now, client=client, kind=kind
        )

    chosen = _decide(runtime, clinic, act)
    _tell(chosen, "forget", f"What was said of {chosen.number} is taken back", as_json)


def _tell(chosen: Chosen, kind: str, done: str, as_json: bool) -> None:
    value = {
        "number": chosen.number,
        "kind": kind,
        "client": chosen.client,
        "now_due": chosen.now_due,
        "moved": chosen.moved,
        "frozen": chosen.frozen,
        "expires_at": chosen.expires_at,
    }
    parts = [
        (chosen.now_due, "calls and conversations that waited and are due now"),
        (chosen.moved, "decided before and moved"),
        (chosen.frozen, "left as they are, since their webhooks were purged"),
    ]
    said = "".join(f"; {words}: {count}" for count, words in parts if count)
    emit(value, as_json, lambda: click.echo(f"{done}{said}."))


def _show_waiting(waiting: list[dict[str, Any]], zone: str) -> None:
    print_table(
        ["Number", "Shown as", "Why", "Calls", "Texts", "Last", "Clients, the likeliest first"],
        [
            (
                each["number"],
                each["caller_name"],
                each["rule"],
                each["calls"],
                each["texts"],
                local(each["last_at"], zone),
                ", ".join(f"{one['id']} {one['name']}".strip() for one in each["candidates"]),
            )
            for each in waiting
        ],
        empty="Nothing waits for a match.",
    )


def _show_rules(said: list[dict[str, Any]], zone: str) -> None:
    print_table(
        ["Number", "What was said", "Client", "By", "Why", "At", "Until"],
        [
            (
                each["number"],
                RULES[each["kind"]] + ("" if each["has_effect"] else OF_FORMER),
                f"{each['client']} {each['name']}".strip(),
                each["by"],
                each["why"],
                local(each["at"], zone),
                local(each["expires_at"], zone) if each["expires_at"] else "it is taken back",
            )
            for each in said
        ],
        empty="Nothing was said of any number.",
    )
