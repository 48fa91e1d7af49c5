"""As much of Tryton as the connector speaks to, in memory: records, domains and errors under 200.

What it refuses, and how, is what GNU Health 5.0 on Tryton 7.0 was seen to (`make test-live` holds
the same tests against that).
"""

import base64
import itertools
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import phonenumbers

Record = dict[str, Any]
START = datetime(2026, 3, 1, tzinfo=UTC)
OPEN, DONE = 1, 2
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda held, value: held == value,
    "in": lambda held, value: held in value,
    ">": lambda held, value: held is not None and held > value,
    ">=": lambda held, value: held is not None and held >= value,
    "ilike": lambda held, value: value.strip("%").lower() in str(held).lower(),
}
LINKS = {"status": "project.work.status", "contact_mechanisms": "party.contact_mechanism"}


class UserError(Exception):
    """What the server refuses."""


class SessionDead(Exception):
    """401: the session is none, or the password is wrong."""


class Tryton:
    """One database with one user. `call` answers a request; raises UserError and SessionDead."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._sessions: set[str] = set()
        self._ids: dict[str, itertools.count[int]] = {}
        self._hours = itertools.count()
        self._lock = threading.RLock()
        self._models: dict[str, dict[int, Record]] = {
            name: {}
            for name in ("party.party", "party.contact_mechanism", "ir.note", "project.work")
        }
        self._models["project.work.status"] = {
            OPEN: {"id": OPEN, "name": "Open", "progress": None},
            DONE: {"id": DONE, "name": "Done", "progress": 1.0},
        }

    def end_sessions(self) -> None:
        self._sessions.clear()

    def call(self, method: str, parameters: list[Any], authorization: str) -> Any:
        if method == "common.db.login":
            return self._log_in(*parameters)
        session = base64.b64decode(authorization.removeprefix("Session ")).decode()
        if session not in self._sessions:
            raise SessionDead
        *arguments, context = parameters
        if method == "model.ir.model.access.get_access":
            everything = dict.fromkeys(("read", "write", "create", "delete"), True)
            return dict.fromkeys(arguments[0], everything)
        model, _, act = method.removeprefix("model.").rpartition(".")
        with self._lock:
            return getattr(self, f"_{act}")(model, context, *arguments)

    def _log_in(self, user: str, given: Record) -> list[Any]:
        if (user, given["password"]) != (self._user, self._password):
            raise SessionDead
        session = f"{user}:1:session-{len(self._sessions) + 1}"
        self._sessions.add(session)
        return [1, session.rpartition(":")[2]]

    def _create(self, model: str, _context: Record, several: list[Record]) -> list[int]:
        return [self._create_one(model, values)["id"] for values in several]

    def _create_one(self, model: str, values: Record) -> Record:
        values = dict(values)
        nested = values.pop("contact_mechanisms", [])
        self._require_sound(model, values)
        number = next(self._ids.setdefault(model, itertools.count(1)))
        record = {"id": number, "create_date": self._now(), "write_date": None, **values}
        if model == "party.party":
            record = {"active": True, "replaced_by": None, **record}
        if model == "project.work":
            record = {"status": OPEN, **record}
        self._models[model][number] = record
        for _, several in nested:
            for each in several:
                self._create_one("party.contact_mechanism", {**each, "party": number})
        return record

    def _require_sound(self, model: str, values: Record) -> None:
        if model == "ir.note" and "resource" in values:
            self._require_party(int(values["resource"].partition(",")[2]))
        if "party" in values:
            self._require_party(values["party"])
        if values.get("status") == DONE and values.get("progress") != 1:
            raise UserError("you must increase its progress up to at least 100.00%.")
        if model == "party.contact_mechanism" and values["type"] in ("phone", "mobile"):
            parsed = phonenumbers.parse(values["value"], "US")
            style = phonenumbers.PhoneNumberFormat
            values["value"] = phonenumbers.format_number(parsed, style.INTERNATIONAL)
            values["value_compact"] = phonenumbers.format_number(parsed, style.E164)

    def _require_party(self, number: int) -> None:
        if number not in self._models["party.party"]:
            raise UserError('A value is required for field "Party".')

    def _write(self, model: str, _context: Record, ids: list[int], values: Record) -> None:
        self._require_sound(model, values)
        for number in ids:
            self._get(model, number).update(values, write_date=self._now())

    def _delete(self, model: str, _context: Record, ids: list[int]) -> None:
        for number in ids:
            self._get(model, number)
            del self._models[model][number]

    def _get(self, model: str, number: int) -> Record:
        if number not in self._models[model]:
            raise UserError(f'You are trying to read records "{number}" that don\'t exist.')
        return self._models[model][number]

    def _search(
        self,
        model: str,
        context: Record,
        domain: list[Any],
        offset: int = 0,
        limit: int | None = None,
        order: object = None,
    ) -> list[int]:
        hides = context.get("active_test", True)
        found = [
            number
            for number, record in sorted(self._models[model].items())
            if all(self._meets(model, record, clause) for clause in domain)
            and (record.get("active", True) or not hides)
        ]
        return found[offset:][:limit]

    def _search_count(self, model: str, context: Record, domain: list[Any]) -> int:
        return len(self._search(model, context, domain))

    def _search_read(
        self,
        model: str,
        context: Record,
        domain: list[Any],
        offset: int,
        limit: int,
        order: object,
        fields: list[str],
    ) -> list[Record]:
        found = self._search(model, context, domain, offset, limit)
        return [self._tell(self._models[model][number], fields) for number in found]

    def _tell(self, record: Record, fields: list[str]) -> Record:
        told: Record = {"id": record["id"]}
        for name in fields:
            field, _, inner = name.partition(".")
            if not inner:
                told[name] = _as_json(record.get(name))
            elif field == "status":
                told["status."] = self._tell(self._models[LINKS[field]][record[field]], [inner])
            else:
                several = told.setdefault(f"{field}.", [{} for _ in self._means(record)])
                for each, mean in zip(several, self._means(record), strict=True):
                    each.update(self._tell(mean, [inner]))
        return told

    def _means(self, party: Record) -> list[Record]:
        every = self._models["party.contact_mechanism"].values()
        return [each for each in every if each["party"] == party["id"]]

    def _meets(self, model: str, record: Record, clause: list[Any]) -> bool:
        if clause[0] == "OR":
            return any(self._meets(model, record, each) for each in clause[1:])
        name, operator, value = clause
        if isinstance(value, dict):
            value = datetime(*[value[part] for part in PARTS], tzinfo=UTC)
        inner = name.partition(".")[2]
        held = [record.get(name)] if not inner else [one.get(inner) for one in self._means(record)]
        return any(OPERATORS[operator](each, value) for each in held)

    def _now(self) -> datetime:
        return START + timedelta(hours=next(self._hours))


PARTS = ("year", "month", "day", "hour", "minute", "second", "microsecond")


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"__class__": "datetime"} | {part: getattr(value, part) for part in PARTS}
    return value
