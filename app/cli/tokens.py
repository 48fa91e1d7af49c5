"""`ringnote token`: what programs show to use the API."""

from datetime import timedelta
from typing import Any

import click
import sqlalchemy as sa

from ..access.identity import Scope
from ..access.tokens import add_token, revoke_token
from ..models import ApiToken
from ..runtime import Runtime
from .context import get_clinic, pass_runtime, who
from .output import emit, json_option, print_fields, print_table, say

DAYS = 365


@click.group()
def token() -> None:
    """API tokens: each has scopes, clinics and an end."""


@token.command("add")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may read; repeat it.",
)
@click.option("--clinic", "clinics", multiple=True, help="Limit to this clinic; repeat it.")
@click.option(
    "--days", type=click.IntRange(0, 3650), default=DAYS, show_default=True, help="0 never ends."
)
@json_option
@pass_runtime
def add(
    runtime: Runtime,
    name: str,
    scopes: tuple[str, ...],
    clinics: tuple[str, ...],
    days: int,
    as_json: bool,
) -> None:
    """Make a token for a program, and show it once.

    \b
    ringnote token add reports --scope calls:read --scope entries:read --clinic "Oak Street Vets"
    """
    now = runtime.clock()
    with runtime.db.transaction() as session:
        found = [get_clinic(session, each) for each in clinics] or None
        ends = now + timedelta(days=days) if days else None
        added, secret = add_token(
            session, name, [Scope(s) for s in scopes], found, now, ends, who()
        )
        told = _tell(added) | {"token": secret}
    say("It is not shown again: Authorization: Bearer …")
    emit(told, as_json, lambda: _show(told))


@token.command("list")
@json_option
@pass_runtime
def list_(runtime: Runtime, as_json: bool) -> None:
    """List tokens: what each opens, until when, and when it was last used."""
    with runtime.db.reading() as session:
        tokens = session.scalars(sa.select(ApiToken).order_by(ApiToken.name))
        told = [_tell(each) for each in tokens]
    columns = ("name", "scopes", "clinics", "ends", "last used", "made by")
    rows = [
        (
            each["name"],
            " ".join(each["scopes"]),
            _clinics_in_words(each),
            each["expires_at"] or "never",
            each["used_at"] or "never",
            each["created_by"],
        )
        for each in told
    ]
    empty = "There is no token yet; see: ringnote token add"
    emit(told, as_json, lambda: print_table(columns, rows, empty=empty))


@token.command()
@click.argument("name")
@json_option
@pass_runtime
def revoke(runtime: Runtime, name: str, as_json: bool) -> None:
    """Have a token end now."""
    with runtime.db.transaction() as session:
        revoke_token(session, name)
    said = f"{name} opens nothing any more."
    emit({"name": name, "revoked": True}, as_json, lambda: click.echo(said))


def _tell(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": list(token.scopes),
        "clinics": [clinic.name for clinic in token.clinics] if token.is_limited else None,
        "created_at": token.created_at,
        "created_by": token.created_by,
        "expires_at": token.expires_at,
        "used_at": token.used_at,
    }


def _show(told: dict[str, Any]) -> None:
    print_fields(
        {
            "name": told["name"],
            "scopes": " ".join(told["scopes"]),
            "clinics": _clinics_in_words(told),
            "ends": told["expires_at"] or "never",
            "token": told["token"],
        }
    )


def _clinics_in_words(told: dict[str, Any]) -> str:
    return "all" if told["clinics"] is None else ", ".join(told["clinics"]) or "none"
