"""What an operator mends from the console: what a call was, whose a number is, what was set aside.

Each is the act that the command of the same name does, under the name of who is signed in.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from flask import abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from ...db import Database
from ...delivery.answers import confirm_entry, leave_entry
from ...delivery.outbox import retry_entries
from ...directory.choices import (
    deny_client,
    forget_number,
    ignore_number,
    map_number,
    pick_client,
)
from ...directory.find import search_clients
from ...errors import InputError
from ...ledger.corrections import correct_call
from ...models import Client, Entry, Role
from ...runtime import Runtime
from ..access import needs, who
from .back import find_way_back
from .pages import BIGGEST_ID_DIGITS, console

KEPT_FIELDS = ("form_token", "clinic", "number", "uuid", "why", "move")
OUTCOMES = ("answered", "missed", "internal")
LONGEST_WHY = 500
"""Characters."""
LONGEST_PMS_ID = 200
OFFERED = 20
"""Clients to choose from, at most."""


class WhichClient(Exception):
    """A client was named by words that are some clients' or their animals' names: `clients`, as
    `find` tells them, and whether there are more."""

    def __init__(self, clients: list[dict[str, Any]], has_more: bool) -> None:
        self.clients, self.has_more = clients, has_more
        super().__init__("which client?")


@console.post("/call/correct")
@needs(Role.OPERATOR)
def correct() -> ResponseReturnValue:
    """Say what a call was."""
    runtime, clinic_id = _runtime(), _clinic_id()
    uuid, outcome = request.form.get("uuid", ""), request.form.get("outcome", "")
    if outcome not in OUTCOMES:
        raise InputError("Say what the call was: answered, missed or internal.")
    with runtime.db.transaction() as session:
        now = runtime.clock()
        correct_call(session, runtime.db, clinic_id, uuid, outcome, who().name, _why(), now)
    runtime.waker.notify()
    return redirect(url_for(".call", clinic=clinic_id, uuid=uuid, done="corrected"))


@console.post("/unmatched/map")
@needs(Role.OPERATOR)
def map_() -> ResponseReturnValue:
    """Say whose a number is; what waited is written, and what was elsewhere moved if asked."""
    move = bool(request.form.get("move"))
    client = _client()

    def act(session: Session, db: Database, clinic_id: int, number: str) -> object:
        by, why, now = who().name, _why(), _runtime().clock()
        return map_number(session, db, clinic_id, number, client, by, why, now, move=move)

    return _decide(act, "moved" if move else "mapped")


@console.post("/unmatched/pick")
@needs(Role.OPERATOR)
def pick() -> ResponseReturnValue:
    """Say who it was this time, of those who share a number; or of one call alone."""
    client, uuid = _client(), request.form.get("uuid", "")

    def act(session: Session, db: Database, clinic_id: int, number: str) -> object:
        by, why, now = who().name, _why(), _runtime().clock()
        return pick_client(session, db, clinic_id, number, client, by, why, now, call_uuid=uuid)

    return _decide(act, "picked")


@console.post("/unmatched/not")
@needs(Role.OPERATOR)
def deny() -> ResponseReturnValue:
    """Say that a number is not this client's; what was written to them is moved."""
    client = _client()

    def act(session: Session, db: Database, clinic_id: int, number: str) -> object:
        by, why, now = who().name, _why(), _runtime().clock()
        return deny_client(session, db, clinic_id, number, client, by, why, now, move=True)

    return _decide(act, "denied")


@console.post("/unmatched/ignore")
@needs(Role.OPERATOR)
def ignore() -> ResponseReturnValue:
    """Say that nothing is to be written of a number."""

    def act(session: Session, db: Database, clinic_id: int, number: str) -> object:
        return ignore_number(session, db, clinic_id, number, who().name, _why(), _runtime().clock())

    return _decide(act, "ignored")


@console.post("/unmatched/forget")
@needs(Role.OPERATOR)
def forget() -> ResponseReturnValue:
    """Take back what was said of a number; what was written by it is moved."""
    client, kind = request.form.get("client", ""), request.form.get("kind", "")

    def act(session: Session, db: Database, clinic_id: int, number: str) -> object:
        by, why, now = who().name, _why(), _runtime().clock()
        return forget_number(session, db, clinic_id, number, by, why, now, client=client, kind=kind)

    return _decide(act, "forgotten")


