"""The portal's own page: notices among colleagues, and what the phones did."""

import sqlalchemy as sa
from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from .tables import news, notices

SHOWN = 10

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def home() -> ResponseReturnValue:
    heard = sa.select(news).order_by(news.c.id.desc()).limit(SHOWN)
    if current_user.clinics is not None:
        heard = heard.where(news.c.clinic_id.in_(current_user.clinics))
    with _engine().connect() as connection:
        return render_template(
            "home.html",
            notices=connection.execute(sa.select(notices).order_by(notices.c.id.desc())).all(),
            news=connection.execute(heard).all(),
            has_phones="ringnote" in current_app.extensions,
        )


@blueprint.post("/notices")
def add_notice() -> ResponseReturnValue:
    text = request.form.get("text", "").strip()
    if not text:
        abort(400)
    with _engine().begin() as connection:
        connection.execute(notices.insert().values(by=current_user.id, text=text))
    return redirect(url_for(".home"))


def _engine() -> sa.Engine:
    return current_app.extensions["portal"]
