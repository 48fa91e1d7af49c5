"""`ringnote clinic` and `ringnote lines`: the clinics, their webhook URLs and their own numbers."""

from datetime import timedelta
from typing import Any

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..delivery.connections import find_connection
from ..directory.sync_state import tell_sync
from ..errors import InputError
from ..ledger.clinics import ClinicFields, add_clinic, change_clinic
from ..models import Call, Clinic, Event, Line, Transcript, WebhookToken
from ..numbers import NumberKind, read_number
from ..runtime import Runtime
from ..telephony.tokens import issue_webhook_token, rotate_webhook_token, webhook_url
from .context import get_clinic, local_url, pass_runtime
from .output import emit, json_option, print_fields, print_table, say
from .sync_words import in_words

USUAL_CONTAINER_DIGITS = 6


@click.group()
def clinic() -> None:
    """The clinics: each is one container and tenant of the phone system."""


@clinic.command("add")
@click.argument("name")
@click.option("--container", required=True, help="The phone system's containerId.")
@click.option("--tenant", default="", help="Its tenantId; leave it out for the default tenant.")
@click.option("--timezone", required=True, help="Such as America/New_York.")
@click.option("--region", default="US", show_default=True, help="Where its numbers are local.")
@json_option
@pass_runtime
def add(
    runtime: Runtime,
    name: str,
    container: str,
    tenant: str,
    timezone: str,
    region: str,
    as_json: bool,
) -> None:
    """Add a clinic and make its webhook URL.

    The URL is shown here once: it goes into every webhook tab of the phone system.

    \b
    ringnote clinic add "Oak Street Vets" --container 123456 --timezone America/New_York
    """
    now = runtime.clock()
    with runtime.db.transaction() as session:
        fields = ClinicFields(name, container, tenant, timezone, region)
        added = add_clinic(session, fields, now, by="command")
        token = issue_webhook_token(session, added.id, now)
        value = _value(added) | {"webhook_url": _url(runtime, token)}
    _warn_of_container(added)
    emit(value, as_json, lambda: _show_added(value))


@clinic.command("list")
@json_option
@pass_runtime
def list_(runtime: Runtime, as_json: bool) -> None:
    """List the clinics."""
    with runtime.db.reading() as session:
        values = [_value(each) for each in session.scalars(sa.select(Clinic).order_by(Clinic.id))]
    columns = ("id", "name", "container", "tenant", "timezone", "region")
    emit(
        values,
        as_json,
        lambda: print_table(
            columns,
            [[value[each] for each in columns] for value in values],
            empty="There is no clinic yet; see: ringnote clinic add --help",
        ),
    )


@clinic.command("show")
@click.argument("clinic", metavar="CLINIC")
@json_option
@pass_runtime
def show(runtime: Runtime, clinic: str, as_json: bool) -> None:
    """Show a clinic: its fields, its connection, and how many webhook URLs work."""
    with runtime.db.reading() as session:
        found = get_clinic(session, clinic)
        connection = find_connection(session, found.id)
        value = _value(found) | {
            "lines": _count(session, Line, found),
            "events": _count(session, Event, found),
            "webhook_urls": _count(
                session,
                WebhookToken,
                found,
                sa.or_(
                    WebhookToken.expires_at.is_(None), WebhookToken.expires_at > runtime.clock()
                ),
            ),
            "connection": connection
            and {"connector": connection.connector, "state": str(connection.state)},
            "sync": connection and tell_sync(session, runtime.db, connection.id),
        }
    emit(value, as_json, lambda: _show_clinic(value))


@clinic.command("set")
@click.argument("clinic", metavar="CLINIC")
@click.option("--name")
@click.option("--container", "container_id", help="The phone system's containerId.")
@click.option("--tenant", "tenant_id", help="Its tenantId; 0 is the default tenant.")
@click.option("--timezone", help="Such as America/New_York.")
@click.option("--region", help="Where its numbers are local.")
@json_option
@pass_runtime
def set_(runtime: Runtime, /, clinic: str, as_json: bool, **fields: str | None) -> None:
    """Change what is known of a clinic; what is settled already stays as it is."""
    changes = {name: value for name, value in fields.items() if value is not None}
    if not changes:
        raise click.UsageError("Name at least one thing to change, such as --timezone.")
    with runtime.db.transaction() as session:
        found = get_clinic(session, clinic)
        change_clinic(session, found, changes)
        value = _value(found)
    _warn_of_container(found)
    emit(value, as_json, lambda: print_fields(value))


