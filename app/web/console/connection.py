"""The console's page of a clinic's connection to its PMS: how it stands, and testing, pausing,
resuming and ending it. Each does what the command of the same name does."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from flask import abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from ...connectors import find_connector
from ...delivery.account_trial import Trial, try_connection
from ...delivery.connecting import MEANWHILE
from ...delivery.connection_trail import Act, keep_act, tell_acts
from ...delivery.connections import (
    end_connection,
    find_connection,
    get_connection,
    pause_connection,
    resume_connection,
)
from ...errors import ConfigError, ConnectorError, InputError
from ...models import Clinic, Connection, OutboxRow, Role
from ...runtime import Runtime
from ..access import needs, who
from .pages import BIGGEST_ID_DIGITS, DONE, console

TRIAL_SECONDS = 20.0
"""So long a test lasts, at most."""
LONGEST_PMS_ID = 200


@console.get("/connection")
@needs(Role.ADMIN)
def connection() -> ResponseReturnValue:
    """How the clinic's connection stands (`?clinic=`); where it has none, to the choice of one."""
    clinic = clinic_of(request.args)
    return show_connection(clinic, done=DONE.get(request.args.get("done", ""), ""))


@console.post("/connection/test")
@needs(Role.ADMIN)
def test_connection() -> ResponseReturnValue:
    """Sign in and read; on a client that is named, write and clean up."""
    clinic, runtime = clinic_of(request.form), runtime_of()
    client = request.form.get("client", "").replace("\0", "").strip()[:LONGEST_PMS_ID]
    with runtime.db.reading() as session:
        tested = find_connection(session, clinic.id)
    if tested is None or tested.id != _number("connection"):
        raise InputError(MEANWHILE)
    http = runtime.http.within(TRIAL_SECONDS)
    try:
        trial = try_connection(runtime, clinic, tested, client or None, who().name, http)
    except (ConnectorError, ConfigError) as error:
        return show_connection(clinic, trouble=str(error), tried=client)
    if trial.has_resumed:
        runtime.waker.notify()
    return show_connection(clinic, trial=trial, tried=client)


@console.post("/connection/pause")
@needs(Role.ADMIN)
def pause_pms() -> ResponseReturnValue:
    """Write nothing until it is resumed."""
    return _change(
        lambda session, held: pause_connection(session, held.id, f"paused by {who().name}"),
        "pause",
        "paused",
    )


@console.post("/connection/resume")
@needs(Role.ADMIN)
def resume_pms() -> ResponseReturnValue:
    """Write again, beginning with what is owed."""
    db = runtime_of().db
    return _change(
        lambda session, held: resume_connection(session, db, held.id), "resume", "resumed"
    )


@console.post("/connection/end")
@needs(Role.ADMIN)
def end_pms() -> ResponseReturnValue:
    """End it; what is owed waits for another one."""
    now = runtime_of().clock()
    return _change(
        lambda session, held: end_connection(session, held.id, now), "disconnect", "disconnected"
    )


def show_connection(
    clinic: Clinic,
    *,
    done: str = "",
    trouble: str = "",
    trial: Trial | None = None,
    tried: str = "",
) -> ResponseReturnValue:
    """The page, with what was just done or tried."""
    with runtime_of().db.reading() as session:
        held = find_connection(session, clinic.id)
        owed, acts = 0, tell_acts(session, clinic.id)
        if held:
            count = sa.select(sa.func.count()).where(OutboxRow.connection_id == held.id)
            owed = session.scalars(count).one()
    kind = find_connector(held.connector, held.settings) if held else None
    return render_template(
        "ringnote/console/connection.html",
        here="clients",
        clinic=clinic,
        held=held,
        title=kind.title if kind else held.connector if held else "",
        settings=_settings(held) if held else [],
        owed=owed,
        acts=acts,
        done=done,
        trouble=trouble,
        trial=trial,
        tried=tried,
    )


def clinic_of(given: Any) -> Clinic:
    """The clinic that is asked for; one that is not theirs is not there."""
    asked = given.get("clinic", "")
    if not (asked.isascii() and asked.isdecimal()) or len(asked) > BIGGEST_ID_DIGITS:
        abort(404)
    with runtime_of().db.reading() as session:
        clinic = session.get(Clinic, int(asked))
    if clinic is None or not who().has_clinic(clinic.id):
        abort(404)
    return clinic


def runtime_of() -> Runtime:
    """The runtime of the application that answers."""
    runtime: Runtime = current_app.extensions["ringnote"]
    return runtime


def _change(
    change: Callable[[Session, Connection], object], act: Act, done: str
) -> ResponseReturnValue:
    """Do it to the connection that the form is of, if the clinic has it still, and keep who did."""
    clinic, runtime = clinic_of(request.form), runtime_of()
    with runtime.db.transaction() as session:
        held = get_connection(session, _number("connection"))
        if held.clinic_id != clinic.id or held.ended_at:
            raise InputError(MEANWHILE)
        change(session, held)
        keep_act(session, held, act, who().name, runtime.clock())
    runtime.waker.notify()
    return redirect(url_for(".connection", clinic=clinic.id, done=done))


def _settings(held: Connection) -> list[tuple[str, str]]:
    """Each setting with what is told of it; none is a secret, and a file is told by its length."""
    kind = find_connector(held.connector, held.settings)
    labels = {each.name: each.label for each in kind.settings} if kind else {}
    told = []
    for name, value in held.settings.items():
        count = value.count("\n") + 1
        told.append((labels.get(name, name), value if count == 1 else f"({count} lines)"))
    return told


def _number(name: str) -> int:
    given = request.form.get(name, "")
    if not (given.isascii() and given.isdecimal()) or len(given) > BIGGEST_ID_DIGITS:
        abort(404)
    return int(given)
