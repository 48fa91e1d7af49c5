"""`ringnote user`: who may sign in to the console, as what, and at which clinics."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..access.users import (
    add_user,
    change_user,
    get_user,
    make_link,
    set_password,
    sign_out_everywhere,
)
from ..errors import InputError
from ..models import BrowserSession, Clinic, Role, User
from ..runtime import Runtime
from .context import get_clinic, local_url, pass_runtime
from .output import emit, json_option, print_fields, print_table, say

LINK_LASTS = timedelta(minutes=30)

role_option = click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    help="viewer looks, operator also mends, admin also decides who gets in.",
)
clinic_option = click.option(
    "--clinic", "clinics", multiple=True, help="Limit to this clinic, by id or name; repeat it."
)
password_option = click.option(
    "--password-file", type=click.Path(), help="Read the password from here; - is standard input."
)


@click.group()
def user() -> None:
    """Who may sign in to the console.

    Until there is a user, the console answers only the machine it runs on.
    """


@user.command("add")
@click.argument("name")
@role_option
@clinic_option
@password_option
@click.option("--link", is_flag=True, help="No password now: print a link that signs in once.")
@json_option
@pass_runtime
def add(
    runtime: Runtime,
    name: str,
    role: str | None,
    clinics: tuple[str, ...],
    password_file: str | None,
    link: bool,
    as_json: bool,
) -> None:
    """Let somebody sign in. Without --clinic, all clinics are theirs; the role is viewer.

    The password is asked for, or comes from --password-file.

    \b
    ringnote user add kim@oakstreet.example --role admin
    """
    if link and password_file:
        raise click.UsageError("Give --link or --password-file, not both.")
    password = None if link else _read_password(password_file)
    now = runtime.clock()
    with runtime.db.transaction() as session:
        found = _clinics(session, clinics)
        added = add_user(session, name, Role(role or Role.VIEWER), password, found, now)
        told = _tell(added)
        if link:
            told["link"] = _address(runtime, make_link(session, added.id, now, LINK_LASTS))
    emit(told, as_json, lambda: _show(told))


@user.command("list")
@json_option
@pass_runtime
def list_(runtime: Runtime, as_json: bool) -> None:
    """List users: what they may, at which clinics, and when they were last here."""
    with runtime.db.reading() as session:
        told = [_tell(each) for each in session.scalars(sa.select(User).order_by(User.name))]
        query = sa.select(BrowserSession.user_id, sa.func.max(BrowserSession.seen_at))
        found = session.execute(query.group_by(BrowserSession.user_id))
        seen = {row.user_id: row[1] for row in found}
    for each in told:
        each["seen_at"] = seen.get(each["id"])
    columns = ("name", "role", "clinics", "last seen", "state")
    rows = [
        (
            each["name"],
            each["role"],
            _clinics_in_words(each),
            each["seen_at"],
            "disabled" if each["disabled_at"] else "active",
        )
        for each in told
    ]
    empty = "Nobody can sign in yet; see: ringnote user add"
    emit(told, as_json, lambda: print_table(columns, rows, empty=empty))


@user.command("set")
@click.argument("name")
@role_option
@clinic_option
@click.option("--all-clinics", is_flag=True, help="Lift the limit to clinics.")
@click.option("--disable/--enable", "disable", default=None, help="Keep out, or let in again.")
@json_option
@pass_runtime
def set_(
    runtime: Runtime,
    name: str,
    role: str | None,
    clinics: tuple[str, ...],
    all_clinics: bool,
    disable: bool | None,
    as_json: bool,
) -> None:
    """Change what a user may, at which clinics, or whether they may sign in at all."""
    if clinics and all_clinics:
        raise click.UsageError("Give --clinic or --all-clinics, not both.")
    if not (role or clinics or all_clinics) and disable is None:
        raise click.UsageError("Say what to change: --role, --clinic, --all-clinics or --disable.")
    with runtime.db.transaction() as session:
        found = get_user(session, name)
        change_user(
            session,
            found,
            runtime.clock(),
            role=Role(role) if role else None,
            clinics=_clinics(session, clinics),
            has_all_clinics=all_clinics,
            is_disabled=disable,
        )
        told = _tell(found)
    emit(told, as_json, lambda: _show(told))


@user.command()
@click.argument("name")
@password_option
@json_option
@pass_runtime
def password(runtime: Runtime, name: str, password_file: str | None, as_json: bool) -> None:
    """Give a user another password, and sign them out everywhere."""
    with runtime.db.reading() as session:
        get_user(session, name)
    given = _read_password(password_file)
    with runtime.db.transaction() as session:
        found = get_user(session, name)
        set_password(session, found, given)
        told = _tell(found)
    emit(told, as_json, lambda: click.echo(f"{told['name']} has a new password."))


@user.command()
@click.argument("name")
@json_option
@pass_runtime
def link(runtime: Runtime, name: str, as_json: bool) -> None:
    """Print a link that signs a user in, once, within 30 minutes."""
    now = runtime.clock()
    with runtime.db.transaction() as session:
        found = get_user(session, name)
        if found.disabled_at:
            raise InputError(f"{found.name} is disabled; see: ringnote user set --enable")
        told = {"name": found.name, "expires_at": now + LINK_LASTS}
        told["link"] = _address(runtime, make_link(session, found.id, now, LINK_LASTS))
    emit(told, as_json, lambda: click.echo(told["link"]))


@user.command("sign-out")
@click.argument("name")
@json_option
@pass_runtime
def sign_out(runtime: Runtime, name: str, as_json: bool) -> None:
    """Sign a user out of every browser."""
    with runtime.db.transaction() as session:
        found = get_user(session, name)
        told = {"name": found.name, "ended": sign_out_everywhere(session, found.id)}
    said = f"{told['name']} was signed out of {told['ended']} browsers."
    emit(told, as_json, lambda: click.echo(said))


@user.command()
@click.argument("name")
@json_option
@pass_runtime
def remove(runtime: Runtime, name: str, as_json: bool) -> None:
    """Remove a user. What they decided stays, with their name."""
    with runtime.db.transaction() as session:
        found = get_user(session, name)
        told = {"name": found.name, "removed": True}
        session.delete(found)
    emit(told, as_json, lambda: click.echo(f"{told['name']} is gone."))


def _clinics(session: Session, named: tuple[str, ...]) -> list[Clinic] | None:
    return [get_clinic(session, each) for each in named] or None


def _read_password(source: str | None) -> str:
    if source == "-":
        return sys.stdin.readline().rstrip("\r\n")
    if source is not None:
        try:
            return Path(source).read_text().partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise InputError(f"The password file cannot be read: {reason}.") from None
    if not sys.stdin.isatty():
        raise InputError(
            "There is nobody to ask for a password; give --password-file - and pipe it."
        )
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return typed


def _address(runtime: Runtime, token: str) -> str:
    here = local_url(click.get_current_context())
    if not runtime.settings.public_url:
        say(f"RINGNOTE_PUBLIC_URL is not set, so the link is written for {here}.")
    return f"{runtime.settings.public_url or here}/sign-in/{token}"


def _tell(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "role": user.role.value,
        "clinics": [clinic.name for clinic in user.clinics] if user.is_limited else None,
        "has_password": user.password_hash is not None,
        "created_at": user.created_at,
        "disabled_at": user.disabled_at,
    }


def _show(told: dict[str, Any]) -> None:
    print_fields(
        {
            "name": told["name"],
            "role": told["role"],
            "clinics": _clinics_in_words(told),
            "disabled": told["disabled_at"],
            "signs in by": told.get("link"),
        }
    )


def _clinics_in_words(told: dict[str, Any]) -> str:
    return "all" if told["clinics"] is None else ", ".join(told["clinics"]) or "none"
