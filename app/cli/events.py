"""`ringnote events`: webhooks as they came, and reading them anew."""

from datetime import UTC, datetime
from typing import Any

import click
import sqlalchemy as sa
from rich.progress import track

from ..errors import InputError
from ..ledger.trace import tell_event
from ..models import Clinic, Event, EventStatus
from ..runtime import Runtime
from ..telephony.ingest import replay_event
from .calls import clinic_option, limit_option
from .context import find_clinic_id, pass_runtime
from .output import emit, json_option, print_table

BATCH = 200
DATES = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


@click.group()
def events() -> None:
    """List and show webhooks as they came, and read them anew."""


@events.command("list")
@clinic_option
@click.option("--status", type=click.Choice([status.value for status in EventStatus]))
@limit_option
@json_option
@pass_runtime
def list_(
    runtime: Runtime, clinic: str | None, status: str | None, limit: int, as_json: bool
) -> None:
    """List webhooks, the newest first."""
    query = sa.select(Event).order_by(Event.id.desc()).limit(limit)
    if status:
        query = query.where(Event.status == EventStatus(status))
    with runtime.db.reading() as session:
        clinic_id = find_clinic_id(session, clinic)
        if clinic_id is not None:
            query = query.where(Event.clinic_id == clinic_id)
        told = [tell_event(event) for event in session.scalars(query)]
    rows = [
        (each["at"], each["type"], each["status"], each["reason"], each["key"], each["id"])
        for each in told
    ]
    columns = ("received (UTC)", "type", "status", "reason", "of", "id")
    emit(told, as_json, lambda: print_table(columns, rows, empty="No webhook has come yet."))


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
        told = tell_event(event) | {
            "content_type": event.content_type,
            "body": bytes(event.body).decode(errors="replace"),
        }

    def tell() -> None:
        for name in ("id", "at", "type", "status", "reason", "key", "content_type"):
            if told[name]:
                click.echo(f"{name + ':':14} {told[name]}")
        for name, value in told["fields"].items():
            click.echo(f"  {name} = {value}")
        click.echo(f"\n{told['body']}")

    emit(told, as_json, tell)


@events.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@clinic_option
@click.option("--since", type=DATES, help="Those received since then (UTC).")
@click.option("--status", type=click.Choice([status.value for status in EventStatus]))
@json_option
@pass_runtime
def replay(
    runtime: Runtime,
    ids: tuple[str, ...],
    clinic: str | None,
    since: datetime | None,
    status: str | None,
    as_json: bool,
) -> None:
    """Read webhooks anew from their raw bytes, and bring what follows from them up to date.

    Changes only what differs now: a repaired set-up, a better reader. Safe at any time.
    """
    if not ids and clinic is None and since is None and status is None:
        raise click.UsageError("Name events by their ids, or give --clinic, --since or --status.")
    chosen = _choose(runtime, ids, clinic, since, status)
    accepted = 0
    for start in track(
        range(0, len(chosen), BATCH), "Reading anew", disable=as_json, transient=True
    ):
        with runtime.db.transaction() as session:
            for event_id in chosen[start : start + BATCH]:
                event = replay_event(session, runtime.db, event_id)
                accepted += event.status is EventStatus.ACCEPTED
    told: dict[str, Any] = {
        "replayed": len(chosen),
        "accepted": accepted,
        "quarantined": len(chosen) - accepted,
    }
    emit(
        told,
        as_json,
        lambda: click.echo(
            f"{told['replayed']} read anew: {accepted} accepted, {told['quarantined']} quarantined."
        ),
    )


def _choose(
    runtime: Runtime,
    ids: tuple[str, ...],
    clinic: str | None,
    since: datetime | None,
    status: str | None,
) -> list[str]:
    query = sa.select(Event.id).join(Clinic, Clinic.id == Event.clinic_id).order_by(Event.id)
    if ids:
        query = query.where(Event.id.in_([each.upper() for each in ids]))
    if since is not None:
        query = query.where(Event.received_at >= since.replace(tzinfo=UTC))
    if status:
        query = query.where(Event.status == EventStatus(status))
    with runtime.db.reading() as session:
        clinic_id = find_clinic_id(session, clinic)
        if clinic_id is not None:
            query = query.where(Event.clinic_id == clinic_id)
        chosen = list(session.scalars(query))
    if missing := {each.upper() for each in ids} - set(chosen):
        raise InputError(f"There is no event {min(missing)}; see: ringnote events list")
    return chosen
