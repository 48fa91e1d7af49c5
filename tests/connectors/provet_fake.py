"""A stateful fake of Provet Cloud's REST API on a real socket.

Strict on what is documented: addresses end with a slash, records name each other by address, lists
come in pages, times in filters are written one way. A filter that is not known is not heeded.
"""

import itertools
import re
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from connectors.oauth_fake import Tokens
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from ringnote.connectors.base import Connector, Kind
from ringnote.connectors.provet import ProvetConnector
from ringnote.http import Http
from ringnote.sandbox.faults import Fault, Faults
from ringnote.sandbox.server import Server
from ringnote.testing import Kept, make_faulty

Json = dict[str, Any]
START = datetime(2026, 3, 1, tzinfo=UTC)
KINDS = ("client", "note", "task")
REQUIRED = {
    "note": {"title", "type", "client", "patients", "note"},
    "task": {"status", "task_type", "title", "text", "client", "patients", "due"},
}
PAGE = 100
DONE = 3


class ProvetPms:
    """Provet Cloud, served on loopback, for the clinic whose number is 1234."""

    secret = "client-secret-4711"

    def __init__(self) -> None:
        self.faults = Faults()
        self.tokens = Tokens(client_id="ringnote", client_secret=self.secret, scope="restapi")
        self.records: dict[str, dict[int, Json]] = {kind: {} for kind in KINDS}
        self._ids = itertools.count(1)
        self._hours = itertools.count()
        self._lock = threading.RLock()
        self.server = Server(self._application()).start()
        self.base_url = f"{self.server.url}/1234"
        self.root = f"{self.base_url}/api/0.1/"

    def connector(
        self, http: Http, *, secret: str | None = None, **settings: str
    ) -> ProvetConnector:
        given = {"base_url": self.base_url, "client_id": "ringnote", "done_status": str(DONE)}
        given |= settings
        kind = ProvetConnector.described_by(given)
        made: Connector = kind(given, {"client_secret": secret or self.secret}, http)
        assert isinstance(made, ProvetConnector)
        return made

    def add_clients(self, clients: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]:
        ids = []
        for name, numbers in clients:
            first, _, last = name.partition(" ")
            phones = [{"phone_number": number, "type_code": 1} for number in numbers]
            client = {"firstname": first, "lastname": last, "phone_numbers": phones}
            ids.append(str(self.add("client", client | {"archived": False})["id"]))
        return ids

    def rename_client(self, client_id: str, name: str) -> None:
        first, _, last = name.partition(" ")
        self.change("client", client_id, {"firstname": first, "lastname": last})

    def remove_client(self, client_id: str) -> None:
        self.change("client", client_id, {"archived": True})

    def kept(self, kind: Kind, client_id: str) -> list[Kept]:
        text = "text" if kind is Kind.TASK else "note"
        return [
            Kept(
                str(each["id"]),
                each["title"],
                each[text],
                each.get("status") == DONE,
                (each.get("user") or "").rstrip("/").rpartition("/")[2],
            )
            for each in self.records[kind].values()
            if each["client"] == f"{self.root}client/{client_id}/"
        ]

    def remove(self, kind: Kind, pms_id: str) -> None:
        del self.records[kind][int(pms_id)]

    def close(self, pms_id: str) -> None:
        self.change("task", pms_id, {"status": DONE})

    def fail(self, fault: Fault) -> None:
        self.faults.switch_on(fault)

    def add(self, kind: str, record: Json) -> Json:
        with self._lock:
            number = next(self._ids)
            made = {**record, "id": number, "url": f"{self.root}{kind}/{number}/"}
            self.records[kind][number] = made
            return self.change(kind, str(number), {})

    def change(self, kind: str, record_id: str, changes: Json) -> Json:
        with self._lock:
            record = self.records[kind][int(record_id)]
            moment = START + timedelta(hours=next(self._hours))
            record |= {**changes, "modified": moment.isoformat()}
            return record

    def _application(self) -> Flask:
        app = Flask(__name__)

        @app.before_request
        def let_in() -> Response | None:
            return None if _asks_for_token() or self.tokens.is_let_in() else _refuse(401)

        make_faulty(app, self.faults, _refuse, spares=_asks_for_token)
        app.register_error_handler(HTTPException, lambda error: _refuse(error.code or 500))
        app.add_url_rule(
            "/1234/oauth2/token/", "token", lambda: self.tokens.give(request.form), methods=["POST"]
        )
        kind = f"/1234/api/0.1/<any({','.join(KINDS)}):kind>/"
        one = f"{kind}<record_id>/"
        app.add_url_rule(kind, "list", self._list, methods=["GET"])
        app.add_url_rule(kind, "create", self._create, methods=["POST"])
        app.add_url_rule(one, "show", self._show, methods=["GET"])
        app.add_url_rule(one, "patch", self._patch, methods=["PATCH"])
        return app

    def _list(self, kind: str) -> Any:
        asked = request.args
        found = list(self.records[kind].values())
        if part := asked.get("phone__icontains"):
            found = [each for each in found if part in _numbers(each)]
        if whole := asked.get("phonenumbers.phone_number__is"):
            found = [each for each in found if whole in _numbers(each)]
        if of := asked.get("client__is"):
            found = [each for each in found if each["client"] == f"{self.root}client/{of}/"]
        if since := asked.get("modified__gte"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d\+00:00", since)
            moment = datetime.fromisoformat(since)
            found = [each for each in found if datetime.fromisoformat(each["modified"]) >= moment]
        page = int(asked.get("page", "1"))
        records = found[(page - 1) * PAGE : page * PAGE]
        if page > 1 and not records:
            return _refuse(404)
        query = urlencode({**asked, "page": page + 1})
        has_more = page * PAGE < len(found)
        return {
            "count": len(found),
            "num_pages": -(-len(found) // PAGE),
            "next": f"{self.root}{kind}/?{query}" if has_more else None,
            "previous": None,
            "results": records,
        }

    def _create(self, kind: str) -> Any:
        body = request.get_json()
        client = re.fullmatch(rf"{re.escape(self.root)}client/(\d+)/", str(body.get("client")))
        is_whole = body.keys() >= REQUIRED[kind]
        if not is_whole or not client or int(client[1]) not in self.records["client"]:
            return _refuse(400)
        return self.add(kind, body), 201

    def _show(self, kind: str, record_id: str) -> Any:
        return self.records[kind].get(_number(record_id)) or _refuse(404)

    def _patch(self, kind: str, record_id: str) -> Any:
        if _number(record_id) not in self.records[kind]:
            return _refuse(404)
        return self.change(kind, record_id, request.get_json())


def _asks_for_token() -> bool:
    return request.path == "/1234/oauth2/token/"


def _number(record_id: str) -> int:
    return int(record_id) if record_id.isdecimal() else 0


def _numbers(client: Json) -> str:
    told = (each for each in client["phone_numbers"] if isinstance(each, dict))
    return "\n".join(each["phone_number"] for each in told)


def _refuse(status: int) -> Response:
    response = jsonify({"detail": "Zoë O'Brien-Müller cannot be taken"})
    response.status_code = status
    return response