@clinic.command("remove")
@click.argument("clinic", metavar="CLINIC")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_runtime
def remove(runtime: Runtime, clinic: str, yes: bool, as_json: bool) -> None:
    """Remove a clinic with all that is known of it; what stands in its PMS stays there."""
    with runtime.db.reading() as session:
        found = get_clinic(session, clinic)
        calls, texts = _count(session, Call, found), _count(session, Transcript, found)
    if not yes:
        click.confirm(
            f"Remove {found.name!r} with its {calls} calls and {texts} transcripts for good?",
            abort=True,
            err=True,
        )
    with runtime.db.transaction() as session:
        session.execute(sa.delete(Clinic).where(Clinic.id == found.id))
    value = {"id": found.id, "name": found.name, "removed": True}
    emit(value, as_json, lambda: click.echo(f"Removed {found.name}."))


@clinic.command("rotate-url")
@click.argument("clinic", metavar="CLINIC")
@click.option(
    "--overlap",
    type=click.IntRange(0, 24 * 90),
    default=24,
    show_default=True,
    metavar="HOURS",
    help="How long the former URL works on; 0 ends it now.",
)
@json_option
@pass_runtime
def rotate_url(runtime: Runtime, clinic: str, overlap: int, as_json: bool) -> None:
    """Make a new webhook URL; the former one works until it has been replaced everywhere."""
    now, kept = runtime.clock(), timedelta(hours=overlap)
    with runtime.db.transaction() as session:
        found = get_clinic(session, clinic)
        token = rotate_webhook_token(session, found.id, now, kept)
        value = {
            "id": found.id,
            "name": found.name,
            "webhook_url": _url(runtime, token),
            "former_works_until": now + kept,
        }
    emit(value, as_json, lambda: print_fields(value))


@click.group()
def lines() -> None:
    """A clinic's own numbers: never a client, and named in its notes."""


@lines.command("list")
@click.argument("clinic", metavar="CLINIC")
@json_option
@pass_runtime
def list_lines(runtime: Runtime, clinic: str, as_json: bool) -> None:
    """List a clinic's own numbers: those seen in its calls, and those that were entered."""
    with runtime.db.reading() as session:
        found = get_clinic(session, clinic)
        query = sa.select(Line).where(Line.clinic_id == found.id).order_by(Line.number)
        values = [_line(each) for each in session.scalars(query)]
    columns = ("number", "label", "source")
    emit(
        values,
        as_json,
        lambda: print_table(columns, [[value[each] for each in columns] for value in values]),
    )


@lines.command("add")
@click.argument("clinic", metavar="CLINIC")
@click.argument("number")
@click.option("--label", help="How notes name it, such as Main.")
@json_option
@pass_runtime
def add_line(runtime: Runtime, clinic: str, number: str, label: str | None, as_json: bool) -> None:
    """Add a number of the clinic's own, such as a mobile that calls are forwarded to."""
    with runtime.db.transaction() as session:
        found = get_clinic(session, clinic)
        read = read_number(number, found.region)
        if read.kind is not NumberKind.PHONE:
            raise InputError("NUMBER cannot be read as a phone number of the clinic's region.")
        query = sa.select(Line).where(Line.clinic_id == found.id, Line.number == read.e164)
        line = session.scalars(query).first()
        if line is None:
            line = Line(clinic_id=found.id, number=read.e164, label="", created_at=runtime.clock())
            session.add(line)
        line.source = "entered"
        line.label = line.label if label is None else label
        value = _line(line)
    emit(value, as_json, lambda: print_fields(value))


def _value(found: Clinic) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "container": found.container_id,
        "tenant": found.tenant_id,
        "timezone": found.timezone,
        "region": found.region,
        "created_at": found.created_at,
    }


def _line(line: Line) -> dict[str, Any]:
    return {"number": line.number, "label": line.label, "source": line.source}


def _count(session: Session, kind: Any, found: Clinic, *conditions: Any) -> int:
    query = sa.select(sa.func.count()).select_from(kind)
    return session.scalars(query.where(kind.clinic_id == found.id, *conditions)).one()


def _url(runtime: Runtime, token: str) -> str:
    base = runtime.settings.public_url
    here = local_url(click.get_current_context())
    if not base:
        say(
            f"RINGNOTE_PUBLIC_URL is not set, so the webhook URL is written for {here}; put"
            " the address in its place where the phone system reaches this machine."
        )
    return webhook_url(base or here, token)


def _warn_of_container(found: Clinic) -> None:
    if not (found.container_id.isdigit() and len(found.container_id) == USUAL_CONTAINER_DIGITS):
        say(f"A containerId commonly has 6 digits; {found.container_id} is taken as it is.")


def _show_added(value: dict[str, Any]) -> None:
    print_fields(value)
    say("Enter the webhook URL in every webhook tab of the phone system; it is not shown again.")


def _show_clinic(value: dict[str, Any]) -> None:
    connection = value["connection"]
    said = f"{connection['connector']}, {connection['state']}" if connection else "none"
    sync = in_words(value["sync"]) if value["sync"] else ""
    print_fields(value | {"connection": said, "sync": sync})
