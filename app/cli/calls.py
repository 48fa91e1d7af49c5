"""`ringnote calls`: what calls there were, the whole story of one, and correcting it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from ..errors import InputError
from ..ledger.corrections import correct_call
from ..ledger.listings import list_calls
from ..ledger.trace import tell_call
from ..runtime import Runtime
from ..telephony.summaries import Outcome
from .context import find_clinics, pass_runtime, who
from .options import clinic_option, limit_option, none_of, since_option, until_option
from .output import as_called, emit, emit_listing, json_option, local
from .telling import show_story

OUTCOMES = click.Choice([outcome.value for outcome in Outcome])


@click.group()
def calls() -> None:
    """List calls, tell the whole story of one, and correct what it was."""


@calls.command("list")
@clinic_option
@click.option("--outcome", type=OUTCOMES, help="Only those that ended so.")
@since_option
@until_option
@limit_option
@json_option
@pass_runtime
def list_(
    runtime: Runtime,
    clinic: str | None,
    outcome: str | None,
    since: datetime | None,
    before: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List calls, the newest first: whom they were matched to and where their entries stand."""
    with runtime.db.reading() as session:
        told = list_calls(
            session,
            find_clinics(session, clinic),
            outcome=outcome,
            since=since,
            before=before,
            limit=limit + 1,
        )
    hint = "; to see whether webhooks arrive: ringnote events list"
    empty = none_of("call", hint, clinic, outcome, since, before)
    emit_listing(told, limit, as_json, _row, empty)


def _row(each: Mapping[str, Any]) -> dict[str, object]:
    match = each["match"] or {}
    return {
        "received": local(each["at"], each["clinic"]["timezone"]),
        "clinic": each["clinic"]["name"],
        "number": each["number"] or "withheld",
        "call": each["title"],
        "client": match.get("name") or match.get("client"),
        "stands": each["standing"],
        "callUuid": each["call_uuid"],
    }


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
        found = tell_call(session, uuid, find_clinics(session, clinic))
    told = _only_one(found, uuid)
    emit(told, as_json, lambda: show_story(told))


@calls.command()
@click.argument("uuid")
@click.option(
    "--answered", "outcomes", flag_value="answered", multiple=True, help="A person took it."
)
@click.option("--missed", "outcomes", flag_value="missed", multiple=True, help="Nobody took it.")
@click.option(
    "--internal", "outcomes", flag_value="internal", multiple=True, help="It was among yourselves."
)
@click.option("--why", default="", help="A remark, kept with the correction.")
@click.option("--by", default=who, help="Who says so; the user of this machine, if not given.")
@clinic_option
@json_option
@pass_runtime
def correct(
    runtime: Runtime,
    uuid: str,
    outcomes: tuple[str, ...],
    why: str,
    by: str,
    clinic: str | None,
    as_json: bool,
) -> None:
    """Say what a call was: it wins over what the phone system reported, also when replayed.

    Its note is amended in the PMS, and a callback's task is opened or withdrawn.
    """
    if len(set(outcomes)) != 1:
        raise click.UsageError("Say one thing that it was: --answered, --missed or --internal.")
    outcome = outcomes[0]
    with runtime.db.transaction() as session:
        call = _only_one(tell_call(session, uuid, find_clinics(session, clinic)), uuid)
        clinic_id = call["clinic"]["id"]
        correct_call(session, runtime.db, clinic_id, uuid, outcome, by, why, runtime.clock())
    told = {"call_uuid": uuid, "outcome": outcome, "was": call["outcome"], "by": by, "why": why}
    emit(told, as_json, lambda: click.echo(as_called(_corrected(told))))


def _corrected(told: Mapping[str, str]) -> str:
    return (
        f"{told['call_uuid']} counts as {told['outcome']} from now on (it was {told['was']}).\n"
        f"What follows from it is written next; see: ringnote calls show {told['call_uuid']}"
    )


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
