"""The console's pages and the fragment that keeps its list live. Reads only."""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
import sqlalchemy as sa
from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    make_response,
    render_template,
    request,
    send_from_directory,
)
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from ...curl import as_curl, is_cut, secret_names
from ...directory.rulings import list_rules
from ...directory.sync_state import tell_syncs
from ...directory.waiting import list_unmatched
from ...ledger.listings import count_backlog, list_recent
from ...ledger.rows import of_clinics
from ...ledger.trace import tell_call, tell_conversation
from ...models import Clinic, Connection, Role
from ...runtime import Runtime
from ..access import needs, open_to_all, who
from ..assets import SHARED
from ..headers import OURS_ALONE, PAGE_CONTENT, set_headers
from ..outage import say_of_outage

SHOWS = {"": "Everything", "open": "Under way", "waiting": "Waiting", "set_aside": "Set aside"}
LISTED = 60
LISTED_NUMBERS = 100
"""Of each clinic. Strangers' numbers wait by the thousand where nobody says whose they are."""
UNCONNECTED = 5
"""Of those that have no PMS, so many are named."""
BIGGEST_ID_DIGITS = 18
DONE = {
    "corrected": "Corrected. What stands in the PMS follows in a moment.",
    "mapped": "Kept. What waited for it is being written.",
    "moved": "Kept. What was written elsewhere because of that number is moved in a moment.",
    "picked": "Kept. It is remembered for the next call from that number.",
    "denied": "Kept. What was written there because of that number is moved in a moment.",
    "forgotten": "Taken back. What was decided by it is decided anew.",
    "ignored": "Kept. Nothing is written of that number from now on.",
    "retried": "It is being tried again.",
    "confirmed": "Kept. It is not written again.",
    "left": "Left. It is not tried again, unless it changes or you have it tried.",
    "closed": "Closed. Its task in the PMS is completed in a moment.",
    "connected": "Connected. Its clients are read now, and what is owed is written.",
    "paused": "Paused. What becomes due waits.",
    "resumed": "Resumed. What it is owed is written now.",
    "disconnected": "Disconnected. What is still owed waits for another connection.",
    "reopened": "Open again. Its task in the PMS follows in a moment.",
}
"""What was just done, for the page that is shown after it."""

SAYS = {
    "map": "is always",
    "not": "is never",
    "pick": "was, the last time,",
    "ignore": "is ignored",
}
"""What was said of a number, in front of the client's name."""

STATIC = Path(__file__).with_name("static")

console = Blueprint("console", __name__, template_folder="templates")
set_headers(console, PAGE_CONTENT, OURS_ALONE)
say_of_outage(console)


@console.errorhandler(NotFound)
def miss(_: NotFound) -> ResponseReturnValue:
    """What is not there, or is of a clinic that is not theirs: which of the two is not told."""
    return render_template("ringnote/console/missing.html", what="page"), 404


@console.get("/")
@needs(Role.VIEWER)
def home() -> ResponseReturnValue:
    """Calls and texts as they come."""
    return render_template("ringnote/console/home.html", here="home", **_recent())


@console.get("/recent")
@needs(Role.VIEWER)
def recent() -> ResponseReturnValue:
    """The list of the home page alone, for its script."""
    response = make_response(render_template("ringnote/console/recent.html", **_recent()))
    response.set_etag(hashlib.blake2b(response.get_data(), digest_size=12).hexdigest())
    return response.make_conditional(request)


@console.get("/call")
@needs(Role.VIEWER)
def call() -> ResponseReturnValue:
    """The whole story of one callUuid (`?clinic=&uuid=`)."""
    with _reading() as session:
        stories = tell_call(session, request.args.get("uuid", ""), _shown())
    return _tell(stories)


@console.get("/conversation")
@needs(Role.VIEWER)
def conversation() -> ResponseReturnValue:
    """The whole story of one conversationID (`?clinic=&id=`)."""
    with _reading() as session:
        stories = tell_conversation(session, request.args.get("id", ""), _shown())
    return _tell(stories)


@console.get("/unmatched")
@needs(Role.VIEWER)
def unmatched() -> ResponseReturnValue:
    """The numbers that wait for somebody to say whose they are."""
    with _reading() as session:
        clinics = list_clinics(session)
        now = current_app.extensions["ringnote"].clock()
        waiting = [
            (clinic, list_unmatched(session, clinic.id), list_rules(session, clinic.id, now))
            for clinic in clinics
        ]
    known = [(clinic, numbers, rules) for clinic, numbers, rules in waiting if numbers or rules]
    return render_template(
        "ringnote/console/unmatched.html",
        here="unmatched",
        waiting=known,
        is_done=not any(numbers for _, numbers, _ in known),
        says=SAYS,
        listed=LISTED_NUMBERS,
        done=_done(),
    )


