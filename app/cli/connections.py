"""`ringnote connect`, `disconnect` and `connection`: a clinic's account at its PMS."""

from datetime import datetime
from shlex import quote
from typing import Any

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..connectors import CONNECTORS, find_connector
from ..delivery.account_trial import Trial, try_connection
from ..delivery.connecting import Asking, Wanted, read_since
from ..delivery.connecting import connect as make_connection
from ..delivery.connection_trail import keep_act, tell_acts
from ..delivery.connections import (
    end_connection,
    find_connection,
    pause_connection,
    resume_connection,
)
from ..errors import ConnectorError, CredentialsRejected, InputError
from ..models import Clinic, Connection, ConnectionState, OutboxRow, Pace, WhenInDoubt
from ..runtime import Runtime
from .context import get_clinic, pass_runtime, who
from .given import read_given, secret_option, set_option
from .output import emit, json_option, local, print_fields, printable, say
from .telling import show_decisions

PAUSED_BY_HAND = "paused by a person"


@click.command()
@click.argument("clinic", metavar="CLINIC")
@click.argument("connector", metavar="CONNECTOR")
@set_option
@secret_option
@click.option("--watch-only", is_flag=True, help="Compute everything, write nothing.")
@click.option("--since", metavar="DATE", help="Leave alone what happened before that day.")
@click.option(
    "--when-in-doubt",
    type=click.Choice([each.value for each in WhenInDoubt]),
    default=WhenInDoubt.ASK.value,
    show_default=True,
    help="What to do with what was perhaps written, where the PMS cannot tell.",
)
@json_option
@pass_runtime
def connect(
    runtime: Runtime,
    clinic: str,
    connector: str,
    settings: tuple[str, ...],
    secrets: tuple[str, ...],
    watch_only: bool,
    since: str | None,
    when_in_doubt: str,
    as_json: bool,
) -> None:
    """Connect CLINIC to its PMS by CONNECTOR, in place of its former connection.

    V may be @FILE for what a file holds, or - to be asked for it (a pipe works too), which keeps a
    secret out of the shell's history; @@ stands for a leading @. Connecting anew with the same
    settings and another secret goes on where the former connection stood.

    \b
    ringnote connect "Oak Street Vets" sandbox --set base_url=http://127.0.0.1:8001 --secret token=-
    """
    shown, hidden = read_given(connector, settings, secrets)
    with runtime.db.reading() as session:
        found = get_clinic(session, clinic)
    wanted = Wanted(
        connector,
        shown,
        hidden,
        is_watch_only=watch_only,
        since=_read_since(since, found),
        when_in_doubt=WhenInDoubt(when_in_doubt),
    )
    connection_id, trouble = make_connection(runtime, runtime.http, found.id, wanted, Asking(who()))
    with runtime.db.reading() as session:
        value = _value(session, found, session.get_one(Connection, connection_id))
    emit(value, as_json, lambda: _show(value, found.timezone))
    if trouble:
        say(f"It is connected, but signing in failed just now: {trouble}.")


@click.command()
@click.argument("clinic", metavar="CLINIC")
@json_option
@pass_runtime
def disconnect(runtime: Runtime, clinic: str, as_json: bool) -> None:
    """End CLINIC's connection; what it is still owed waits for another one."""
    with runtime.db.transaction() as session:
        found, connection = _get_connection(session, clinic)
        now = runtime.clock()
        end_connection(session, connection.id, now)
        keep_act(session, connection, "disconnect", who(), now)
        value = _value(session, found, connection)
    emit(value, as_json, lambda: _show(value, found.timezone))


@click.group()
def connection() -> None:
    """A clinic's connection to its PMS: test it, pause it, resume it, look at it."""


@connection.command("test")
@click.argument("clinic", metavar="CLINIC")
@click.option("--write", "client", metavar="CLIENT", help="Write on this client, and clean up.")
@json_option
@click.pass_context
@pass_runtime
def check_account(
    runtime: Runtime, context: click.Context, clinic: str, client: str | None, as_json: bool
) -> None:
    """Sign in to CLINIC's PMS and read, writing nothing; say which rights the account lacks.

    With --write, write a note and a task on the client that is named by the PMS's id, change,
    complete and remove them. Ends with exit code 1 if there is anything to mend.

    A connection whose account is refused is paused, and resumed when it is let in again; one that
    a person paused is not.
    """
    with runtime.db.reading() as session:
        found, connection = _get_connection(session, clinic)
    try:
        trial = try_connection(runtime, found, connection, client, who())
    except CredentialsRejected as error:
        raise InputError(
            f"Signing in was refused: {error}. It is paused, and nothing is lost; give the settings"
            f" and secrets anew: ringnote connect {quote(clinic)} {connection.connector} --help"
            f" (what it asks for: ringnote connector show {connection.connector})"
        ) from None
    except ConnectorError as error:
        raise InputError(
            f"Signing in failed: {error}. Look at its address (ringnote connection show"
            f" {quote(clinic)}), or test again later; what is owed waits."
        ) from None
    value = {
        "clinic": found.name,
        "connector": connection.connector,
        "account": trial.account,
        "missing": list(trial.missing),
        "state": str(trial.state),
        "resumed": trial.has_resumed,
        "steps": list(trial.steps),
    }
    emit(value, as_json, lambda: _show_trial(trial))
    for lack in trial.missing:
        say(f"It may not {lack}.")
    if trial.has_resumed:
        say("It was paused since it had been refused; what it is owed is written now.")
    elif trial.state is ConnectionState.PAUSED:
        say(f"It is paused still: ringnote connection resume {quote(clinic)}")
    if not trial.is_fine:
        context.exit(1)
    if not client and not as_json:
        say("Nothing was written, so that it may write is not shown: see --write.")


