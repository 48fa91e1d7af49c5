"""Who may use the portal: its own users, signed in by Flask-Login."""

from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, login_user, logout_user
from werkzeug.security import check_password_hash, generate_password_hash


@dataclass
class User(UserMixin):
    """A user of the portal; `clinics` are the ids of theirs, None for all."""

    id: str
    password_hash: str
    role: str
    clinics: set[int] | None


USERS = {
    name: User(name, generate_password_hash(f"{name} street"), role, clinics)
    for name, role, clinics in (
        ("boss", "admin", None),
        ("oak", "operator", {1}),
        ("elm", "viewer", {2}),
    )
}

login_manager = LoginManager()
login_manager.login_view = "accounts.sign_in"
blueprint = Blueprint("accounts", __name__)


@login_manager.user_loader
def find_user(name: str) -> User | None:
    return USERS.get(name)


@blueprint.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> ResponseReturnValue:
    if request.method == "GET":
        return render_template("sign_in.html")
    user = USERS.get(request.form.get("name", ""))
    if user is None or not check_password_hash(user.password_hash, request.form["password"]):
        return render_template("sign_in.html", is_wrong=True), 401
    login_user(user)
    return redirect(url_for("pages.home"))


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    logout_user()
    return redirect(url_for(".sign_in"))