@console.get("/console/static/<path:filename>")
@open_to_all()
def static(filename: str) -> Response:
    """The console's own look."""
    return send_from_directory(STATIC, filename)


@console.get("/console/shared/<path:filename>")
@open_to_all()
def shared(filename: str) -> Response:
    """The look and the script that the sandbox's pages have too."""
    return send_from_directory(SHARED, filename)


@console.app_template_filter("ringnote_local")
def local(moment: datetime | str, zone: str) -> str:
    """A time as the clinic's clock shows it."""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    at = at.astimezone(ZoneInfo(zone))
    return f"{at:%a} {at.day} {at:%b}, {at:%H:%M:%S}"


@console.app_template_filter("ringnote_number")
def number(value: str) -> str:
    """A number as people write it; what is none, as it came."""
    try:
        parsed = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        return value or "Withheld"
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


@console.app_template_filter("ringnote_laid_out")
def laid_out(body: str) -> str:
    """JSON as people read it; what is none, or was cut, as it came."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body


console.add_app_template_filter(as_curl, "ringnote_curl")
console.add_app_template_filter(secret_names, "ringnote_secret_names")
console.add_app_template_test(is_cut, "ringnote_cut")


def _recent() -> dict[str, Any]:
    show = request.args.get("show", "")
    show = show if show in SHOWS else ""
    clinic_id = _clinic_id()
    with _reading() as session:
        clinics = list_clinics(session)
        if clinic_id is not None and clinic_id not in {each.id for each in clinics}:
            abort(404)
        return {
            "rows": list_recent(session, _shown(), show or None, LISTED),
            "counts": count_backlog(session, _shown()),
            "clinics": clinics,
            "clinic_id": clinic_id,
            "show": show,
            "shows": SHOWS,
            "unconnected": _unconnected(session, _shown()) if who().may(Role.ADMIN) else [],
            "syncs": _syncs(session, [each for each in clinics if clinic_id in (None, each.id)]),
        }


def _syncs(session: Session, shown: list[Clinic]) -> list[dict[str, Any]]:
    """How the clients of the one clinic that is shown are followed; of several, where they are
    followed no further."""
    runtime: Runtime = current_app.extensions["ringnote"]
    told = tell_syncs(session, runtime.db, [clinic.id for clinic in shown])
    return [
        {"clinic": clinic, "sync": told[clinic.id]}
        for clinic in shown
        if clinic.id in told and (len(shown) == 1 or told[clinic.id]["state"] == "stopped")
    ]


def _unconnected(session: Session, shown: frozenset[int] | None) -> list[Clinic]:
    """The clinics that are connected to no PMS."""
    is_in_use = sa.exists().where(Connection.clinic_id == Clinic.id, Connection.ended_at.is_(None))
    query = sa.select(Clinic).where(of_clinics(Clinic.id, shown), ~is_in_use)
    return list(session.scalars(query.order_by(Clinic.name).limit(UNCONNECTED)))


def _tell(stories: list[dict[str, Any]]) -> ResponseReturnValue:
    if not stories:
        return render_template("ringnote/console/missing.html", what="call or conversation"), 404
    return render_template("ringnote/console/story.html", stories=stories, done=_done())


def _done() -> str:
    return DONE.get(request.args.get("done", ""), "")


def list_clinics(session: Session) -> list[Clinic]:
    """The clinics that are theirs who is looking."""
    query = sa.select(Clinic).where(of_clinics(Clinic.id, who().clinics)).order_by(Clinic.name)
    return list(session.scalars(query))


def _shown() -> frozenset[int] | None:
    """The clinics to show of: the one that was asked for, else all of theirs."""
    clinic_id = _clinic_id()
    return who().clinics if clinic_id is None else frozenset({clinic_id})


def _clinic_id() -> int | None:
    given = request.args.get("clinic", "")
    if not given:
        return None
    if not given.isdecimal() or len(given) > BIGGEST_ID_DIGITS or not who().has_clinic(int(given)):
        abort(404)
    return int(given)


def _reading() -> Any:
    runtime: Runtime = current_app.extensions["ringnote"]
    return runtime.db.reading()
