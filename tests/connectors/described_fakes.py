"""Stateful fakes of the PMSs that shipped descriptions are of, as strict as their documentation.

They show that the requests of a description are as documented, and nothing of what is not.
"""

import itertools
import re
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from flask import Flask, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from ringnote.connectors.base import Connector, Kind
from ringnote.connectors.rest.connector import RestConnector
from ringnote.connectors.rest.examples import examples
from ringnote.http import Http
from ringnote.numbers import read_number
from ringnote.sandbox.faults import Fault, Faults
from ringnote.sandbox.server import Server
from ringnote.testing import Kept, make_faulty

Json = dict[str, Any]
OWN_LIST = "74"
"""The list of tasks that are for nobody."""
START = datetime(2026, 3, 1, tzinfo=UTC)


class DescribedPms:
    """What both share: clients, notes and tasks by id, each change an hour after the last."""

    example: ClassVar[str]
    secret: ClassVar[str]
    client_key: ClassVar[str]
    """Of a record: its client's id."""
    id_key: ClassVar[dict[str, str]]

    def __init__(self) -> None:
        self.faults = Faults()
        self.held: dict[str, dict[str, Json]] = {"client": {}, "note": {}, "task": {}}
        self._ids = itertools.count(501)
        self._hours = itertools.count()
        self._lock = threading.RLock()
        app = Flask(__name__)
        make_faulty(app, self.faults, self.refuse)
        self.route(app)
        app.register_error_handler(HTTPException, lambda error: self.refuse(error.code or 500))
        self.server = Server(app).start()

    def route(self, app: Flask) -> None:
        raise NotImplementedError

    def refuse(self, status: int) -> Response:
        return Response("an explanation", status, mimetype="text/plain")

    def connector(self, http: Http, *, secret: str | None = None) -> Connector:
        kind = RestConnector.described_by({"file": examples()[self.example]})
        return kind(self.settings(), self.secrets(secret or self.secret), http)

    def settings(self) -> dict[str, str]:
        return {"base_url": self.server.url}

    def secrets(self, secret: str) -> dict[str, str]:
        raise NotImplementedError

    def now(self) -> str:
        return f"{START + timedelta(hours=next(self._hours)):%Y-%m-%d %H:%M:%S}"

    def add(self, kind: str, record: Json) -> Json:
        with self._lock:
            new = next(self._ids)
            made = record | {self.id_key[kind]: self.as_id(new)}
            self.held[kind][str(new)] = made
            return made

    def as_id(self, number: int) -> Any:
        return str(number)

    def get(self, kind: str, pms_id: str) -> Json:
        return self.held[kind].get(pms_id) or abort(404)

    def change(self, kind: str, pms_id: str, changes: Json) -> Json:
        found = self.get(kind, pms_id)
        found.update(changes)
        return found

    def records(self, kind: str, client_id: str) -> list[Json]:
        found = self.held[kind].values()
        return [each for each in found if str(each[self.client_key]) == client_id]

    def remove(self, kind: Kind, pms_id: str) -> None:
        self.held[kind.value].pop(pms_id, None)

    def fail(self, fault: Fault) -> None:
        self.faults.switch_on(fault)


