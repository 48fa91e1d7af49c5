"""`ringnote calls`: what calls there were, the whole story of one, and correcting it."""

from typing import Any

import click

from ..errors import InputError
from ..ledger.corrections import correct_call
from ..ledger.listings import list_calls
from ..ledger.trace import tell_call
from ..runtime import Runtime
from .context import find_clinic_id, pass_runtime, who
from .output import emit, json_option, print_table
from .telling import show_story

clinic_option = click.option("--clinic", help="Of this clinic only: its id or name.")
limit_option = click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="At most so many.",
)


@click.group()
def calls() -> None:
    """List calls, tell the whole story of one, and correct what it was."""


@calls.command("list")
@clinic_option
@limit_option
@json_option
@pass_runtime
def list_(runtime: Runtime, clinic: str | None, limit: int, as_json: bool) -> None:
    """List calls, the newest first: whom they were matched to and where their entries stand."""
    with runtime.db.reading() as session:
        told = list_calls(session, find_clinic_id(session, clinic), limit=limit)
    rows = [
        (
            each["at"],
            each["clinic"]["name"],
            each["number"] or "withheld",
            each["title"],
            (each["match"] or {}).get("name") or (each["match"] or {}).get("client", ""),
            each["standing"],
            each["call_uuid"],
        )
        for each in told
    ]
    columns = ("received (UTC)", "clinic", "number", "call", "client", "stands", "callUuid")
    emit(told, as_json, lambda: print_table(columns, rows, empty="No call has come yet."))


@calls.command()
@click.argument("uuid")
@clinic_option
@json_option
@pass_runtime
def show(runtime: Runtime, uuid: str, clinic: str | None, as_json: bool) -> None:
    """Tell the whole story of the call with this callUuid.

    Each webhook and when it came, the outcome and what it rests on, whom it was matched to and by
    which rule, its entries and every try to write them.
    """
    with runtime.db.reading() as session:
        found = tell_call(session, uuid, find_clinic_id(session, clinic))
    told = _only_one(found, uuid)
    emit(told, as_json, lambda: show_story(told))


@calls.command()
@click.argument("uuid")
@click.option("--answered", "outcome", flag_value="answered", help="A person took it.")
@click.option("--missed", "outcome", flag_value="missed", help="Nobody took it.")
@click.option("--internal", "outcome", flag_value="internal", help="It was among ourselves.")
@click.option("--why", default="", help="A remark, kept with the correction.")
@click.option("--by", default=None, help="Who says so; the user of this machine, if not given.")
@clinic_option
@json_option
@pass_runtime
def correct(
    runtime: Runtime,
    uuid: str,
    outcome: str | None,
    why: str,
    by: str | None,
    clinic: str | None,
    as_json: bool,
) -> None:
    """Say what a call was: it wins over what the phone system reported, also when replayed."""
    if outcome is None:
        raise click.UsageError("Say what it was: --answered, --missed or --internal.")
    with runtime.db.transaction() as session:
        clinic_id = _only_one(tell_call(session, uuid, find_clinic_id(session, clinic)), uuid)[
            "clinic"
        ]["id"]
        correct_call(
            session, runtime.db, clinic_id, uuid, outcome, by or who(), why, runtime.clock()
        )
    told = {"call_uuid": uuid, "outcome": outcome, "by": by or who(), "why": why}
    emit(told, as_json, lambda: click.echo(f"{uuid} counts as {outcome} from now on."))


def _only_one(found: list[dict[str, Any]], uuid: str) -> dict[str, Any]:
    if not found:
        raise InputError(f"No call has the callUuid {uuid}; see: ringnote calls list")
    clinics = {each["clinic"]["name"] for each in found}
    if len(clinics) > 1:
        raise InputError(
            f"{len(clinics)} clinics had a call {uuid}; name one with --clinic:"
            f" {', '.join(sorted(clinics))}"
        )
    # The phone system may use a callUuid again: the latest call is meant, the others are told of.
    return {**found[-1], "earlier": [each["at"] for each in found[:-1]]}
