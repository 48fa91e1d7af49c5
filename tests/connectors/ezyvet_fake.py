"""A stateful fake of ezyVet's API on a real socket.

Strict on what is documented: tokens are asked for in JSON and with a site; texts are compared as
they are stored; a page has 200 records at most; records are wrapped by their resource. It refuses
whatever would really be sent to somebody. A filter that is not known is not heeded.
"""

import itertools
import json
import threading
from collections.abc import Iterable
from typing import Any

from connectors.oauth_fake import Tokens
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from ringnote.connectors.base import Kind
from ringnote.connectors.ezyvet import EzyVetConnector
from ringnote.http import Http
from ringnote.sandbox.faults import Fault, Faults
from ringnote.sandbox.server import Server
from ringnote.testing import Kept, make_faulty

Json = dict[str, Any]
RESOURCES = ("contact", "contactdetail", "communication")
START = 1_772_323_200
"""The first of March 2026."""
REQUIRED = {"contact_detail_type_id", "contact_id", "subject", "content", "format", "status"}


class EzyVetPms:
    """ezyVet, served on loopback, with one site."""

    secret = "client-secret-4711"

    def __init__(self) -> None:
        self.faults = Faults()
        self.tokens = Tokens(
            client_id="ringnote",
            client_secret=self.secret,
            partner_id="partner",
            site_uid="site-1",
            scope="read-contact,read-contactdetail,read-communication,write-communication",
        )
        self.tokens.lives_seconds = "1209600"
        self.records: dict[str, dict[str, Json]] = {name: {} for name in RESOURCES}
        self._ids = itertools.count(1)
        self._hours = itertools.count()
        self._lock = threading.RLock()
        self.server = Server(self._application()).start()

    def connector(
        self, http: Http, *, secret: str | None = None, **settings: str
    ) -> EzyVetConnector:
        given = {"base_url": self.server.url, "site_uid": "site-1"}
        given |= {"partner_id": "partner", "client_id": "ringnote"}
        return EzyVetConnector(
            {**given, **settings}, {"client_secret": secret or self.secret}, http
        )

    def add_clients(self, clients: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]:
        ids = []
        for name, numbers in clients:
            first, _, last = name.partition(" ")
            contact = self.add("contact", {"first_name": first, "last_name": last})
            for value in (*numbers, "somebody@example.com"):
                self.add("contactdetail", {"contact_id": contact["id"], "value": value})
            ids.append(contact["id"])
        return ids

    def rename_client(self, client_id: str, name: str) -> None:
        first, _, last = name.partition(" ")
        self.change("contact", client_id, {"first_name": first, "last_name": last})

    def remove_client(self, client_id: str) -> None:
        self.change("contact", client_id, {"active": "0"})

    def kept(self, kind: Kind, client_id: str) -> list[Kept]:
        return [
            Kept(each["id"], each["subject"], each["content"])
            for each in self.records["communication"].values()
            if each["contact_id"] == client_id
        ]

    def remove(self, kind: Kind, pms_id: str) -> None:
        del self.records["communication"][pms_id]

    def close(self, pms_id: str) -> None:
        raise NotImplementedError("ezyVet has no tasks")

    def fail(self, fault: Fault) -> None:
        self.faults.switch_on(fault)

    def add(self, resource: str, record: Json) -> Json:
        with self._lock:
            made = {"id": str(next(self._ids)), "active": "1", **record}
            self.records[resource][made["id"]] = made
            return self.change(resource, made["id"], {})

    def change(self, resource: str, record_id: str, changes: Json) -> Json:
        with self._lock:
            moment = START + 3600 * next(self._hours)
            self.records[resource][record_id] |= {**changes, "modified_at": str(moment)}
            return self.records[resource][record_id]

    def _application(self) -> Flask:
        app = Flask(__name__)

        @app.before_request
        def let_in() -> Response | None:
            return None if _asks_for_token() or self.tokens.is_let_in() else _refuse(401)

        make_faulty(app, self.faults, _refuse, spares=_asks_for_token)
        app.register_error_handler(HTTPException, lambda error: _refuse(error.code or 500))
        app.add_url_rule(
            "/v1/oauth/access_token",
            "token",
            lambda: self.tokens.give(request.get_json()),
            methods=["POST"],
        )
        resource = f"/v1/<any({','.join(RESOURCES)}):resource>"
        app.add_url_rule(resource, "list", self._list, methods=["GET"])
        app.add_url_rule("/v1/communication", "create", self._create, methods=["POST"])
        return app

    def _list(self, resource: str) -> Any:
        asked = dict(request.args)
        number, limit = int(asked.pop("page", "1")), int(asked.pop("limit", "10"))
        if limit > 200:
            return _refuse(400)
        found = list(self.records[resource].values())
        for field, wanted in asked.items():
            found = [each for each in found if field not in each or _meets(each[field], wanted)]
        page = found[(number - 1) * limit : number * limit]
        return _wrap(resource, page, number, limit, len(found))

    def _create(self) -> Any:
        body = request.get_json()
        is_sent = body.get("status") != "Done" or body["contact_detail_type_id"] not in "568"
        if is_sent or body.keys() != REQUIRED or body["format"] != "PlainText":
            return _refuse(400)
        if body["contact_id"] not in self.records["contact"]:
            return _refuse(400)
        return _wrap("communication", [self.add("communication", body)], 1, 1, 1)


def _wrap(resource: str, page: list[Json], number: int, limit: int, total: int) -> Json:
    meta = {
        "timestamp": str(START),
        "items_page": str(number),
        "items_page_total": str(-(-total // limit)),
        "items_page_size": str(limit),
        "items_total": str(total),
    }
    return {"meta": meta, "items": [{resource: each} for each in page], "messages": []}


def _meets(value: str, wanted: str) -> bool:
    if not wanted.startswith("{"):
        return value == wanted
    [(how, operand)] = json.loads(wanted).items()
    return int(value) > int(operand) if how == "gt" else {"in": value in operand}[how]


def _asks_for_token() -> bool:
    return request.path == "/v1/oauth/access_token"


def _refuse(status: int) -> Response:
    said = {"level": "error", "type": "InvalidRequest", "text": "Zoë O'Brien-Müller", "fields": []}
    response = jsonify({"messages": [said]})
    response.status_code = status
    return response
