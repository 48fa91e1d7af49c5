"""`ringnote check`: looks for faults in settings, database, keys, connections; names them all."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from .. import schema
from ..connectors import CONNECTORS
from ..connectors.base import Connector
from ..delivery.account_settings import connector_for
from ..delivery.connections import find_connection
from ..errors import ConfigError, ConnectorError
from ..models import Clinic, Connection, ConnectionState, Event, EventStatus, WebhookToken
from ..runtime import Runtime
from ..settings import PREFIX, Settings, suggest
from ..spool import REFUSED
from .check_house import tell_house
from .context import find_runtime
from .output import emit, json_option, print_table

SPOOLED_SECONDS = 60
"""After so long somebody should look why nobody stores what waits."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `state` is 'ok', 'hint' or 'fault'."""

    subject: str
    state: str
    detail: str


@click.command()
@json_option
@click.pass_context
def check(context: click.Context, as_json: bool) -> None:
    """Look for faults in settings, database, keys, and each clinic's connection and webhooks.

    Signs in to each PMS and writes nothing. Ends with exit code 1 if there is any fault.
    """
    findings = list(_findings(context))
    is_ok = not any(each.state == "fault" for each in findings)
    value = {"ok": is_ok, "findings": [asdict(each) for each in findings]}
    rows = [(each.state, each.subject, each.detail) for each in findings]
    emit(value, as_json, lambda: print_table(("", "what", "found"), rows))
    if not is_ok:
        context.exit(1)


def _findings(context: click.Context) -> Iterator[Finding]:
    yield from _of_environment()
    try:
        runtime = find_runtime(context)
    except ConfigError as error:
        yield from (Finding("settings", "fault", each) for each in error.faults)
        return
    yield Finding("settings", "ok", "all are readable")
    if not runtime.settings.public_url:
        yield Finding(
            "settings", "hint", "RINGNOTE_PUBLIC_URL is not set: webhook URLs name 127.0.0.1"
        )
    yield (database := _of_database(runtime))
    yield from _of_spool(runtime)
    yield (keys := _of_keys(runtime))
    for plugin in CONNECTORS.broken():
        said = f"{plugin.name} cannot be used: {plugin.fault}"
        yield Finding(f"plugin {plugin.package}", "fault", said)
    if database.state != "fault":
        yield from (Finding("house", state, said) for state, said in tell_house(runtime))
        yield from _of_clinics(runtime, has_keys=keys.state == "ok")


def _of_environment() -> Iterator[Finding]:
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known | {f"{each}_FILE" for each in known}:
            said = f"{name} is no setting of Ringnote{suggest(name)}"
            yield Finding("environment", "hint", said)


def _of_database(runtime: Runtime) -> Finding:
    name = runtime.db.url.render_as_string(hide_password=True)
    try:
        is_newer = schema.check(runtime.db)
    except ConfigError as error:
        return Finding("database", "fault", str(error))
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        return Finding("database", "fault", f"{name} cannot be reached: {said}")
    if is_newer:
        return Finding("database", "hint", f"{name} is at a newer version's schema; upgrade here")
    return Finding("database", "ok", f"{name} is at this version's schema")


def _of_spool(runtime: Runtime) -> Iterator[Finding]:
    if runtime.spool is None:
        yield Finding(
            "spool",
            "hint",
            "while the database is away webhooks are refused; if the data folder outlives"
            " restarts, set RINGNOTE_DATA_IS_PERSISTENT=1",
        )
        return
    held = runtime.spool.measure()
    if held.files:
        state = "fault" if held.seconds > SPOOLED_SECONDS else "hint"
        said = f"{_kib(held.bytes)} of webhooks have waited {held.seconds} s for the database"
        yield Finding("spool", state, f"{said}; a running serve or worker stores them")
    if held.refused:
        said = f"the database will not take {_kib(held.refused)} of webhooks"
        yield Finding("spool", "fault", f"{said}; they are in spool/{REFUSED} of the data folder")
    if not held.files and not held.refused:
        yield Finding("spool", "ok", "no webhook waits in the data folder")


def _kib(size: int) -> str:
    return f"{-(-size // 1024)} KiB"


def _of_keys(runtime: Runtime) -> Finding:
    try:
        _ = runtime.vault
    except ConfigError as error:
        return Finding("keys", "fault", str(error))
    return Finding("keys", "ok", "credentials can be encrypted")


def _of_clinics(runtime: Runtime, *, has_keys: bool) -> Iterator[Finding]:
    with runtime.db.reading() as session:
        clinics = session.scalars(sa.select(Clinic).order_by(Clinic.id)).all()
        connections = {each.id: find_connection(session, each.id) for each in clinics}
    if not clinics:
        yield Finding("clinics", "hint", "there is none yet; see: ringnote clinic add --help")
    for clinic in clinics:
        yield from _of_webhooks(runtime, clinic)
        connection = connections[clinic.id]
        if connection is None:
            yield Finding(clinic.name, "hint", "connected to no PMS; see: ringnote connect --help")
        elif has_keys:
            yield _of_connection(runtime, clinic, connection)


def _of_webhooks(runtime: Runtime, clinic: Clinic) -> Iterator[Finding]:
    with runtime.db.reading() as session:
        working = session.scalars(
            sa.select(sa.func.count()).where(
                WebhookToken.clinic_id == clinic.id,
                sa.or_(
                    WebhookToken.expires_at.is_(None), WebhookToken.expires_at > runtime.clock()
                ),
            )
        ).one()
        events = sa.select(Event).where(Event.clinic_id == clinic.id)
        last = session.scalars(events.order_by(Event.id.desc()).limit(1)).first()
    if not working:
        yield Finding(
            clinic.name, "fault", "has no webhook URL that works; see: ringnote clinic rotate-url"
        )
    elif last is None:
        yield Finding(clinic.name, "hint", "no webhook has come yet")
    elif last.status is EventStatus.QUARANTINED:
        yield Finding(clinic.name, "fault", f"its last webhook is quarantined: {last.reason}")
    else:
        yield Finding(clinic.name, "ok", f"webhooks come; the last at {last.received_at:%F %T} UTC")


def _of_connection(runtime: Runtime, clinic: Clinic, connection: Connection) -> Finding:
    name = connection.connector
    if connection.state is ConnectionState.PAUSED:
        why = connection.paused_reason or "no reason was given"
        return Finding(clinic.name, "fault", f"its connection to {name} is paused: {why}")
    try:
        connector: Connector = connector_for(connection, runtime)
        result = connector.check()
    except (ConfigError, ConnectorError) as error:
        return Finding(clinic.name, "fault", f"signing in to {name} failed: {error}")
    if result.missing:
        lacks = "; ".join(result.missing)
        return Finding(clinic.name, "fault", f"the account at {name} may not: {lacks}")
    only = ", watch only: nothing is written" if connection.is_watch_only else ""
    return Finding(clinic.name, "ok", f"signed in to {result.account}{only}")
