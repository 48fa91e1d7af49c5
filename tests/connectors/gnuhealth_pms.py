"""GNU Health for the contract: a socket that goes wrong when told to, before a server or a fake."""

import base64
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response, request

from ringnote.connectors.base import Connector, Kind
from ringnote.connectors.gnuhealth import GnuHealthConnector
from ringnote.http import Http
from ringnote.sandbox.faults import Fault, Faults
from ringnote.sandbox.server import Server
from ringnote.testing import Kept, make_faulty

Call = Callable[[dict[str, Any], str], tuple[int, Any]]
"""Passes a request (its JSON, its Authorization) on; the status and JSON of the answer."""
EVERYBODY = {"active_test": False}


class GnuHealthPms:
    """A database `clinic` with the user `admin`, reached through `call`."""

    def __init__(self, call: Call, secret: str) -> None:
        self.secret = secret
        self.faults = Faults()
        self.logins = 0
        self._call = call
        self._session = ""
        self.server = Server(self._application()).start()

    def connector(self, http: Http, *, secret: str | None = None) -> Connector:
        settings = {"base_url": self.server.url, "database": "clinic", "user": "admin"}
        return GnuHealthConnector(settings, {"password": secret or self.secret}, http)

    def add_clients(self, clients: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]:
        # One by one: GNU Health gives several of one call the same code, and refuses that.
        return [self._add(name, numbers) for name, numbers in clients]

    def rename_client(self, client_id: str, name: str) -> None:
        self.rpc("model.party.party.write", [int(client_id)], {"name": name})

    def remove_client(self, client_id: str) -> None:
        self.rpc("model.party.party.write", [int(client_id)], {"active": False})

    def kept(self, kind: Kind, client_id: str) -> list[Kept]:
        if kind is Kind.TASK:
            fields = ["name", "comment", "status.progress"]
            domain = [["party", "=", int(client_id)]]
            found = self.rpc("model.project.work.search_read", domain, 0, 99, None, fields)
            return [_kept_task(each) for each in found]
        domain = [["resource", "=", f"party.party,{client_id}"]]
        found = self.rpc("model.ir.note.search_read", domain, 0, 99, None, ["message"])
        return [
            Kept(str(each["id"]), title, body)
            for each in found
            for title, _, body in [each["message"].partition("\n")]
        ]

    def remove(self, kind: Kind, pms_id: str) -> None:
        model = "project.work" if kind is Kind.TASK else "ir.note"
        self.rpc(f"model.{model}.delete", [int(pms_id)])

    def close(self, pms_id: str) -> None:
        done = {"status": 2, "progress": 1}
        self.rpc("model.project.work.write", [int(pms_id)], done)

    def fail(self, fault: Fault) -> None:
        self.faults.switch_on(fault)

    def rpc(self, method: str, *arguments: Any) -> Any:
        """What a call of the administrator's gives, past all faults."""
        if not self._session:
            login = {"method": "common.db.login", "params": ["admin", {"password": self.secret}]}
            user, token = self._call({"id": 1, **login}, "")[1]["result"]
            self._session = base64.b64encode(f"admin:{user}:{token}".encode()).decode()
        body = {"id": 1, "method": method, "params": [*arguments, EVERYBODY]}
        _, answer = self._call(body, f"Session {self._session}")
        assert "error" not in answer, answer
        return answer["result"]

    def _add(self, name: str, numbers: tuple[str, ...]) -> str:
        phones = [{"type": "phone", "value": _abroad(each)} for each in numbers]
        values = {"name": name, "contact_mechanisms": [["create", phones]]}
        return str(self.rpc("model.party.party.create", [values])[0])

    def _application(self) -> Flask:
        app = Flask(__name__)

        def is_login() -> bool:
            return b'"common.db.login"' in request.get_data()

        make_faulty(app, self.faults, _refuse, spares=is_login)

        @app.post("/clinic/")
        def pass_on() -> Response:
            self.logins += is_login()
            given = request.headers.get("Authorization", "")
            status, answer = self._call(request.get_json(), given)
            return Response(json.dumps(answer), status, mimetype="application/json")

        return app


def _kept_task(work: dict[str, Any]) -> Kept:
    due, _, body = work["comment"].partition("\n")
    whom = re.search(r" for (.+)$", due)
    is_done = work["status."]["progress"] == 1
    return Kept(str(work["id"]), work["name"], body, is_done, whom[1] if whom else "")


def _abroad(number: str) -> str:
    """A server without a country of its own takes no other spelling than one with its code."""
    digits = re.sub("[^0-9]", "", number)
    return (
        number if number.startswith("+") else f"+1 {number}" if len(digits) == 10 else f"+{digits}"
    )


def _refuse(status: int) -> Response:
    return Response("<!doctype html><p>Zoë O'Brien-Müller", status, mimetype="text/html")
