"""The console's page of a clinic's policy: in words, as a file, its versions; an admin's new one.

It is checked, rehearsed and put in force by what the commands do it by.
"""

from datetime import timedelta
from typing import Any

from flask import Response, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from ...delivery.policies import put_in_force
from ...errors import InputError
from ...ledger.past import count_past, read_past
from ...ledger.policies import check_policy, compare, get_policy, list_history, write_version
from ...ledger.policy_words import tell_policy
from ...ledger.rehearsal import rehearse
from ...ledger.rules import Rules, read_stored
from ...models import Clinic, Role
from ...runtime import Runtime
from ..access import needs, who
from .pages import BIGGEST_ID_DIGITS, console, list_clinics

DAYS = 14
MOST_PAST = 5000
"""Calls, and conversations of a day, that a page rehearses; the command takes any number."""


@console.get("/policy")
@needs(Role.VIEWER)
def policy() -> ResponseReturnValue:
    """A clinic's policy (`?clinic=`), the first of theirs where none is named."""
    with _runtime().db.reading() as session:
        given = request.args.get("clinic", "")
        if not given and not list_clinics(session):
            return render_template("ringnote/console/no_clinic.html", here="policy")
        return _page(session, _clinic(session, given))


@console.get("/policy/file")
@needs(Role.VIEWER)
def policy_file() -> ResponseReturnValue:
    """A version as TOML (`?clinic=&version=`), to be kept or edited."""
    version = request.args.get("version", "")
    with _runtime().db.reading() as session:
        clinic = _clinic(session, request.args.get("clinic", ""))
        shown = get_policy(session, clinic, _digits(version) if version else None)
        name = f"policy-{clinic.id}-version-{shown.version}.toml"
        response = Response(write_version(clinic, shown), mimetype="application/toml")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@console.post("/policy")
@needs(Role.ADMIN)
def try_policy() -> ResponseReturnValue:
    """Check a new policy, rehearse it, or put it in force."""
    runtime, do, text = _runtime(), request.form.get("do", "check"), _given()
    # A rehearsal takes its time: nobody who writes should wait for it.
    doing = runtime.db.transaction if do == "save" else runtime.db.reading
    with doing() as session:
        clinic = _clinic(session, request.form.get("clinic", ""))
        if do == "save":
            session.refresh(clinic, with_for_update={"key_share": True})
        checked = check_policy(session, clinic, text)
        in_force = get_policy(session, clinic)
        tried: dict[str, Any] = {"text": text, "checked": checked}
        if checked.rules is None:
            return _page(session, clinic, **tried), 400
        before = read_stored(in_force.rules)
        tried["changes"] = compare(before, checked.rules)
        if do == "rehearse":
            tried |= _rehearse(session, clinic, before, checked.rules)
        if do != "save":
            return _page(session, clinic, **tried)
        # A second press of the button finds in force what the first one saved.
        if tried["changes"] and request.form.get("version") != str(in_force.version):
            return _page(session, clinic, is_outdated=True, **tried), 409
        now, by = runtime.clock(), who().name
        put_in_force(session, runtime.db, clinic, checked.rules, now, by)
        saved = url_for(".policy", clinic=clinic.id, done="saved")
    runtime.waker.notify()
    return redirect(saved)


def _rehearse(session: Session, clinic: Clinic, before: Rules, after: Rules) -> dict[str, Any]:
    since = _runtime().clock() - timedelta(days=DAYS)
    if count_past(session, clinic, since) > MOST_PAST:
        return {"most_past": MOST_PAST}
    return {"told": rehearse(read_past(session, clinic, since), before, after)}


def _page(session: Session, clinic: Clinic, **tried: Any) -> str:
    shown = get_policy(session, clinic)
    return render_template(
        "ringnote/console/policy.html",
        here="policy",
        clinic=clinic,
        clinics=list_clinics(session),
        shown=shown,
        words=list(tell_policy(read_stored(shown.rules))),
        file=write_version(clinic, shown),
        history=list_history(session, clinic),
        may_set=who().may(Role.ADMIN),
        days=DAYS,
        is_saved=request.args.get("done") == "saved",
        tried=tried,
    )


def _given() -> str:
    """What was uploaded, else what was pasted."""
    upload = request.files.get("file")
    raw = upload.read() if upload else b""
    try:
        return raw.decode("utf-8-sig") if raw else request.form.get("text", "")
    except UnicodeDecodeError as error:
        said = f"The file is no text in UTF-8 (byte {error.start}); save it as UTF-8."
        raise InputError(said) from None


def _clinic(session: Session, given: str) -> Clinic:
    theirs = list_clinics(session)
    found = [each for each in theirs if not given or each.id == _digits(given)]
    if not found:
        abort(404)
    return found[0]


def _digits(given: str) -> int:
    if not (given.isascii() and given.isdecimal()) or len(given) > BIGGEST_ID_DIGITS:
        abort(404)
    return int(given)


def _runtime() -> Runtime:
    runtime: Runtime = current_app.extensions["ringnote"]
    return runtime
