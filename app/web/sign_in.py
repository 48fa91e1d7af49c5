"""The sign-in of a Ringnote that stands alone: the form, the link, the account and signing out."""

import re
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import (
    Blueprint,
    Response,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from ..access.passwords import is_password
from ..access.sessions import begin_session, end_session
from ..access.tries import count_try, forgive
from ..access.users import find_link, find_user, follow_link, plain_name, sign_out_everywhere
from ..logs import get_logger
from ..models import BrowserSession, Role, User
from ..runtime import Runtime
from .access import needs, open_to_all, who
from .cookies import drop_cookie, read_cookie, set_cookie
from .door import SESSION, Door
from .headers import OURS_ALONE, PAGE_CONTENT, set_headers
from .outage import say_of_outage

LARGEST_FORM = 64 * 1024
OURS = re.compile(r"/(?![/\\])")
"""How a page of this host begins. A browser takes any two slashes, or backslashes, for a host's."""

log = get_logger(__name__)
blueprint = Blueprint("door", __name__, template_folder="templates")
set_headers(blueprint, PAGE_CONTENT, OURS_ALONE)
say_of_outage(blueprint)


@blueprint.url_value_preprocessor
def limit(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Keep what strangers send small, before anything of it is read."""
    request.max_content_length = LARGEST_FORM


@blueprint.get("/sign-in")
@open_to_all()
def sign_in() -> ResponseReturnValue:
    """The form."""
    door: Door = current_app.extensions["ringnote.door"]
    if door.find_identity(request):
        return redirect(_wanted())
    return _form()


@blueprint.post("/sign-in")
@open_to_all(has_form=True)
def check_sign_in() -> ResponseReturnValue:
    """A name and a password."""
    runtime = _runtime()
    name, password = plain_name(request.form.get("name", "")), request.form.get("password", "")
    address = request.remote_addr or ""
    with runtime.db.transaction() as session:
        wait = count_try(session, runtime.db, name, address, runtime.clock())
    if wait:
        log.warning("sign_in.slowed")
        return _form(fault="wait", wait=wait), 429, {"Retry-After": str(_whole_seconds(wait))}
    with runtime.db.reading() as session:
        user = find_user(session, name)
    # No transaction is open meanwhile: this takes a third of a second, on purpose.
    is_theirs = is_password(password, user.password_hash if user else None)
    if not is_theirs or user is None or user.disabled_at is not None:
        log.warning("sign_in.refused")
        return _form(fault="wrong"), 401
    with runtime.db.transaction() as session:
        forgive(session, name, address)
        token = begin_session(session, user, runtime.clock(), read_cookie(request, SESSION))
    return _signed_in(user, token)


@blueprint.get("/sign-in/<token>")
@open_to_all()
def see_link(token: str) -> ResponseReturnValue:
    """A link that somebody was given. One that signs in once asks first.

    Programs that look at links in mails and chats would have used it up.
    """
    runtime = _runtime()
    with runtime.db.transaction() as session:
        found = find_link(session, token, runtime.clock())
    if found is None:
        return _form(fault="link"), 404
    link, user = found
    if link.is_reusable:
        return _follow(token)
    return render_template("ringnote/door/link.html", name=user.name, token=token)


@blueprint.post("/sign-in/<token>")
@open_to_all(has_form=True)
def follow(token: str) -> ResponseReturnValue:
    """Sign in by that link."""
    return _follow(token)


@blueprint.get("/account")
@needs(Role.VIEWER)
def account() -> ResponseReturnValue:
    """Who one is here, and in which browsers."""
    runtime = _runtime()
    with runtime.db.reading() as session:
        query = (
            sa.select(BrowserSession)
            .join(User, User.id == BrowserSession.user_id)
            .where(User.name == who().name)
            .order_by(BrowserSession.seen_at.desc())
        )
        sessions = session.scalars(query).all()
    return render_template("ringnote/door/account.html", sessions=sessions)


@blueprint.post("/sign-out")
@needs(Role.VIEWER)
def sign_out() -> ResponseReturnValue:
    """Sign this browser out."""
    runtime = _runtime()
    if token := read_cookie(request, SESSION):
        with runtime.db.transaction() as session:
            end_session(session, token)
    return _signed_out()


@blueprint.post("/sign-out-everywhere")
@needs(Role.VIEWER)
def sign_out_all() -> ResponseReturnValue:
    """Sign every browser of theirs out."""
    with _runtime().db.transaction() as session:
        if user := find_user(session, who().name):
            sign_out_everywhere(session, user.id)
    return _signed_out()


def _form(fault: str = "", wait: timedelta | None = None) -> str:
    return render_template(
        "ringnote/door/sign_in.html",
        fault=fault,
        wait=_whole_seconds(wait) if wait else 0,
        wanted=request.values.get("next", ""),
        name=request.form.get("name", ""),
    )


def _follow(token: str) -> ResponseReturnValue:
    runtime = _runtime()
    now = runtime.clock()
    with runtime.db.transaction() as session:
        user = follow_link(session, token, now)
        cookie = begin_session(session, user, now, read_cookie(request, SESSION)) if user else None
    if user is None or cookie is None:
        return _form(fault="link"), 404
    return _signed_in(user, cookie)


def _signed_in(user: User, token: str) -> Response:
    log.info("sign_in.done", user_id=user.id)
    response = make_response(redirect(_wanted()))
    set_cookie(request, response, SESSION, token)
    return response


def _signed_out() -> Response:
    response = make_response(redirect(url_for(".sign_in")))
    drop_cookie(request, response, SESSION)
    # Pages that show clients' names must not come back by the browser's back button.
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def _wanted() -> str:
    """Where they were going: a page of this host, whatever `next` says."""
    wanted = request.values.get("next", "")
    is_ours = OURS.match(wanted) and wanted.isprintable()
    return wanted if is_ours else url_for("ringnote.console.home")


def _whole_seconds(wait: timedelta) -> int:
    return max(1, round(wait.total_seconds()))


def _runtime() -> Runtime:
    runtime: Runtime = current_app.extensions["ringnote"]
    return runtime
