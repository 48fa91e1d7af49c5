"""Programs at the API: they show a token, and get what its scopes and clinics open."""

from flask import current_app, g, request
from flask.typing import ResponseReturnValue

from ..access.identity import Scope
from ..access.tokens import find_token, identity_of_token, is_touch_due, touch_token
from ..runtime import Runtime
from .problems import problem


def let_program_in(need: Scope | frozenset[Scope]) -> ResponseReturnValue | None:
    """Let the request through if its token has the scope (or one of these), or answer it."""
    runtime: Runtime = current_app.extensions["ringnote"]
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not secret.strip():
        return _unauthorized("Send a token: Authorization: Bearer rn_…")
    now = runtime.clock()
    with runtime.db.reading() as session:
        token = find_token(session, secret.strip(), now)
        identity = identity_of_token(token) if token else None
    if token is None or identity is None:
        return _unauthorized("No such token is valid; see: ringnote token list")
    if is_touch_due(token, now):
        with runtime.db.transaction() as session:
            touch_token(session, token.id, now)
    if not identity.may(need):
        scopes = " or ".join(sorted(need)) if isinstance(need, frozenset) else need
        return problem(403, "This token has not the scope that this needs", f"It needs {scopes}.")
    g.ringnote_identity = identity
    return None


def _unauthorized(detail: str) -> ResponseReturnValue:
    answer, status, headers = problem(401, "Not signed in", detail)
    return answer, status, headers | {"WWW-Authenticate": 'Bearer realm="ringnote"'}
