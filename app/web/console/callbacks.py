"""The console's page of whom somebody must call back, and what an operator says of them."""

from typing import Any

from flask import abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ...errors import InputError
from ...ledger.callback_desk import list_for_desk
from ...ledger.closings import Act, close_callback, decide, reopen_callback
from ...models import Callback, Role
from ...runtime import Runtime
from ..access import needs, who
from .pages import BIGGEST_ID_DIGITS, DONE, console

LISTED = 100
LATELY_CLOSED = 15
LONGEST_WHY = 500
"""Characters."""


@console.get("/callbacks")
@needs(Role.VIEWER)
def to_call_back() -> ResponseReturnValue:
    """Whom somebody must still call back, the longest waiting first, and those lately closed."""
    runtime, clinics = _runtime(), who().clinics
    with runtime.db.reading() as session:
        now = runtime.clock()
        waiting = list_for_desk(session, clinics, None, LISTED + 1, now)
        closed = list_for_desk(session, clinics, "done", LATELY_CLOSED, now)
    return render_template(
        "ringnote/console/callbacks.html",
        here="callbacks",
        waiting=waiting[:LISTED],
        is_cut=len(waiting) > LISTED,
        closed=closed,
        several_clinics=len({each["clinic"]["id"] for each in [*waiting, *closed]}) > 1,
        done=DONE.get(request.args.get("done", ""), ""),
    )


@console.post("/callbacks/close")
@needs(Role.OPERATOR)
def close() -> ResponseReturnValue:
    """Say that nobody has to call back any more."""
    if not _why():
        raise InputError("Say in a few words what came of it.")
    return _decide(close_callback, "closed")


@console.post("/callbacks/reopen")
@needs(Role.OPERATOR)
def reopen() -> ResponseReturnValue:
    """Say that it was closed wrongly."""
    return _decide(reopen_callback, "reopened")


def _decide(act: Act, done: str) -> ResponseReturnValue:
    runtime, callback_id = _runtime(), _callback_id()
    with runtime.db.reading() as session:
        callback = session.get(Callback, callback_id)
    if callback is None or not who().has_clinic(callback.clinic_id):
        abort(404)
    decide(runtime.db, callback_id, act, who().name, _why())
    runtime.waker.notify()
    return redirect(url_for(".to_call_back", done=done))


def _callback_id() -> int:
    given = request.form.get("callback", "")
    if not (given.isascii() and given.isdecimal()) or len(given) > BIGGEST_ID_DIGITS:
        abort(404)
    return int(given)


def _why() -> str:
    return request.form.get("why", "").strip()[:LONGEST_WHY]


def _runtime() -> Any:
    runtime: Runtime = current_app.extensions["ringnote"]
    return runtime
