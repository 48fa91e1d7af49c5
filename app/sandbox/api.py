"""The pretend PMS's JSON API under /api/v1: clients, notes and tasks behind a bearer token."""

import hmac
from math import ceil

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from .bodies import (
    ClientBody,
    MergeBody,
    NoteBody,
    NotePatch,
    TaskBody,
    TaskPatch,
    read_body,
    read_cursor,
    read_limit,
    read_moment,
    read_query,
    write_cursor,
)
from .faults import Fault, FaultKind, Faults
from .file import Refused
from .going_wrong import go_wrong, meet, spoil
from .limit import Limit
from .store import Store

EVER = "0001-01-01T00:00:00.000000Z"
MAX_KEY = 200
REFUSALS = {
    400: ("bad_request", "this cannot be taken"),
    401: ("unauthorized", "this token is not accepted any more"),
    422: ("invalid", "this client's file is locked: open it first"),
    429: ("rate_limited", "slow down"),
    500: ("server_error", "something went wrong here"),
}
"""What is said of the faults that a request met, by status."""


def make_api(store: Store, token: str, faults: Faults, limit: Limit | None = None) -> Blueprint:
    """The API's routes, reading and writing `store` for whoever sends `token`."""
    api = Blueprint("api", __name__, url_prefix="/api/v1")

    @api.before_request
    def let_in() -> Response | None:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Refused(401, "unauthorized", "send the token as Authorization: Bearer")
        if limit and (wait := limit.take()):
            return go_wrong(Fault(FaultKind.RATE_LIMIT, seconds=ceil(wait)), _refuse)
        return meet(faults, _refuse)

    api.after_request(spoil)

    @api.get("/clients")
    def list_clients() -> Response:
        query = read_query("phone", "updated_since", "cursor", "limit")
        limit = read_limit(query)
        if "phone" in query:
            # A number has few clients: they come in one page.
            return jsonify(items=store.clients.by_phone(query["phone"]), next_cursor=None)
        since = query.get("updated_since")
        after = (read_moment(since) if since else EVER, "")
        if "cursor" in query:
            after = tuple(read_cursor(query["cursor"], str, str))
        items = store.clients.after(after, limit + 1, with_deleted=since is not None)
        last = items[:limit][-1] if len(items) > limit else None
        cursor = write_cursor(last["updated_at"], last["id"]) if last else None
        return jsonify(items=items[:limit], next_cursor=cursor)

    @api.post("/clients")
    def add_client() -> tuple[Response, int]:
        client, is_new = store.clients.add_once(read_body(ClientBody).as_kept(), read_key())
        return jsonify(client), 201 if is_new else 200

    @api.get("/clients/<client_id>")
    def show_client(client_id: str) -> Response:
        return jsonify(store.clients.get(client_id))

    @api.post("/clients/<client_id>/merge")
    def merge_client(client_id: str) -> Response:
        store.clients.merge(client_id, read_body(MergeBody).into)
        return jsonify(store.clients.get(client_id))

    _add_records(api, store, "note", NoteBody, NotePatch)
    _add_records(api, store, "task", TaskBody, TaskPatch)
    return api


def _add_records(
    api: Blueprint,
    store: Store,
    kind: str,
    form: type[NoteBody] | type[TaskBody],
    patch: type[NotePatch] | type[TaskPatch],
) -> None:
    def listing() -> Response:
        query = read_query("client_id", "reference", "cursor", "limit")
        limit = read_limit(query)
        after = read_cursor(query["cursor"], int)[0] if "cursor" in query else 0
        found = store.records.after(
            kind,
            after,
            limit + 1,
            client_id=query.get("client_id", ""),
            reference=query.get("reference", ""),
        )
        cursor = write_cursor(found[limit - 1][0]) if len(found) > limit else None
        return jsonify(items=[record for _, record in found[:limit]], next_cursor=cursor)

    def create() -> tuple[Response, int]:
        record, is_new = store.records.add(kind, read_body(form).as_kept(), read_key())
        return jsonify(record), 201 if is_new else 200

    def show(record_id: str) -> Response:
        return jsonify(store.records.get(kind, record_id))

    def change(record_id: str) -> Response:
        store.records.get(kind, record_id)
        changed = read_body(patch).as_kept(only_sent=True)
        if None in changed.values():
            raise Refused(422, "invalid", "a time must not be null")
        return jsonify(store.records.change(kind, record_id, changed))

    def remove(record_id: str) -> tuple[str, int]:
        store.records.remove(kind, record_id)
        return "", 204

    for method, path, view in (
        ("GET", f"/{kind}s", listing),
        ("POST", f"/{kind}s", create),
        ("GET", f"/{kind}s/<record_id>", show),
        ("PATCH", f"/{kind}s/<record_id>", change),
        ("DELETE", f"/{kind}s/<record_id>", remove),
    ):
        name = f"{kind}_{view.__name__}"
        api.add_url_rule(path, name, view, methods=[method])


def read_key() -> str:
    """The request's Idempotency-Key, '' for none. Raises Refused (400) for one that is too long."""
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > MAX_KEY:
        raise Refused(400, "bad_request", f"Idempotency-Key is longer than {MAX_KEY}")
    return key


def refuse(error: Exception) -> tuple[Response, int]:
    """The API's answer to a Refused or an HTTPException."""
    if isinstance(error, Refused):
        return _error(error.status, error.code, str(error)), error.status
    status = (error.code if isinstance(error, HTTPException) else None) or 500
    codes = {404: "not_found", 405: "bad_request", 413: "bad_request", 400: "bad_request"}
    said = error.name.lower() if isinstance(error, HTTPException) else "server error"
    return _error(status, codes.get(status, "server_error"), said), status


def _error(status: int, code: str, message: str) -> Response:
    response = jsonify(error={"code": code, "message": message})
    response.status_code = status
    return response


def _refuse(status: int) -> Response:
    return _error(status, *REFUSALS.get(status, REFUSALS[500]))
