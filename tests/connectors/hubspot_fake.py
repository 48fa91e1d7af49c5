"""A stateful fake of HubSpot's CRM on a real socket: contacts, calls, communications and tasks.

Strict on what HubSpot documents; a number is found without its country code alone, and archived
records are told only to who asks for them.
"""

import itertools
import json
import threading
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import phonenumbers
from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException

from ringnote.connectors.base import Connector, Kind
from ringnote.connectors.hubspot import COMMUNICATION, HubSpotConnector
from ringnote.connectors.hubspot_records import read_text
from ringnote.http import Http
from ringnote.sandbox.faults import Fault, Faults
from ringnote.sandbox.server import Server
from ringnote.testing import Kept, make_faulty

Json = dict[str, Any]
Exchange = tuple[str, str, dict[str, str], Json | None, int, Json | None]
"""A request and its answer: method, path, query, body, status, JSON."""

KINDS = ("contacts", "calls", "communications", "tasks")
ASSOCIATIONS = {"calls": 194, "tasks": 204, "communications": 81}
SEARCHABLE = {
    "hs_searchable_calculated_phone_number": "phone",
    "hs_searchable_calculated_mobile_number": "mobilephone",
}
PORTAL = 4711
START = datetime(2026, 3, 1, tzinfo=UTC)

MOST_ASSOCIATED = 500
"""Records of a kind that are told with a contact."""
LONGEST = 65_536
"""Characters of a property, which is HTML where it is a text."""


