"""A stateful fake of a FHIR R4 server on a real socket, as strict as Medplum was seen to be.

A phone is found by its exact text alone; a subject need not exist; `If-None-Exist` is read as a
query, so what is not percent-encoded there matches nothing; `If-Match` must match.
"""

import itertools
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from connectors.oauth_fake import Tokens
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from ringnote.connectors.base import Connector, Kind
from ringnote.connectors.fhir import FhirConnector
from ringnote.http import Http
from ringnote.sandbox.faults import Fault, Faults
from ringnote.sandbox.server import Server
from ringnote.testing import Kept, make_faulty

Json = dict[str, Any]
START = datetime(2026, 3, 1, tzinfo=UTC)
KINDS = ("Patient", "Communication", "Task")
PAGE_AT_MOST = 100


class FhirPms:
    """A FHIR server, served on loopback, with a client whose secret is `secret`."""

    secret = "client-secret-4711"
    client_id = "ringnote-client"

    def __init__(self) -> None:
        self.faults = Faults()
        self.tokens = Tokens(client_id=self.client_id, client_secret=self.secret)
        self.kept_resources: dict[str, dict[str, Json]] = {kind: {} for kind in KINDS}
        self._ids = itertools.count(1)
        self._hours = itertools.count()
        self._lock = threading.RLock()
        self.server = Server(self._application()).start()
        self.root = f"{self.server.url}/fhir/R4"

    def connector(self, http: Http, *, secret: str | None = None) -> Connector:
        settings = {
            "base_url": self.root,
            "token_url": f"{self.server.url}/oauth2/token",
            "client_id": self.client_id,
        }
        return FhirConnector(settings, {"client_secret": secret or self.secret}, http)

    def add_clients(self, clients: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]:
        ids = []
        for name, numbers in clients:
            given, _, family = name.partition(" ")
            patient = {
                "resourceType": "Patient",
                "name": [{"given": [given], "family": family}],
                "telecom": [{"system": "phone", "value": number} for number in numbers],
            }
            ids.append(self.add(patient)["id"])
        return ids

    def rename_client(self, client_id: str, name: str) -> None:
        self.change("Patient", client_id, {"name": [{"text": name}]})

    def remove_client(self, client_id: str) -> None:
        self.change("Patient", client_id, {"active": False})

    def kept(self, kind: Kind, client_id: str) -> list[Kept]:
        about = {"reference": f"Patient/{client_id}"}
        if kind is Kind.TASK:
            return [
                Kept(
                    each["id"],
                    each["description"],
                    each["note"][0]["text"],
                    each["status"] == "completed",
                    each.get("owner", {}).get("display", ""),
                )
                for each in self._valid("Task")
                if each["for"] == about
            ]
        return [
            Kept(each["id"], each["topic"]["text"], each["payload"][0]["contentString"])
            for each in self._valid("Communication")
            if each["subject"] == about
        ]

    def remove(self, kind: Kind, pms_id: str) -> None:
        del self.kept_resources["Task" if kind is Kind.TASK else "Communication"][pms_id]

    def close(self, pms_id: str) -> None:
        self.change("Task", pms_id, {"status": "completed"})

    def fail(self, fault: Fault) -> None:
        self.faults.switch_on(fault)

    def add(self, resource: Json) -> Json:
        with self._lock:
            made = {**resource, "id": f"r-{next(self._ids)}", "meta": self._meta(1)}
            self.kept_resources[made["resourceType"]][made["id"]] = made
            return made

    def change(self, kind: str, resource_id: str, changes: Json) -> Json:
        with self._lock:
            stands = self.kept_resources[kind][resource_id]
            version = int(stands["meta"]["versionId"]) + 1
            changed = {**stands, **changes, "meta": self._meta(version)}
            self.kept_resources[kind][resource_id] = changed
            return changed

    def _meta(self, version: int) -> Json:
        moment = START + timedelta(hours=next(self._hours))
        return {"versionId": str(version), "lastUpdated": moment.isoformat()}

    def _valid(self, kind: str) -> list[Json]:
        found = self.kept_resources[kind].values()
        return [each for each in found if each["status"] != "entered-in-error"]

    def _application(self) -> Flask:
        app = Flask(__name__)

        @app.before_request
        def let_in() -> Response | None:
            if _asks_for_token():
                return None
            return None if self.tokens.is_let_in() else _refuse(401)

        make_faulty(app, self.faults, _refuse, spares=_asks_for_token)
        app.register_error_handler(HTTPException, lambda error: _refuse(error.code or 500))
        app.add_url_rule("/oauth2/token", "token", self._give_token, methods=["POST"])
        kind = f"/fhir/R4/<any({','.join(KINDS)}):kind>"
        app.add_url_rule(kind, "search", self._search, methods=["GET"])
        app.add_url_rule(kind, "create", self._create, methods=["POST"])
        app.add_url_rule(f"{kind}/<resource_id>", "show", self._show, methods=["GET"])
        app.add_url_rule(f"{kind}/<resource_id>", "put", self._put, methods=["PUT"])
        return app

    def _give_token(self) -> tuple[Json, int]:
        return self.tokens.give(request.form)

    def _search(self, kind: str) -> Response:
        asked = request.args
        found = list(self.kept_resources[kind].values())
        if "phone" in asked:
            texts = set(asked["phone"].split(","))
            found = [each for each in found if texts & {one["value"] for one in each["telecom"]}]
        if "identifier" in asked:
            found = [each for each in found if _has_identifier(each, asked["identifier"])]
        if since := asked.get("_lastUpdated"):
            found = [each for each in found if each["meta"]["lastUpdated"] >= since[2:]]
        found.sort(key=lambda each: each["meta"]["lastUpdated"])
        start, count = int(asked.get("_offset", "0")), int(asked.get("_count", "20"))
        count = min(count, PAGE_AT_MOST)
        bundle: Json = {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [{"resource": each} for each in found[start : start + count]],
            "link": [],
        }
        if start + count < len(found):
            query = urlencode({**asked, "_offset": str(start + count)})
            bundle["link"] = [{"relation": "next", "url": f"{self.root}/{kind}?{query}"}]
        return jsonify(bundle)

    def _create(self, kind: str) -> tuple[Json, int]:
        resource = _body(kind)
        with self._lock:
            if unless := request.headers.get("If-None-Exist"):
                wanted = dict(parse_qsl(unless)).get("identifier", "")
                for each in self.kept_resources[kind].values():
                    if "%7C" in unless and _has_identifier(each, wanted):
                        return each, 200
            return self.add(resource), 201

    def _show(self, kind: str, resource_id: str) -> Any:
        return self.kept_resources[kind].get(resource_id) or _refuse(404)

    def _put(self, kind: str, resource_id: str) -> Any:
        with self._lock:
            stands = self.kept_resources[kind].get(resource_id)
            if stands is None:
                return _refuse(404)
            wanted = request.headers.get("If-Match")
            if wanted and wanted != f'W/"{stands["meta"]["versionId"]}"':
                return _refuse(412)
            body = _body(kind)
            self.kept_resources[kind][resource_id] = {"meta": stands["meta"]}
            return self.change(kind, resource_id, body)


def _asks_for_token() -> bool:
    return request.path == "/oauth2/token"


def _has_identifier(resource: Json, wanted: str) -> bool:
    system, _, value = wanted.partition("|")
    return {"system": system, "value": value} in resource.get("identifier", [])


def _body(kind: str) -> Json:
    assert request.content_type == "application/fhir+json"
    body: Json | None = request.get_json(force=True, silent=True)
    if body is None or body.get("resourceType") != kind:
        raise HTTPException(response=_refuse(400))
    return body


def _refuse(status: int) -> Response:
    said = {"code": "invalid", "details": {"text": "Zoë O'Brien-Müller cannot be taken"}}
    response = jsonify({"resourceType": "OperationOutcome", "issue": [said]})
    response.status_code = status
    return response