@connection.command()
@click.argument("clinic", metavar="CLINIC")
@click.option("--reason", default=PAUSED_BY_HAND, show_default=True)
@json_option
@pass_runtime
def pause(runtime: Runtime, clinic: str, reason: str, as_json: bool) -> None:
    """Write nothing to CLINIC's PMS until it is resumed; what becomes due waits."""
    with runtime.db.transaction() as session:
        found, connection = _get_connection(session, clinic)
        pause_connection(session, connection.id, reason)
        why = "" if reason == PAUSED_BY_HAND else reason
        keep_act(session, connection, "pause", who(), runtime.clock(), why)
        value = _value(session, found, connection)
    emit(value, as_json, lambda: _show(value, found.timezone))


@connection.command()
@click.argument("clinic", metavar="CLINIC")
@json_option
@pass_runtime
def resume(runtime: Runtime, clinic: str, as_json: bool) -> None:
    """Write to CLINIC's PMS again, beginning now with all that it is owed."""
    with runtime.db.transaction() as session:
        found, connection = _get_connection(session, clinic)
        resume_connection(session, runtime.db, connection.id)
        keep_act(session, connection, "resume", who(), runtime.clock())
        value = _value(session, found, connection)
    emit(value, as_json, lambda: _show(value, found.timezone))


@connection.command("show")
@click.argument("clinic", metavar="CLINIC")
@json_option
@pass_runtime
def show(runtime: Runtime, clinic: str, as_json: bool) -> None:
    """Show how CLINIC's connection stands; its secrets by name only."""
    with runtime.db.reading() as session:
        found, connection = _get_connection(session, clinic)
        value = _value(session, found, connection)
    emit(value, as_json, lambda: _show(value, found.timezone))


def _get_connection(session: Session, named: str) -> tuple[Clinic, Connection]:
    found = get_clinic(session, named)
    connection = find_connection(session, found.id)
    if connection is None:
        ended = [each for each in tell_acts(session, found.id)[-1:] if each["kind"] == "disconnect"]
        told = [f" ({each['by']} ended it {local(each['at'], found.timezone)})" for each in ended]
        raise InputError(
            f"{found.name} is connected to no PMS{''.join(told)}; see: ringnote connect --help"
            f" (connectors: {', '.join(CONNECTORS)})"
        )
    return found, connection


def _value(session: Session, found: Clinic, connection: Connection) -> dict[str, Any]:
    pace = session.get(Pace, connection.id)
    owed = sa.select(sa.func.count()).where(OutboxRow.connection_id == connection.id)
    kind = find_connector(connection.connector, connection.settings)
    return {
        "id": connection.id,
        "clinic": found.name,
        "connector": connection.connector,
        "settings": connection.settings,
        "secrets": [each.name for each in kind.settings if each.is_secret] if kind else [],
        "state": "ended" if connection.ended_at else str(connection.state),
        "paused_reason": connection.paused_reason,
        "paused_by": connection.paused_by,
        "blocked_until": pace.blocked_until if pace else None,
        "blocked_by": pace.blocked_by if pace else None,
        "watch_only": connection.is_watch_only,
        "since": connection.since,
        "when_in_doubt": (connection.when_in_doubt or WhenInDoubt.ASK).value,
        "owed": session.scalars(owed).one(),
        "created_at": connection.created_at,
        "ended_at": connection.ended_at,
        "decisions": tell_acts(session, found.id),
    }


def _show(value: dict[str, Any], zone: str) -> None:
    shown = value | {
        "decisions": None,
        "settings": ", ".join(f"{name}={_short(each)}" for name, each in value["settings"].items()),
        "secrets": ", ".join(value["secrets"]),
        "watch_only": "yes, nothing is written" if value["watch_only"] else None,
        "owed": f"{value['owed']} to write",
    }
    print_fields(shown)
    show_decisions(value["decisions"], zone)


def _short(setting: str) -> str:
    count = setting.count("\n") + 1
    return setting if count == 1 else f"({count} lines)"


def _read_since(text: str | None, found: Clinic) -> datetime | None:
    if text is None:
        return None
    try:
        return read_since(text, found.timezone)
    except InputError as error:
        raise click.BadParameter(str(error), param_hint="--since") from None


def _show_trial(trial: Trial) -> None:
    click.echo(f"Signed in to {trial.account}.")
    for each in trial.steps:
        mark = {True: "fine", False: "WRONG", None: "-"}[each["ok"]]
        click.echo(printable(f"  {mark:<5}  {each['step']}: {each['said']}"))