class HubSpotPms:
    """HubSpot, served on loopback. `seen` are all exchanges that were answered."""

    secret = "pat-na1-4711-of-the-clinic"

    def __init__(self) -> None:
        self.faults = Faults()
        self.seen: list[Exchange] = []
        self._kept: dict[str, dict[str, Json]] = {kind: {} for kind in KINDS}
        self._ids = itertools.count(501)
        self._hours = itertools.count()
        self._lock = threading.RLock()
        self.server = Server(self._application()).start()

    def connector(self, http: Http, *, secret: str | None = None) -> Connector:
        settings = {"base_url": self.server.url}
        return HubSpotConnector(settings, {"token": secret or self.secret}, http)

    def add_clients(self, clients: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]:
        ids = []
        for name, numbers in clients:
            first, _, last = name.partition(" ")
            held = {"firstname": first, "lastname": last}
            held |= dict(zip(("phone", "mobilephone"), numbers, strict=False))
            ids.append(self._add("contacts", held)["id"])
        return ids

    def rename_client(self, client_id: str, name: str) -> None:
        first, _, last = name.partition(" ")
        self._change("contacts", client_id, {"firstname": first, "lastname": last})

    def remove_client(self, client_id: str) -> None:
        self._archive("contacts", client_id)

    def merge_clients(self, winner: str, loser: str) -> None:
        self._archive("contacts", loser)
        self._change("contacts", winner, {"hs_merged_object_ids": loser})

    def kept(self, kind: Kind, client_id: str) -> list[Kept]:
        of_kind = ("tasks",) if kind is Kind.TASK else ("calls", "communications")
        return [
            self._as_kept(name, record)
            for name in of_kind
            for record in self._kept[name].values()
            if record["to"] == client_id and not record["archived"]
        ]

    def remove(self, kind: Kind, pms_id: str) -> None:
        self._archive("tasks" if kind is Kind.TASK else "calls", pms_id)

    def close(self, pms_id: str) -> None:
        self._change("tasks", pms_id, {"hs_task_status": "COMPLETED"})

    def fail(self, fault: Fault) -> None:
        self.faults.switch_on(fault)

    def _as_kept(self, name: str, record: Json) -> Kept:
        held = record["properties"]
        if name == "communications":
            title, _, body = read_text(held["hs_communication_body"]).partition("\n")
            return Kept(COMMUNICATION + record["id"], title, body)
        part = name.removesuffix("s")
        return Kept(
            record["id"],
            held["hs_call_title" if part == "call" else "hs_task_subject"],
            read_text(held[f"hs_{part}_body"]),
            held.get("hs_task_status") == "COMPLETED",
            held.get("hubspot_owner_id", ""),
        )

    def _now(self) -> str:
        moment = START + timedelta(hours=next(self._hours))
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _add(self, kind: str, properties: Json, to: str = "") -> Json:
        if any(len(each) > LONGEST for each in properties.values()):
            abort(400)
        with self._lock:
            now = self._now()
            record = {
                "id": str(next(self._ids)),
                "properties": {**properties, "lastmodifieddate": now},
                "createdAt": now,
                "updatedAt": now,
                "archived": False,
                "to": to,
            }
            self._kept[kind][record["id"]] = record
            return record

    def _change(self, kind: str, record_id: str, properties: Json) -> Json:
        if any(len(each) > LONGEST for each in properties.values()):
            abort(400)
        record = self._get(kind, record_id)
        now = self._now()
        record["properties"] |= {**properties, "lastmodifieddate": now}
        record["updatedAt"] = now
        return record

    def _archive(self, kind: str, record_id: str) -> None:
        record = self._get(kind, record_id)
        record |= {"archived": True, "archivedAt": self._now()}

    def _get(self, kind: str, record_id: str) -> Json:
        record = self._kept[kind].get(record_id)
        if record is None or record["archived"]:
            abort(404)
        return record

    def _application(self) -> Flask:
        app = Flask(__name__)
        make_faulty(app, self.faults, _refuse)

        @app.before_request
        def let_in() -> Response | None:
            given = request.headers.get("Authorization")
            return None if given == f"Bearer {self.secret}" else _refuse(401)

        @app.after_request
        def remember(response: Response) -> Response:
            body = request.get_json(silent=True)
            told = response.get_json(silent=True)
            query = dict(request.args)
            path = request.path
            self.seen.append((request.method, path, query, body, response.status_code, told))
            return response

        app.register_error_handler(HTTPException, lambda error: _refuse(error.code or 500))
        app.add_url_rule("/account-info/v3/details", view_func=lambda: {"portalId": PORTAL})
        root = "/crm/v3/objects/<any(contacts,calls,communications,tasks):kind>"
        routes: tuple[tuple[str, str, Callable[..., Any]], ...] = (
            ("GET", "", self._list),
            ("POST", "", self._create),
            ("POST", "/search", self._search),
            ("POST", "/batch/read", self._read_many),
            ("GET", "/<record_id>", self._show),
            ("PATCH", "/<record_id>", self._patch),
            ("DELETE", "/<record_id>", self._delete),
        )
        for method, path, view in routes:
            app.add_url_rule(root + path, f"{view.__name__}", view, methods=[method])
        return app

    def _list(self, kind: str) -> Json:
        wanted = request.args.get("archived") == "true"
        limit, after = int(request.args.get("limit", "10")), int(request.args.get("after", "0"))
        if limit > 100:
            abort(400)
        records = [each for each in self._kept[kind].values() if each["archived"] is wanted]
        page = [each for each in records if int(each["id"]) >= after][: limit + 1]
        found: Json = {"results": [_tell(each, _asked()) for each in page[:limit]]}
        if len(page) > limit:
            found["paging"] = {"next": {"after": page[limit]["id"]}}
        return found

    def _create(self, kind: str) -> tuple[Json, int]:
        body = _body()
        [association] = body["associations"]
        [spec] = association["types"]
        if (spec["associationCategory"], spec["associationTypeId"]) != (
            "HUBSPOT_DEFINED",
            ASSOCIATIONS[kind],
        ):
            abort(400)
        if kind != "communications" and "hs_timestamp" not in body["properties"]:
            abort(400)
        to = association["to"]["id"]
        self._get("contacts", to)
        return _tell(self._add(kind, body["properties"], to), None), 201

    def _search(self, kind: str) -> Json:
        body = _body()
        if len(body["filterGroups"]) > 5 or body["limit"] > 200:
            abort(400)
        found = [
            each
            for each in self._kept[kind].values()
            if not each["archived"] and _is_found(each["properties"], body["filterGroups"])
        ]
        found.sort(key=lambda each: each["updatedAt"])
        start, limit = int(body["after"]), body["limit"]
        if start >= 10_000:
            abort(400)
        page = [_tell(each, body["properties"]) for each in found[start : start + limit]]
        answer: Json = {"total": len(found), "results": page}
        if start + limit < len(found):
            answer["paging"] = {"next": {"after": str(start + limit)}}
        return answer

    def _read_many(self, kind: str) -> Json:
        body = _body()
        if len(body["inputs"]) > 100:
            abort(400)
        held = (self._kept[kind].get(each["id"]) for each in body["inputs"])
        found = [_tell(each, body["properties"]) for each in held if each and not each["archived"]]
        now = START.isoformat()
        return {"status": "COMPLETE", "results": found, "startedAt": now, "completedAt": now}

    def _show(self, kind: str, record_id: str) -> Json:
        told = _tell(self._get(kind, record_id), _asked())
        if asked := request.args.get("associations"):
            told["associations"] = {
                each: _first_of(self._associated(each, record_id)) for each in asked.split(",")
            }
        return told

    def _associated(self, kind: str, contact_id: str) -> list[Json]:
        one = {"calls": "call", "communications": "communication", "tasks": "task"}[kind]
        return [
            {"id": each["id"], "type": f"contact_to_{one}"}
            for each in self._kept[kind].values()
            if each["to"] == contact_id and not each["archived"]
        ]

    def _patch(self, kind: str, record_id: str) -> Json:
        return _tell(self._change(kind, record_id, _body()["properties"]), None)

    def _delete(self, kind: str, record_id: str) -> tuple[str, int]:
        # HubSpot archives again what is archived, and says nothing of it.
        if record_id in self._kept[kind] and not self._kept[kind][record_id]["archived"]:
            self._archive(kind, record_id)
        return "", 204


