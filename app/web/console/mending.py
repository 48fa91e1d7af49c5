"""What an operator mends from the console: what a call was, whose a number is, what was set aside.

Each is the act that the command of the same name does, under the name of who is signed in.
"""

from flask import abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ...delivery.outbox import retry_entries
from ...directory.choices import ignore_number, map_number
from ...errors import InputError
from ...ledger.corrections import correct_call
from ...models import Entry, Role
from ...runtime import Runtime
from ..access import needs, who
from .pages import BIGGEST_ID_DIGITS, console

OUTCOMES = ("answered", "missed", "internal")
LONGEST_WHY = 500
"""Characters."""


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
    """Say whose a number is; what waited is written."""
    runtime, clinic_id = _runtime(), _clinic_id()
    number, client = request.form.get("number", ""), request.form.get("client", "").strip()
    if not client:
        raise InputError("Say which client it is: the PMS's own id.")
    with runtime.db.transaction() as session:
        now = runtime.clock()
        map_number(session, runtime.db, clinic_id, number, client, who().name, _why(), now)
    runtime.waker.notify()
    return redirect(url_for(".unmatched", done="mapped"))


@console.post("/unmatched/ignore")
@needs(Role.OPERATOR)
def ignore() -> ResponseReturnValue:
    """Say that nothing is to be written of a number."""
    runtime, clinic_id = _runtime(), _clinic_id()
    number = request.form.get("number", "")
    with runtime.db.transaction() as session:
        now = runtime.clock()
        ignore_number(session, runtime.db, clinic_id, number, who().name, _why(), now)
    runtime.waker.notify()
    return redirect(url_for(".unmatched", done="ignored"))


@console.post("/entry/retry")
@needs(Role.OPERATOR)
def retry() -> ResponseReturnValue:
    """Have an entry tried again now that failed or was set aside."""
    runtime, clinic_id = _runtime(), _clinic_id()
    entry_id = _number("entry")
    with runtime.db.transaction() as session:
        entry = session.get(Entry, entry_id, with_for_update=True)
        if entry is None or entry.clinic_id != clinic_id:
            abort(404)
        if not retry_entries(session, runtime.db, [entry]):
            raise InputError(f"Entry {entry_id} is neither retrying nor set aside.")
    runtime.waker.notify()
    key = request.form.get("key", "")
    if request.form.get("kind") == "texts":
        return redirect(url_for(".conversation", clinic=clinic_id, id=key, done="retried"))
    return redirect(url_for(".call", clinic=clinic_id, uuid=key, done="retried"))


@console.errorhandler(InputError)
def refuse(error: InputError) -> ResponseReturnValue:
    """What cannot be done, in its own words."""
    return render_template("ringnote/console/cannot.html", why=str(error)), 400


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
    return request.form.get("why", "").replace("\0", "").strip()[:LONGEST_WHY]


def _runtime() -> Runtime:
    runtime: Runtime = current_app.extensions["ringnote"]
    return runtime
