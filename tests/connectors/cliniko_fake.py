"""A stateful fake of Cliniko's API on a real socket, strict on what is documented.

Who sends a request must say how to be reached; a page has 100 records at most; times are whole
seconds; those deleted and archived are in lists of their own; only memos are made or changed.
"""

import base64
import itertools
import re
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from ringnote.connectors.base import Kind
from ringnote.connectors.cliniko import ClinikoConnector
from ringnote.http import Http
from ringnote.sandbox.faults import Fault, Faults
from ringnote.sandbox.server import Server
from ringnote.testing import Kept, make_faulty

Json = dict[str, Any]
START = datetime(2026, 3, 1, tzinfo=UTC)
PERMITTED = {"category_code", "confidential", "content", "direction_code", "from", "patient_id"}
PERMITTED |= {"to", "type_code"}


class ClinikoPms:
    """Cliniko, served on loopback. `step` is how far one change is from the next."""

    secret = "api-key-4711-uk1"

    def __init__(self) -> None:
        self.faults = Faults()
        self.step = timedelta(hours=1)
        self.patients: dict[str, Json] = {}
        self.memos: dict[str, Json] = {}
        self._ids = itertools.count(1)
        self._now = START
        self._lock = threading.RLock()
        self.server = Server(self._application()).start()
        self.root = f"{self.server.url}/v1"

    def connector(
        self, http: Http, *, secret: str | None = None, **settings: str
    ) -> ClinikoConnector:
        given = {"base_url": self.root, "contact_email": "desk@clinic.example", **settings}
        return ClinikoConnector(given, {"api_key": secret or self.secret}, http)

    def add_clients(self, clients: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]:
        ids = []
        for name, numbers in clients:
            first, _, last = name.partition(" ")
            digits = (re.sub(r"\D", "", number).removeprefix("1") for number in numbers)
            phones = [{"phone_type": "Mobile", "number": f"1{each}"} for each in digits]
            patient = {"first_name": first, "last_name": last, "patient_phone_numbers": phones}
            patient |= {"archived_at": "", "deleted_at": ""}
            ids.append(self._add(self.patients, "patients", patient)["id"])
        return ids

    def rename_client(self, client_id: str, name: str) -> None:
        first, _, last = name.partition(" ")
        self.patients[client_id] |= {"first_name": first, "last_name": last}
        self.patients[client_id] |= {"updated_at": self._tick()}

    def remove_client(self, client_id: str) -> None:
        self.patients[client_id]["deleted_at"] = self._tick()

    def merge_clients(self, winner: str, loser: str) -> None:
        merged = {"links": {"self": f"{self.root}/patients/{winner}"}}
        self.patients[loser] |= {"archived_at": self._tick(), "merged_with_patient": merged}

    def kept(self, kind: Kind, client_id: str) -> list[Kept]:
        return [
            Kept(each["id"], *each["content"].split("\n", 1))
            for each in self.memos.values()
            if not each["archived_at"] and each["patient"]["links"] == self._links(client_id)
        ]

    def remove(self, kind: Kind, pms_id: str) -> None:
        self.memos[pms_id]["archived_at"] = self._tick()

    def close(self, pms_id: str) -> None:
        raise NotImplementedError("Cliniko has no tasks")

    def fail(self, fault: Fault) -> None:
        self.faults.switch_on(fault)

    def _add(self, records: dict[str, Json], path: str, record: Json) -> Json:
        with self._lock:
            now, made_id = self._tick(), str(next(self._ids))
            made = {**record, "id": made_id, "created_at": now, "updated_at": now}
            records[made_id] = {**made, "links": {"self": f"{self.root}/{path}/{made_id}"}}
            return records[made_id]

    def _tick(self) -> str:
        with self._lock:
            self._now += self.step
            return self._now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _links(self, client_id: str) -> Json:
        return {"self": f"{self.root}/patients/{client_id}"}

    def _application(self) -> Flask:
        app = Flask(__name__)
        key = base64.b64encode(f"{self.secret}:".encode()).decode()

        @app.before_request
        def let_in() -> Response | None:
            if not re.fullmatch(r"\w+ \([^@]+@[^@]+\)", request.headers["User-Agent"]):
                return _refuse(400)
            is_known = request.headers.get("Authorization") == f"Basic {key}"
            return None if is_known else _refuse(401)

        make_faulty(app, self.faults, _refuse)
        app.register_error_handler(HTTPException, lambda error: _refuse(error.code or 500))
        account = {"account": {"id": 123, "name": "Elm Street Physio"}}
        routes: tuple[tuple[str, str, Callable[..., Any]], ...] = (
            ("GET", "/settings/public", lambda: account),
            ("GET", "/patients", lambda: self._told_patients("")),
            ("GET", "/patients/<any(archived,deleted):which>", self._told_patients),
            ("GET", "/communications", self._told_memos),
            ("POST", "/communications", self._create),
            ("GET", "/communications/<memo_id>", self._show),
            ("PUT", "/communications/<memo_id>", self._change),
            ("POST", "/communications/<memo_id>/archive", self._archive),
        )
        for number, (method, path, view) in enumerate(routes):
            app.add_url_rule(f"/v1{path}", str(number), view, methods=[method])
        return app

    def _told_patients(self, which: str) -> Json:
        found = [each for each in self.patients.values() if _where(each) == which]
        if wanted := request.args.get("q[]"):
            field, start = wanted.split(":>=")
            found = [each for each in found if each[field] >= start]
        if by := request.args.get("sort"):
            found.sort(key=lambda each: each[by])
        if which == "deleted":
            found = [{name: each[name] for name in ("deleted_at", "links")} for each in found]
        return self._page("patients", found)

    def _told_memos(self) -> Json:
        found = [each for each in self.memos.values() if not each["archived_at"]]
        if wanted := request.args.get("q[]"):
            field, client_id = wanted.split(":=")
            assert field == "patient_id"
            links = self._links(client_id)
            found = [each for each in found if each["patient"]["links"] == links]
        return self._page("communications", found)

    def _page(self, name: str, found: list[Json]) -> Json:
        number, size = int(request.args.get("page", "1")), int(request.args.get("per_page", "50"))
        assert size <= 100
        links = {"self": request.url}
        if number * size < len(found):
            links["next"] = f"{self.root}/{name}?page={number + 1}"
        page = found[(number - 1) * size : number * size]
        return {name: page, "total_entries": len(found), "links": links}

    def _create(self) -> Any:
        body = request.get_json()
        patient = self.patients.get(str(body.get("patient_id")))
        if body.keys() != PERMITTED or body["category_code"] != 12 or not patient:
            return _refuse(422)
        about = {"links": self._links(body.pop("patient_id"))}
        return self._add(
            self.memos, "communications", {**body, "patient": about, "archived_at": None}
        ), 201

    def _show(self, memo_id: str) -> Any:
        return self.memos.get(memo_id) or _refuse(404)

    def _change(self, memo_id: str) -> Any:
        body = request.get_json()
        if memo_id not in self.memos or not body.keys() <= PERMITTED:
            return _refuse(404 if memo_id not in self.memos else 422)
        self.memos[memo_id] |= {**body, "updated_at": self._tick()}
        return self.memos[memo_id]

    def _archive(self, memo_id: str) -> Any:
        if memo_id not in self.memos:
            return _refuse(404)
        self.memos[memo_id]["archived_at"] = self._tick()
        return "", 204


def _where(patient: Json) -> str:
    return "deleted" if patient["deleted_at"] else "archived" if patient["archived_at"] else ""


def _refuse(status: int) -> Response:
    response = jsonify({"message": "Zoë O'Brien-Müller cannot be taken", "errors": {}})
    response.status_code = status
    return response