def _is_found(held: Json, groups: list[Json]) -> bool:
    return any(all(_meets(held, each) for each in group["filters"]) for group in groups)


def _meets(held: Json, wanted: Json) -> bool:
    name, value = wanted["propertyName"], wanted["value"]
    if name == "lastmodifieddate" and wanted["operator"] == "GTE":
        moment = datetime.fromisoformat(held[name])
        return bool(moment.timestamp() * 1000 >= int(value))
    if name not in SEARCHABLE or wanted["operator"] != "EQ":
        abort(400)
    number = held.get(SEARCHABLE[name])
    if not number:
        return False
    parsed = phonenumbers.parse(number, "US")
    return bool(phonenumbers.national_significant_number(parsed) == value)


def _first_of(associated: list[Json]) -> Json:
    told: Json = {"results": associated[:MOST_ASSOCIATED]}
    if len(associated) > MOST_ASSOCIATED:
        told["paging"] = {"next": {"after": associated[MOST_ASSOCIATED]["id"]}}
    return told


def _asked() -> list[str]:
    return [each for each in request.args.get("properties", "").split(",") if each]


def _tell(record: Json, asked: list[str] | None) -> Json:
    held = record["properties"]
    names = held.keys() if asked is None else [*asked, "lastmodifieddate"]
    told = {key: value for key, value in record.items() if key not in ("to", "properties")}
    return told | {"properties": {name: held[name] for name in names if name in held}}


def _body() -> Json:
    body: Json = json.loads(request.get_data())
    return body


def _refuse(status: int) -> Response:
    category = {401: "INVALID_AUTHENTICATION", 404: "OBJECT_NOT_FOUND", 429: "RATE_LIMITS"}
    answer = {
        "status": "error",
        "message": "Zoë O'Brien-Müller cannot be taken",
        "correlationId": str(uuid.UUID(int=status)),
        "category": category.get(status, "VALIDATION_ERROR"),
    }
    return Response(json.dumps(answer), status, mimetype="application/json")
