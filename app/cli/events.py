"""`ringnote events`: webhooks as they came, and reading them anew."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click
import sqlalchemy as sa

from ..errors import InputError
from ..ledger.entries import Told, tell_clinic
from ..ledger.replay import Span
from ..ledger.trace import tell_event
from ..models import Clinic, Event, EventStatus
from ..runtime import Runtime
from .context import find_clinic_id, pass_runtime
from .options import (
    clinic_option,
    event_status_option,
    limit_option,
    none_of,
    since_option,
    until_option,
)
from .output import emit, emit_listing, json_option, local, print_fields, printable, say
from .replay import replay


@click.group()
def events() -> None:
    """List and show webhooks as they came, and read them anew."""


events.add_command(replay)


@events.command("list")
@clinic_option
@event_status_option
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
        of_status = EventStatus(status) if status else None
        span = Span((), find_clinic_id(session, clinic), of_status, since, before)
        query = (
            sa.select(Event, Clinic)
            .join(Clinic, Clinic.id == Event.clinic_id)
            .where(span.condition(session))
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
