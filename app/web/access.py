"""What each route needs, said beside it, and the one guard that holds everybody to it.

A route that says nothing is refused to all: forgetting it is noticed at the first request.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import abort, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..access.identity import Identity, Need
from ..logs import get_logger
from ..models import Role
from .bearer import let_monitor_in, let_program_in
from .door import Door
from .forms import check_form, has_zero_byte
from .problems import problem

DECLARED = "ringnote_needs"
SAFE = {"GET", "HEAD", "OPTIONS"}

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Open:
    """A route for whoever comes. `has_form`: a page of ours posts to it, and nothing else may."""

    has_form: bool = False


@dataclass(frozen=True, slots=True)
class Monitor:
    """A route for what watches over the deployment, by the token that the settings name."""


def needs(need: Need) -> Callable[[View], View]:
    """Declare that a route takes this role, or of a program this scope (or one of these)."""
    return _declare(need)


def open_to_all(*, has_form: bool = False) -> Callable[[View], View]:
    """Declare that a route asks nobody who they are."""
    return _declare(Open(has_form))


def for_monitors() -> Callable[[View], View]:
    """Declare that a route takes RINGNOTE_METRICS_TOKEN."""
    return _declare(Monitor())


def declared(view: Callable[..., Any]) -> Need | Open | Monitor | None:
    """What a route declares; None for one that forgot to."""
    found: Need | Open | Monitor | None = getattr(view, DECLARED, None)
    return found


def guard() -> ResponseReturnValue | None:
    """Let the request through to its view, or answer it. Before every view of Ringnote's."""
    need = declared(current_app.view_functions[request.endpoint or ""])
    match need:
        case None:
            log.error("access.undeclared", endpoint=request.endpoint)
            return problem(403, "This address says not whom it is for")
        case Open(has_form):
            return check_form("") if has_form and request.method not in SAFE else None
        case Monitor():
            return let_monitor_in()
        case Role():
            return _let_person_in(need)
        case _:
            return let_program_in(need)


def who() -> Identity:
    """Who it is that this request was let in for."""
    identity: Identity = g.ringnote_identity
    return identity


def _let_person_in(need: Role) -> ResponseReturnValue | None:
    door: Door = current_app.extensions["ringnote.door"]
    identity = door.find_identity(request)
    if identity is None:
        return _turn_away(door)
    if not identity.may(need):
        return render_template("ringnote/door/refused.html", why="role", need=need), 403
    if has_zero_byte(request.args):
        abort(400)
    # Before the form is read: what refuses one that is too large may tell whose it is.
    g.ringnote_identity = identity
    return check_form(identity.name) if request.method not in SAFE else None


def _turn_away(door: Door) -> ResponseReturnValue:
    # A script that keeps a page live must not show the sign-in in its place.
    can_lead = request.method in SAFE and not request.headers.get("X-Requested-With")
    wanted = request.full_path.rstrip("?") if request.query_string else request.path
    wanted = request.script_root + wanted
    if door.is_host and door.sign_in_url and can_lead:
        joint = "&" if "?" in door.sign_in_url else "?"
        return redirect(f"{door.sign_in_url}{joint}{urlencode({'next': wanted})}")
    if door.is_host:
        return render_template("ringnote/door/refused.html", why="host"), 401
    if not door.has_users():
        return render_template("ringnote/door/away.html"), 403
    if not can_lead:
        return render_template("ringnote/door/refused.html", why="signed_out"), 401
    return redirect(url_for("ringnote.door.sign_in", next=wanted))


def _declare(need: Need | Open | Monitor) -> Callable[[View], View]:
    def mark(view: View) -> View:
        setattr(view, DECLARED, need)
        return view

    return mark
