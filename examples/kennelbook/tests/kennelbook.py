"""A stateful fake of Kennelbook on a real socket, strict on what its documentation says."""

import itertools
import re
from collections.abc import Iterable
from typing import Any

from flask import Flask, Response, jsonify, request
from ringnote_kennelbook import KennelbookConnector

from ringnote.connectors.base import Kind
from ringnote.http import Http
from ringnote.testing import Fault, Faults, Kept, Server, make_faulty

PAGE = 100
FIELDS = {"diary": {"heading", "text", "at"}, "todos": {"heading", "text", "due", "for", "done"}}
Json = dict[str, Any]


class Kennelbook:
    """What the contract suite asks for: a PMS that is looked into, and goes wrong when told to."""

    secret = "kennel-key-4711"

    def __init__(self) -> None:
        self.faults = Faults()
        self.owners: dict[str, Json] = {}
        self.records: dict[str, dict[str, Json]] = {"diary": {}, "todos": {}}
        self._ids = itertools.count(1)
        self.server = Server(self._application()).start()

    def connector(self, http: Http, *, secret: str | None = None) -> KennelbookConnector:
        secrets = {"api_key": secret or self.secret}
        return KennelbookConnector({"base_url": self.server.url}, secrets, http)

    def add_clients(self, clients: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]:
        added = [
            {"id": f"O{next(self._ids)}", "name": name, "phones": list(numbers)}
            for name, numbers in clients
        ]
        self.owners |= {each["id"]: each for each in added}
        return [each["id"] for each in added]

    def rename_client(self, client_id: str, name: str) -> None:
        self.owners[client_id]["name"] = name

    def remove_client(self, client_id: str) -> None:
        del self.owners[client_id]

    def kept(self, kind: Kind, client_id: str) -> list[Kept]:
        return [
            Kept(
                each["id"],
                each["heading"],
                each["text"],
                each.get("done", False),
                each.get("for", ""),
            )
            for each in self._of(kind).values()
            if each["owner"] == client_id
        ]

    def remove(self, kind: Kind, pms_id: str) -> None:
        del self._of(kind)[pms_id]

    def close(self, pms_id: str) -> None:
        self.records["todos"][pms_id]["done"] = True

    def fail(self, fault: Fault) -> None:
        self.faults.switch_on(fault)

    def _of(self, kind: Kind) -> dict[str, Json]:
        return self.records["todos" if kind is Kind.TASK else "diary"]

    def _application(self) -> Flask:
        app = Flask(__name__)

        @app.before_request
        def let_in() -> Response | None:
            return None if request.headers.get("X-Api-Key") == self.secret else _refuse(401)

        make_faulty(app, self.faults, _refuse)
        app.add_url_rule("/api/account", view_func=lambda: {"name": "Oak Street"}, endpoint="me")
        app.add_url_rule("/api/owners", view_func=self._list_owners)
        app.add_url_rule(
            "/api/owners/<owner>/<any(diary, todos):kind>", view_func=self._add, methods=["POST"]
        )
        app.add_url_rule("/api/<any(diary, todos):kind>", view_func=self._find)
        one, methods = "/api/<any(diary, todos):kind>/<record>", ["GET", "PATCH", "DELETE"]
        app.add_url_rule(one, view_func=self._one, methods=methods)
        return app

    def _list_owners(self) -> Json:
        found = list(self.owners.values())
        if sought := request.args.get("phone"):
            found = [each for each in found if any(_ends(one, sought) for one in each["phones"])]
        start = (int(request.args.get("page", "1")) - 1) * PAGE
        return {"items": found[start : start + PAGE], "pages": -(-len(found) // PAGE)}

    def _add(self, owner: str, kind: str) -> Any:
        body = request.get_json()
        if owner not in self.owners:
            return _refuse(404)
        if not body.keys() <= FIELDS[kind] | {"ref"}:
            return _refuse(422)
        record = {**body, "id": f"R{next(self._ids)}", "owner": owner}
        self.records[kind][record["id"]] = record
        return {"id": record["id"]}, 201

    def _find(self, kind: str) -> Json:
        sought = request.args["ref"]
        return {"items": [each for each in self.records[kind].values() if each["ref"] == sought]}

    def _one(self, kind: str, record: str) -> Any:
        kept = self.records[kind].get(record)
        if kept is None:
            return _refuse(404)
        if request.method == "DELETE":
            del self.records[kind][record]
            return "", 204
        body = request.get_json() if request.method == "PATCH" else {}
        if not body.keys() <= FIELDS[kind]:
            return _refuse(422)
        kept |= body
        return kept


def _ends(number: str, sought: str) -> bool:
    return re.sub("[^0-9]", "", number).endswith(sought)


def _refuse(status: int) -> Response:
    response = jsonify({"message": "Zoë O'Brien-Müller cannot be taken"})
    response.status_code = status
    return response
