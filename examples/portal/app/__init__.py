"""A clinic's portal: an application of its own, with Ringnote mounted under /ringnote."""

import os
import secrets
from pathlib import Path

import sqlalchemy as sa
from flask import Flask, Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import CSRFProtect

from . import accounts, pages, phones, tables

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
OPEN = {"accounts.sign_in", "static"}


def create_app(with_phones: bool = True) -> Flask:
    """The portal; without phones it is what it was before Ringnote came."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = os.environ.get("PORTAL_SECRET_KEY") or secrets.token_hex()
    app.config["RINGNOTE_PUBLIC_URL"] = "http://127.0.0.1:5000/ringnote"
    engine = _open_database(app)
    CSRFProtect(app)
    accounts.login_manager.init_app(app)
    app.register_blueprint(accounts.blueprint)
    app.register_blueprint(pages.blueprint)
    app.before_request(_demand_sign_in)
    app.after_request(_be_strict)
    app.register_error_handler(404, _not_found)
    if with_phones:
        phones.mount(app, engine)
    return app


def _open_database(app: Flask) -> sa.Engine:
    folder = Path(os.environ.get("PORTAL_DATA_DIR") or app.instance_path)
    folder.mkdir(parents=True, exist_ok=True)
    app.config["PORTAL_DATA_DIR"] = folder
    url = os.environ.get("PORTAL_DATABASE_URL") or f"sqlite:///{folder / 'portal.sqlite3'}"
    engine = app.extensions["portal"] = sa.create_engine(url)
    tables.metadata.create_all(engine)
    return engine


def _demand_sign_in() -> ResponseReturnValue | None:
    endpoint = request.endpoint or ""
    # Ringnote keeps its own doors: webhooks come without a sign-in, pages ask `current_user`.
    if endpoint in OPEN or endpoint.startswith("ringnote."):
        return None
    if not current_user.is_authenticated:
        return accounts.login_manager.unauthorized()
    return None


def _be_strict(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


def _not_found(_error: Exception) -> ResponseReturnValue:
    return render_template("not_found.html"), 404
