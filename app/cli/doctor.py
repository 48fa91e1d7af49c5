"""`ringnote doctor`: what the traffic shows to be set up wrongly in the phone system."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from shlex import quote

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..connectors import CONNECTORS, why_unknown
from ..db import Database
from ..delivery.connections import REFUSED, find_connection
from ..directory.sync_state import tell_sync
from ..models import Clinic, ConnectionState, Event, EventStatus, OutboxRow
from ..runtime import Runtime
from ..telephony.coverage import Gap, Sighting, find_gaps
from .context import find_clinic_id, pass_runtime
from .options import clinic_option
from .output import as_called, emit, json_option, local, say
from .sync_words import in_words

AT_ONCE = 2000


@click.command()
@clinic_option
@click.option(
    "--days",
    type=click.IntRange(1, 365),
    default=28,
    show_default=True,
    help="How far back to look.",
)
@json_option
@click.pass_context
@pass_runtime
def doctor(
    runtime: Runtime, context: click.Context, clinic: str | None, days: int, as_json: bool
) -> None:
    """Say which webhooks are missing or wrong, in which tab to mend them, and which PMS is refused.

    A sync of clients that stopped is told as well: since when, how far it came, and why.

    Ends with exit code 1 if there is anything to mend.
    """
    if runtime.spool and not runtime.spool.is_empty():
        say("Webhooks wait for the database, uncounted here: see ringnote check.")
    now = runtime.clock()
    with runtime.db.reading() as session:
        query = sa.select(Clinic).order_by(Clinic.id)
        if (clinic_id := find_clinic_id(session, clinic)) is not None:
            query = query.where(Clinic.id == clinic_id)
        found = [
            (each, gap)
            for each in session.scalars(query).all()
            for gap in [
                *_look_for_connector(session, each),
                *_look_for_pause(session, each),
                *_look_for_stop(session, runtime.db, each),
                *_look_at(session, each, now - timedelta(days=days), now),
            ]
        ]
    value = [
        {
            "clinic": {"id": each.id, "name": each.name},
            "kind": gap.kind,
            "says": gap.says,
            "tab": gap.tab,
            "seen": gap.seen,
        }
        for each, gap in found
    ]
    emit(value, as_json, lambda: _show(found, days))
    if found:
        context.exit(1)


def _show(found: list[tuple[Clinic, Gap]], days: int) -> None:
    if not found:
        click.echo(f"Nothing is missing from what came in the last {days} days.")
    for clinic, gap in found:
        click.secho(f"{clinic.name}: {as_called(gap.says)}.", bold=True)
        click.echo(f"  look at: {as_called(gap.tab)}\n")


def _look_at(session: Session, clinic: Clinic, since: datetime, now: datetime) -> list[Gap]:
    return find_gaps(
        _sightings(session, clinic, since), (clinic.container_id, clinic.tenant_id), now
    )


def _look_for_connector(session: Session, clinic: Clinic) -> list[Gap]:
    """Whether what speaks to the clinic's PMS is missing, as where its plugin is broken."""
    connection = find_connection(session, clinic.id)
    if connection is None or connection.connector in CONNECTORS:
        return []
    waiting, why = _count_owed(session, connection.id), why_unknown(connection.connector)
    return [
        Gap(
            "connector_missing",
            f"Nothing is written to its PMS, {waiting} waiting: {why}",
            "ringnote connector list",
            waiting,
        )
    ]


def _count_owed(session: Session, connection_id: int) -> int:
    owed = sa.select(sa.func.count()).where(OutboxRow.connection_id == connection_id)
    return session.scalars(owed).one()


def _look_for_pause(session: Session, clinic: Clinic) -> list[Gap]:
    connection = find_connection(session, clinic.id)
    if connection is None or connection.state is not ConnectionState.PAUSED:
        return []
    waiting = _count_owed(session, connection.id)
    command = "test" if connection.paused_by == REFUSED else "resume"
    return [
        Gap(
            "connection_paused",
            f"Nothing is written to its PMS, {waiting} waiting: {connection.paused_reason}",
            f"ringnote connection {command} {quote(clinic.name)}",
            waiting,
        )
    ]


def _look_for_stop(session: Session, db: Database, clinic: Clinic) -> list[Gap]:
    """Whether the clinic's clients are followed no further, since when and why."""
    connection = find_connection(session, clinic.id)
    told = connection and tell_sync(session, db, connection.id)
    if not told or told["state"] != "stopped":
        return []
    whole = local(told["finished_at"], clinic.timezone) if told["finished_at"] else "never"
    return [
        Gap(
            "sync_stopped",
            f"The sync of its clients {in_words(told)} (last run to its end: {whole})",
            f"ringnote clients sync {quote(clinic.name)}",
            told["clients_seen"],
        )
    ]


def _sightings(session: Session, clinic: Clinic, since: datetime) -> Iterator[Sighting]:
    columns = (Event.received_at, Event.status, Event.reason, Event.event_type)
    rows = session.execute(
        sa.select(*columns, Event.subject_key, Event.fields)
        .where(Event.clinic_id == clinic.id, Event.received_at >= since)
        .order_by(Event.received_at, Event.id)
        .execution_options(yield_per=AT_ONCE)
    )
    for at, status, reason, event_type, key, fields in rows:
        yield Sighting(at, status is EventStatus.ACCEPTED, reason, event_type, key, fields)