class EspoPms(DescribedPms):
    """EspoCRM. Numbers are kept as E.164, as it does unless it is told otherwise."""

    example = "espocrm"
    secret = "espo-key-4711-of-the-clinic"
    client_key = "parentId"
    id_key: ClassVar = {"client": "id", "note": "id", "task": "id"}

    def __init__(self) -> None:
        self.numbers: set[tuple[str, str | None]] = set()
        """Whose numbers they are, of which a list tells the first alone."""
        super().__init__()

    def secrets(self, secret: str) -> dict[str, str]:
        return {"api_key": secret}

    def add_clients(self, clients: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]:
        added = []
        for name, numbers in clients:
            held = [read_number(each, "US").e164 for each in numbers]
            record = {"name": name, "phoneNumber": next(iter(held), None), "modifiedAt": self.now()}
            client_id = str(self.add("client", record)["id"])
            self.numbers |= {(client_id, each) for each in held}
            added.append(client_id)
        return added

    def rename_client(self, client_id: str, name: str) -> None:
        self.change("client", client_id, {"name": name, "modifiedAt": self.now()})

    def remove_client(self, client_id: str) -> None:
        del self.held["client"][client_id]

    def kept(self, kind: Kind, client_id: str) -> list[Kept]:
        if kind is Kind.NOTE:
            posts = [(each["id"], each["post"]) for each in self.records("note", client_id)]
            return [Kept(pms_id, *post.split("\n\n", 1)) for pms_id, post in posts]
        return [
            Kept(
                each["id"],
                each["name"],
                each["description"],
                each["status"] == "Completed",
                each["assignedUserId"] or "",
            )
            for each in self.records("task", client_id)
        ]

    def close(self, pms_id: str) -> None:
        self.change("task", pms_id, {"status": "Completed"})

    def route(self, app: Flask) -> None:
        root = "/api/v1"

        @app.before_request
        def let_in() -> None:
            if request.headers.get("X-Api-Key") != self.secret:
                abort(401)

        @app.get(f"{root}/App/user")
        def user() -> Response:
            return jsonify(user={"userName": "ringnote"})

        @app.get(f"{root}/Contact")
        def contacts() -> Response:
            found = [each for each in self.held["client"].values() if self._fits(each)]
            return self._page(sorted(found, key=lambda each: each["id"]))

        @app.get(f"{root}/Contact/<client_id>/stream")
        def stream(client_id: str) -> Response:
            self.get("client", client_id)
            return self._page(self.records("note", client_id)[::-1])

        @app.get(f"{root}/Task")
        def tasks() -> Response:
            return self._page([each for each in self.held["task"].values() if self._fits(each)])

        @app.post(f"{root}/<kind>")
        def create(kind: str) -> Response:
            said = self._said()
            if said.get("parentType") != "Contact" or (kind == "Note" and said["type"] != "Post"):
                abort(400)
            self.get("client", said["parentId"])
            return jsonify(self.add(kind.lower(), said))

        @app.route(f"{root}/<kind>/<pms_id>", methods=["GET", "PUT", "DELETE"])
        def one(kind: str, pms_id: str) -> Response:
            if request.method == "GET":
                return jsonify(self.get(kind.lower(), pms_id))
            if request.method == "PUT":
                return jsonify(self.change(kind.lower(), pms_id, self._said()))
            self.get(kind.lower(), pms_id)
            del self.held[kind.lower()][pms_id]
            return jsonify(True)

    def _said(self) -> Json:
        said: Json = request.get_json()
        if "dateEnd" in said:
            require_plain(said["dateEnd"])
        return said

    def _fits(self, record: Json) -> bool:
        if "where[0][type]" not in request.args:
            return True
        if request.args["where[0][type]"] != "equals":
            abort(400)
        attribute, value = request.args["where[0][attribute]"], request.args["where[0][value]"]
        if attribute == "phoneNumber":
            return (record["id"], value) in self.numbers
        return bool(record[attribute] == value)

    def _page(self, found: list[Json]) -> Response:
        start, size = int(request.args.get("offset", 0)), int(request.args["maxSize"])
        if size > 200:
            abort(403)
        return jsonify(total=len(found), list=found[start : start + size])


