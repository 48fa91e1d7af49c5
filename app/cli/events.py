"""`ringnote events`: webhooks as they came, and reading them anew."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click
import sqlalchemy as sa
from rich.console import Console
from rich.progress import track
from sqlalchemy.orm import Session

from ..errors import InputError
from ..ledger.days import within
from ..ledger.entries import Told, tell_clinic
from ..ledger.subjects import unpin_policy
from ..ledger.trace import tell_event
from ..models import Clinic, Event, EventStatus
from ..runtime import Runtime
from ..steps import Steps
from ..telephony.ingest import replay_event
from .context import find_clinic_id, pass_runtime
from .options import clinic_option, limit_option, none_of, since_option, until_option
from .output import emit, emit_listing, json_option, local, print_fields, printable, say

BATCH = 200

status_option = click.option(
    "--status",
    type=click.Choice([status.value for status in EventStatus]),
    help="Only those that became this.",
)


@click.group()
def events() -> None:
    """List and show webhooks as they came, and read them anew."""


@events.command("list")
@clinic_option
@status_option
@since_option
@until_option
@limit_option
@json_option
@pass_runtime
def list_(
    runtime: Runtime,
    clinic: str | None,
    status: str | None,
    since: datetime | None,
    before: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List webhooks, the newest first: what became of each, and why."""
    with runtime.db.reading() as session:
        wanted = _wanted(session, clinic, status, since, before)
        query = (
            sa.select(Event, Clinic)
            .join(Clinic, Clinic.id == Event.clinic_id)
            .where(wanted)
            .order_by(Event.id.desc())
            .limit(limit + 1)
        )
        told = [_tell(event, of) for event, of in session.execute(query)]
    hint = "; enter the clinic's webhook URL in each tab of the phone system, then call the clinic"
    empty = none_of("webhook", hint, clinic, status, since, before)
    emit_listing(told, limit, as_json, _row, empty)


def _row(each: Mapping[str, Any]) -> dict[str, object]:
    return {
        "received": local(each["at"], each["clinic"]["timezone"]),
        "clinic": each["clinic"]["name"],
        "type": each["type"],
        "status": each["status"],
        "reason": each["reason"],
        "of": each["key"],
        "id": each["id"],
    }


@events.command()
@click.argument("event_id", metavar="ID")
@json_option
@pass_runtime
def show(runtime: Runtime, event_id: str, as_json: bool) -> None:
    """Show one webhook: its raw body and what was read out of it."""
    with runtime.db.reading() as session:
        event = session.get(Event, event_id.upper())
        if event is None:
            raise InputError(f"There is no event {event_id}; see: ringnote events list")
        told = _tell(event, session.get_one(Clinic, event.clinic_id)) | {
            "content_type": event.content_type,
            "body": bytes(event.body).decode(errors="replace"),
        }
    emit(told, as_json, lambda: _show(told))


def _tell(event: Event, clinic: Clinic) -> Told:
    return tell_event(event) | {"clinic": tell_clinic(clinic)}


def _show(told: Mapping[str, Any]) -> None:
    clinic = told["clinic"]
    known = {
        "id": told["id"],
        "clinic": clinic["name"],
        "received": local(told["at"], clinic["timezone"]),
        "type": told["type"],
        "status": told["status"],
        "reason": told["reason"],
        told["subject"] or "of": told["key"],
        "content type": told["content_type"],
    }
    print_fields(known)
    click.secho("\nWhat was read", bold=True)
    print_fields(told["fields"])
    click.secho("\nAs it came", bold=True)
    click.echo(printable(told["body"]))
    if told["status"] == EventStatus.QUARANTINED.value:
        say(f"\nOnce the cause is mended: ringnote events replay {told['id']}")


@events.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@clinic_option
@status_option
@since_option
@until_option
@click.option(
    "--policy",
    type=click.Choice(["pinned", "current"]),
    default="pinned",
    show_default=True,
    help="Decide anew by the policy that decided, or by the clinic's newest.",
)
@json_option
@pass_runtime
def replay(
    runtime: Runtime,
    ids: tuple[str, ...],
    clinic: str | None,
    status: str | None,
    since: datetime | None,
    before: datetime | None,
    policy: str,
    as_json: bool,
) -> None:
    """Read webhooks anew from their raw bytes, and bring what follows from them up to date.

    Changes only what differs now: a repaired set-up, a better reader. Safe at any time; what people
    decided stays.
    """
    if not any((ids, clinic, status, since, before)):
        raise click.UsageError(
            "Name events by their ids, or give --clinic, --status, --since or --until."
        )
    with runtime.db.reading() as session:
        chosen = _choose(session, ids, _wanted(session, clinic, status, since, before))
    accepted = 0
    starts = range(0, len(chosen), BATCH)
    shown_on, steps = Console(stderr=True), Steps(runtime.db)
    for start in track(
        starts, "Reading anew", console=shown_on, transient=True, disable=not shown_on.is_terminal
    ):
        with steps.step() as session:
            for event_id in chosen[start : start + BATCH]:
                event = replay_event(session, runtime.db, event_id)
                if policy == "current":
                    unpin_policy(session, event)
                accepted += event.status is EventStatus.ACCEPTED
    told = {"replayed": len(chosen), "accepted": accepted, "quarantined": len(chosen) - accepted}
    emit(told, as_json, lambda: click.echo(_replayed(told)))


def _replayed(told: Mapping[str, int]) -> str:
    done = f"{told['replayed']} read anew: {told['accepted']} accepted"
    if told["quarantined"]:
        why = "ringnote events list --status quarantined"
        return f"{done}, {told['quarantined']} quarantined; why: {why}"
    return f"{done}, none quarantined."


def _wanted(
    session: Session,
    clinic: str | None,
    status: str | None,
    since: datetime | None,
    before: datetime | None,
) -> sa.ColumnElement[bool]:
    clinic_id = find_clinic_id(session, clinic)
    return sa.and_(
        within(session, Event.clinic_id, Event.received_at, since, before),
        Event.clinic_id == clinic_id if clinic_id is not None else sa.true(),
        Event.status == EventStatus(status) if status else sa.true(),
    )


def _choose(session: Session, ids: tuple[str, ...], wanted: sa.ColumnElement[bool]) -> list[str]:
    query = sa.select(Event.id).where(wanted).order_by(Event.id)
    named = {each.upper() for each in ids}
    chosen = list(session.scalars(query.where(Event.id.in_(named)) if named else query))
    if missing := named - set(chosen):
        raise InputError(f"There is no such event {min(missing)}; see: ringnote events list")
    return chosen
