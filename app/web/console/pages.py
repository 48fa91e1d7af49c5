"""The console's pages and the fragment that keeps its list live. Reads only."""

import hashlib
from datetime import datetime
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

from ...directory.waiting import list_unmatched
from ...ledger.listings import count_backlog, list_recent
from ...ledger.trace import tell_call, tell_conversation
from ...models import Clinic
from ...runtime import Runtime
from ..assets import SHARED
from ..door import is_at_this_machine
from ..headers import set_headers

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SHOWS = {"": "Everything", "open": "Under way", "waiting": "Waiting", "set_aside": "Set aside"}
LISTED = 60

console = Blueprint(
    "console",
    __name__,
    template_folder="templates",
    static_folder="static",
    static_url_path="/console/static",
)
set_headers(console, CONTENT_SECURITY_POLICY)


@console.before_request
def let_in() -> ResponseReturnValue | None:
    """Turn away whoever is not at this machine."""
    if is_at_this_machine(request):
        return None
    return render_template("ringnote/console/away.html"), 403


@console.get("/")
def home() -> ResponseReturnValue:
    """Calls and texts as they come."""
    return render_template("ringnote/console/home.html", here="home", **_recent())


@console.get("/recent")
def recent() -> ResponseReturnValue:
    """The list of the home page alone, for its script."""
    response = make_response(render_template("ringnote/console/recent.html", **_recent()))
    response.set_etag(hashlib.blake2b(response.get_data(), digest_size=12).hexdigest())
    return response.make_conditional(request)


@console.get("/call")
def call() -> ResponseReturnValue:
    """The whole story of one callUuid (`?clinic=&uuid=`)."""
    with _reading() as session:
        stories = tell_call(session, request.args.get("uuid", ""), _clinic_id())
    return _tell(stories)


@console.get("/conversation")
def conversation() -> ResponseReturnValue:
    """The whole story of one conversationID (`?clinic=&id=`)."""
    with _reading() as session:
        stories = tell_conversation(session, request.args.get("id", ""), _clinic_id())
    return _tell(stories)


@console.get("/unmatched")
def unmatched() -> ResponseReturnValue:
    """The numbers that wait for somebody to say whose they are."""
    with _reading() as session:
        clinics = _clinics(session)
        waiting = [(clinic, list_unmatched(session, clinic.id)) for clinic in clinics]
    known = [(clinic, numbers) for clinic, numbers in waiting if numbers]
    return render_template("ringnote/console/unmatched.html", here="unmatched", waiting=known)


@console.get("/console/shared/<path:filename>")
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


def _recent() -> dict[str, Any]:
    show = request.args.get("show", "")
    show = show if show in SHOWS else ""
    clinic_id = _clinic_id()
    with _reading() as session:
        clinics = _clinics(session)
        return {
            "rows": list_recent(session, clinic_id, show or None, LISTED),
            "counts": count_backlog(session),
            "clinics": clinics,
            "clinic_id": clinic_id,
            "show": show,
            "shows": SHOWS,
        }


def _tell(stories: list[dict[str, Any]]) -> ResponseReturnValue:
    if not stories:
        return render_template("ringnote/console/missing.html"), 404
    return render_template("ringnote/console/story.html", stories=stories)


def _clinics(session: Session) -> list[Clinic]:
    return list(session.scalars(sa.select(Clinic).order_by(Clinic.name)))


def _clinic_id() -> int | None:
    given = request.args.get("clinic", "")
    if not given:
        return None
    if not given.isdecimal() or len(given) > 18:
        abort(404)
    return int(given)


def _reading() -> Any:
    runtime: Runtime = current_app.extensions["ringnote"]
    return runtime.db.reading()