@console.post("/entry/retry")
@needs(Role.OPERATOR)
def retry() -> ResponseReturnValue:
    """Have an entry tried again now that failed or was set aside."""
    runtime, clinic_id = _runtime(), _clinic_id()
    with runtime.db.transaction() as session:
        entry = _entry(session, clinic_id)
        if not retry_entries(session, runtime.db, [entry], who().name):
            raise InputError(f"Entry {entry.id} is neither retrying nor set aside.")
    return _back(runtime, clinic_id, "retried")


@console.post("/entry/confirm")
@needs(Role.OPERATOR)
def confirm() -> ResponseReturnValue:
    """Say that an entry which was perhaps written stands in the PMS."""
    runtime, clinic_id = _runtime(), _clinic_id()
    pms_id = request.form.get("pms_id", "").strip()[:LONGEST_PMS_ID]
    with runtime.db.transaction() as session:
        entry, now = _entry(session, clinic_id), runtime.clock()
        confirm_entry(session, runtime.db, entry, pms_id or None, who().name, now)
    return _back(runtime, clinic_id, "confirmed")


@console.post("/entry/leave")
@needs(Role.OPERATOR)
def leave() -> ResponseReturnValue:
    """Say that an entry which the PMS refuses is left."""
    runtime, clinic_id = _runtime(), _clinic_id()
    with runtime.db.transaction() as session:
        leave_entry(session, _entry(session, clinic_id), who().name, _why(), runtime.clock())
    return _back(runtime, clinic_id, "left")


@console.errorhandler(InputError)
def refuse(error: InputError) -> ResponseReturnValue:
    """What cannot be done, in its own words."""
    back = find_way_back()
    return render_template("ringnote/console/cannot.html", why=str(error), back=back), 400


@console.errorhandler(WhichClient)
def ask_which(asked: WhichClient) -> ResponseReturnValue:
    """The clients that are called so, to choose from: the same form again, with an id."""
    given = {name: value for name, value in request.form.items() if name in KEPT_FIELDS}
    return render_template(
        "ringnote/console/which_client.html",
        clients=asked.clients,
        has_more=asked.has_more,
        given=given,
        back=find_way_back(),
    )


def _decide(act: Callable[[Session, Database, int, str], object], done: str) -> ResponseReturnValue:
    """Do what was decided of the form's number, and lead back to the page that it was asked on."""
    runtime, clinic_id = _runtime(), _clinic_id()
    number, uuid = request.form.get("number", ""), request.form.get("uuid", "")
    with runtime.db.transaction() as session:
        act(session, runtime.db, clinic_id, number)
    runtime.waker.notify()
    if uuid:
        return redirect(url_for(".call", clinic=clinic_id, uuid=uuid, done=done))
    return redirect(url_for(".unmatched", done=done))


def _entry(session: Session, clinic_id: int) -> Entry:
    """The entry that the form is of, locked."""
    entry = session.get(Entry, _number("entry"), with_for_update=True)
    if entry is None or entry.clinic_id != clinic_id:
        abort(404)
    return entry


def _back(runtime: Runtime, clinic_id: int, done: str) -> ResponseReturnValue:
    """To the page on which something was said of an entry."""
    runtime.waker.notify()
    key = request.form.get("key", "")
    if request.form.get("kind") == "texts":
        return redirect(url_for(".conversation", clinic=clinic_id, id=key, done=done))
    return redirect(url_for(".call", clinic=clinic_id, uuid=key, done=done))


def _client() -> str:
    """The client that the form names, by id. Raises WhichClient for a name that some bear."""
    client = request.form.get("client", "").strip() or request.form.get("other", "").strip()
    if not client:
        raise InputError("Say which client it is: by name, or by the PMS's own id.")
    clinic_id = _clinic_id()
    with _runtime().db.reading() as session:
        has_id = sa.exists().where(Client.clinic_id == clinic_id, Client.external_id == client)
        if not session.scalar(sa.select(has_id)):
            found = search_clients(session, clinic_id, client[:LONGEST_WHY], OFFERED + 1)
            if found:
                raise WhichClient(found[:OFFERED], has_more=len(found) > OFFERED)
    return client


def _clinic_id() -> int:
    """The clinic that the form is of; one that is not theirs is not there."""
    clinic_id = _number("clinic")
    if not who().has_clinic(clinic_id):
        abort(404)
    return clinic_id


def _number(name: str) -> int:
    given = request.form.get(name, "")
    if not (given.isascii() and given.isdecimal()) or len(given) > BIGGEST_ID_DIGITS:
        abort(404)
    return int(given)


def _why() -> str:
    return request.form.get("why", "").strip()[:LONGEST_WHY]


def _runtime() -> Runtime:
    runtime: Runtime = current_app.extensions["ringnote"]
    return runtime
