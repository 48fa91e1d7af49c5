"""Forms that only our own pages can post: a token bound to the browser and to who is signed in.

Ringnote's own, since Flask-WTF's protection is switched on for a whole application, which is the
host's to decide.
"""

import hmac
import secrets
from hashlib import sha256
from urllib.parse import urlsplit

from flask import Response, after_this_request, current_app, g, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from ..runtime import Runtime
from .cookies import read_cookie, set_cookie

FIELD = "form_token"
COOKIE = "form"


def form_token(name: str = "") -> str:
    """What a form of ours carries in FIELD; `name` is who is signed in, '' for nobody."""
    seed = read_cookie(request, COOKIE) or g.get("ringnote_form_seed")
    if seed is None:
        seed = g.ringnote_form_seed = secrets.token_urlsafe(24)

        @after_this_request
        def keep(response: Response) -> Response:
            set_cookie(request, response, COOKIE, seed)
            return response

    return _sign(seed, name)


def check_form(name: str) -> ResponseReturnValue | None:
    """The answer to a post that no page of ours made, None for one that a page of ours did."""
    seed = read_cookie(request, COOKIE)
    given = request.form.get(FIELD, "")
    if (
        not _is_from_here()
        or not seed
        or not hmac.compare_digest(_sign(seed, name).encode(), given.encode("utf-8", "replace"))
        or has_zero_byte(request.form)
    ):
        return render_template("ringnote/door/refused.html", why="form"), 400
    return None


def has_zero_byte(given: MultiDict[str, str]) -> bool:
    """Whether something was sent that no browser sends and PostgreSQL fails on."""
    return any("\0" in value for _, value in given.items(multi=True))


def _is_from_here() -> bool:
    """What the browser says of the page that posts, where it says so."""
    if (site := request.headers.get("Sec-Fetch-Site")) is not None:
        return site in ("same-origin", "none")
    if (origin := request.headers.get("Origin")) is not None:
        return urlsplit(origin).netloc == request.host
    return True


def _sign(seed: str, name: str) -> str:
    runtime: Runtime = current_app.extensions["ringnote"]
    return hmac.new(runtime.secret_key.encode(), f"{seed}|{name}".encode(), sha256).hexdigest()