class OpenDentalPms(DescribedPms):
    """Open Dental. A list has 100 items at most; behind the last of them is 404."""

    example = "opendental"
    secret = "customer-key-4711-of-the-clinic"
    client_key = "PatNum"
    id_key: ClassVar = {"client": "PatNum", "note": "CommlogNum", "task": "TaskNum"}

    def settings(self) -> dict[str, str]:
        given = {
            "timezone_of_server": "America/New_York",
            "task_list": OWN_LIST,
            "comm_type": "239",
        }
        return super().settings() | given

    def secrets(self, secret: str) -> dict[str, str]:
        return {"developer_key": "developer", "customer_key": secret}

    def as_id(self, number: int) -> Any:
        return number

    def add_clients(self, clients: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]:
        added = []
        for name, numbers in clients:
            first, _, last = name.partition(" ")
            phones = dict.fromkeys(("WirelessPhone", "HmPhone", "WkPhone"), "")
            phones |= dict(zip(phones, numbers, strict=False))
            record = {"FName": first, "LName": last, "PatStatus": "Patient", **phones}
            added.append(str(self.add("client", record | {"DateTStamp": self.now()})["PatNum"]))
        return added

    def rename_client(self, client_id: str, name: str) -> None:
        first, _, last = name.partition(" ")
        named = {"FName": first, "LName": last, "DateTStamp": self.now()}
        self.change("client", client_id, named)

    def remove_client(self, client_id: str) -> None:
        gone = {"PatStatus": "Deleted", "DateTStamp": self.now()}
        self.change("client", client_id, gone)

    def kept(self, kind: Kind, client_id: str) -> list[Kept]:
        if kind is Kind.NOTE:
            notes = self.records("note", client_id)
            return [Kept(str(each["CommlogNum"]), *each["Note"].split("\n\n", 1)) for each in notes]
        kept = []
        for each in self.records("task", client_id):
            head, body = each["Descript"].split("\n\n", 1)
            is_done, own = each["TaskStatus"] == "Done", each["TaskListNum"]
            title = head.split("\nDue ")[0]
            whom = "" if str(own) == OWN_LIST else str(own)
            kept.append(Kept(str(each["TaskNum"]), title, body, is_done, whom))
        return kept

    def close(self, pms_id: str) -> None:
        done = {"TaskStatus": "Done", "DateTimeFinished": "2026-03-02 10:00:00"}
        self.change("task", pms_id, done)

    def route(self, app: Flask) -> None:
        @app.before_request
        def let_in() -> None:
            if request.headers.get("Authorization") != f"ODFHIR developer/{self.secret}":
                abort(401)

        @app.get("/patients/Simple")
        def simple() -> Response:
            since = request.args.get("DateTStamp", "0001-01-01 00:00:00")
            require_plain(since)
            clients = self.held["client"].values()
            return self._page([each for each in clients if each["DateTStamp"] >= since])

        @app.get("/patients")
        def patients() -> Response:
            sought = request.args["Phone"]
            return self._page([each for each in self.held["client"].values() if has(each, sought)])

        @app.get("/commlogs")
        def commlogs() -> Response:
            return self._page(self.records("note", request.args["PatNum"]))

        @app.get("/tasks")
        def tasks() -> Response:
            # All were written more than 14 days ago.
            if "DateTimeOriginal" not in request.args:
                return self._page([])
            require_plain(request.args["DateTimeOriginal"])
            return self._page(self.records("task", request.args["KeyNum"]))

        @app.post("/commlogs")
        def log() -> Response:
            return self._create("note", request.get_json())

        @app.post("/tasks")
        def task() -> Response:
            said = request.get_json()
            open_since = {"DateTimeFinished": "0001-01-01 00:00:00", "PatNum": said["KeyNum"]}
            return self._create("task", said | open_since)

        @app.put("/<kind>/<pms_id>")
        def put(kind: str, pms_id: str) -> str:
            self.change({"commlogs": "note", "tasks": "task"}[kind], pms_id, request.get_json())
            return "OK"

        @app.get("/tasks/<pms_id>")
        def one(pms_id: str) -> Response:
            return jsonify(self.get("task", pms_id))

    def _create(self, kind: str, said: Json) -> Response:
        if str(said["PatNum"]) not in self.held["client"]:
            abort(400)
        response = jsonify(self.add(kind, said))
        response.status_code = 201
        return response

    def _page(self, found: list[Json]) -> Response:
        start = int(request.args.get("Offset", 0))
        if start and not found[start:]:
            abort(404)
        return jsonify(found[start : start + 100])


def has(patient: Json, digits: str) -> bool:
    """Whether a patient has a number, by its digits."""
    numbers = [patient[name] for name in ("WirelessPhone", "HmPhone", "WkPhone")]
    return any(digits in "".join(filter(str.isdigit, each)) for each in numbers)


def require_plain(moment: str) -> None:
    """Refuse a time that is not written as both have it: 2026-03-02 14:30:00."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", moment):
        abort(400)
