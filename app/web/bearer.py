"""Programs: at the API they show a token, and get what its scopes and clinics open; a monitor shows
the one that the settings name."""

import hmac

from flask import current_app, g, request
from flask.typing import ResponseReturnValue

from ..access.identity import Scope
from ..access.tokens import find_token, identity_of_token, is_touch_due, touch_token
from ..runtime import Runtime
from .problems import problem


def let_program_in(need: Scope | frozenset[Scope]) -> ResponseReturnValue | None:
    """Let the request through if its token has the scope (or one of these), or answer it."""
    runtime: Runtime = current_app.extensions["ringnote"]
    secret = _shown()
    if not secret:
        return _unauthorized("Send a token: Authorization: Bearer rn_…")
    now = runtime.clock()
    with runtime.db.reading() as session:
        token = find_token(session, secret, now)
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


def let_monitor_in() -> ResponseReturnValue | None:
    """Let the request through if it shows RINGNOTE_METRICS_TOKEN, or answer it.

    The database is not asked: that it is away is what a monitor has to hear of.
    """
    runtime: Runtime = current_app.extensions["ringnote"]
    wanted = runtime.settings.metrics_token
    if not wanted:
        return problem(403, "Metrics are shown to nobody yet", "Set RINGNOTE_METRICS_TOKEN.")
    if not hmac.compare_digest(_shown().encode(), wanted.encode()):
        return _unauthorized("Send RINGNOTE_METRICS_TOKEN: Authorization: Bearer …")
    return None


def _shown() -> str:
    """The token that the request brings, or ''."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else ""


def _unauthorized(detail: str) -> ResponseReturnValue:
    answer, status, headers = problem(401, "Not signed in", detail)
    return answer, status, headers | {"WWW-Authenticate": 'Bearer realm="ringnote"'}
