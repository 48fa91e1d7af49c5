"""The pretend PMS as one Flask application: its JSON API, its pages and its switchable faults.

For the demo, for tests and for people trying Ringnote. Only the API asks for a token: the pages
and the faults have no sign-in, so they answer this machine alone.
"""

from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Flask, render_template, request
from werkzeug.exceptions import HTTPException

from .api import make_api, refuse
from .faults import Faults
from .file import Refused
from .limit import Limit
from .pages import make_pages
from .store import Store

MAX_BODY_BYTES = 1024 * 1024


def create_pms(
    path: Path | str,
    token: str,
    *,
    store: Store | None = None,
    faults: Faults | None = None,
    limit: Limit | None = None,
) -> Flask:
    """A pretend PMS that keeps its records in the SQLite file at `path` (or ':memory:').

    `token` is what the API asks for. A `store` or `faults` passed in stays in the caller's hand;
    otherwise they are at `app.extensions["pms_store"]` and `["pms_faults"]`. Its API takes any
    number of requests unless there is a `limit`.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    store = store or Store(path)
    faults = faults or Faults()
    app.extensions["pms_store"] = store
    app.extensions["pms_faults"] = faults
    app.register_blueprint(make_api(store, token, faults, limit))
    app.register_blueprint(make_pages(store, faults))
    app.register_error_handler(Refused, _answer)
    app.register_error_handler(HTTPException, _answer)
    return app


def _answer(error: Exception) -> Any:
    answer, status = refuse(error)
    if request.path.startswith("/api/") or not request.accept_mimetypes.accept_html:
        return answer, status
    said = str(error) if isinstance(error, Refused) else HTTPStatus(status).phrase.lower()
    return render_template("error.html", status=status, said=said), status
