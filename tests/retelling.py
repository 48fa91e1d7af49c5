"""Reads a history's file, plays it over HTTP, and tells what Ringnote made of it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import requests
import sqlalchemy as sa

from factories import make_client, make_clinic
from ringnote.clock import utc_now
from ringnote.directory.choices import ignore_number, map_number
from ringnote.ledger.corrections import correct_call
from ringnote.ledger.settle import settle_due
from ringnote.models import (
    Call,
    Callback,
    Clinic,
    Conversation,
    DueMark,
    Entry,
    Event,
    EventStatus,
    Line,
    Match,
    Transcript,
)
from ringnote.runtime import Runtime
from ringnote.telephony.summaries import summary_from_json
from ringnote.telephony.tokens import issue_webhook_token

JANE = {"id": "C1", "name": "Jane Doe", "numbers": ["+12125550142"]}
AFTERWARDS = timedelta(hours=5)
"""After the last event all that is ever settled by itself is."""
MARK = "# What Ringnote makes of it."

Told = dict[str, list[dict[str, Any]]]


@dataclass
class History:
    """`steps` are posts and what people did, with their times; `expected` is what comes out."""

    story: str
    clinic: dict[str, Any]
    lines: list[str]
    clients: list[dict[str, Any]]
    day: date
    steps: list[dict[str, Any]]
    expected: Told = field(default_factory=dict)


class PretendClock:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.at = utc_now()

    def __call__(self) -> datetime:
        return self.at


def read_history(path: Path) -> History:
    """The history in a file; raises on a key that it doesn't know."""
    raw = tomllib.loads(path.read_text())
    expected = {name: raw.pop(name, []) for name in ("calls", "texts", "callbacks", "entries")}
    expected["quarantined"] = raw.pop("quarantined", [])
    history = History(
        story=raw.pop("story"),
        clinic=raw.pop("clinic", {}),
        lines=raw.pop("lines", ["+12125550100"]),
        clients=raw.pop("clients", [JANE]),
        day=raw.pop("day", date(2026, 3, 2)),
        steps=raw.pop("step"),
        expected=expected,
    )
    assert not raw, f"{path.name}: unknown {', '.join(raw)}"
    return history


def write_history(path: Path, told: Told) -> None:
    """Put what came out into the file, after what was posted."""
    given = path.read_text().split(MARK)[0].rstrip()
    parts = [given, "", MARK]
    for name, rows in told.items():
        for row in rows:
            parts += [f"[[{name}]]", *(f"{key} = {_toml(value)}" for key, value in row.items()), ""]
    path.write_text("\n".join(parts).rstrip() + "\n")


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, int):
        return str(value)
    if "\n" in value and "'''" not in value:
        return f"'''\n{value}'''"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(_escape(each) for each in escaped) + '"'


def _escape(character: str) -> str:
    return character if character.isprintable() else f"\\u{ord(character):04x}"


class Stage:
    """A served application on which one history is played after the other."""

    def __init__(self, runtime: Runtime, clock: PretendClock, address: str) -> None:
        self.runtime = runtime
        self.clock = clock
        self.address = address

    def play(self, history: History) -> Told:
        """Play it in a clinic of its own; everything that came out of it."""
        clinic, token = self._set_up(history)
        try:
            zone = ZoneInfo(clinic.timezone)
            for step in history.steps:
                self._wait_until(_moment(history.day, step["at"], zone))
                self._do(clinic, token, step)
                self._settle()
            self._wait_until(self.clock.at + AFTERWARDS)
            return self._tell(clinic, zone)
        finally:
            with self.runtime.db.transaction() as session:
                session.execute(sa.delete(Clinic).where(Clinic.id == clinic.id))

    def _set_up(self, history: History) -> tuple[Clinic, str]:
        known = {"name": "Oak Street Vets", "container_id": "123456"} | history.clinic
        clinic = make_clinic(self.runtime.db, **known)
        for client in history.clients:
            make_client(self.runtime.db, clinic, client["id"], client["name"], client["numbers"])
        zone = ZoneInfo(clinic.timezone)
        self.clock.at = _moment(history.day, time(0, 0), zone)
        with self.runtime.db.transaction() as session:
            for number in history.lines:
                session.add(
                    Line(
                        clinic_id=clinic.id,
                        number=number,
                        label="",
                        source="entered",
                        created_at=self.clock.at,
                    )
                )
            return clinic, issue_webhook_token(session, clinic.id, self.clock.at)

    def _wait_until(self, at: datetime) -> None:
        """Let time pass as a worker sees it: whatever falls due meanwhile is settled then."""
        while (due := self._next_due()) is not None and due <= at:
            self.clock.at = max(due, self.clock.at)
            self._settle()
        self.clock.at = at

    def _next_due(self) -> datetime | None:
        with self.runtime.db.reading() as session:
            return session.scalars(sa.select(sa.func.min(DueMark.due_at))).one()

    def _do(self, clinic: Clinic, token: str, step: Mapping[str, Any]) -> None:
        match step:
            case {"body": str(body)}:
                self._post(token, body.encode(), step)
            case {"bytes": str(latin)}:
                self._post(token, latin.encode("latin-1"), step)
            case {"correct": str(uuid), "to": str(outcome)}:
                with self.runtime.db.transaction() as session:
                    correct_call(
                        session,
                        self.runtime.db,
                        clinic.id,
                        uuid,
                        outcome,
                        by="Kim",
                        why="",
                        now=self.clock.at,
                    )
            case {"map": str(number), "to": str(client)}:
                with self.runtime.db.transaction() as session:
                    map_number(
                        session,
                        self.runtime.db,
                        clinic.id,
                        number,
                        client,
                        by="Kim",
                        why="",
                        now=self.clock.at,
                    )
            case {"ignore": str(number)}:
                with self.runtime.db.transaction() as session:
                    ignore_number(
                        session,
                        self.runtime.db,
                        clinic.id,
                        number,
                        by="Kim",
                        why="a supplier",
                        now=self.clock.at,
                    )
            case {"set": dict(changes)}:
                with self.runtime.db.transaction() as session:
                    query = sa.update(Clinic).where(Clinic.id == clinic.id)
                    session.execute(query.values(**changes))
            case _:
                raise ValueError(f"no such step: {dict(step)}")

    def _post(self, token: str, body: bytes, step: Mapping[str, Any]) -> None:
        is_json = body.lstrip().startswith(b"{")
        content_type = "application/json" if is_json else "application/x-www-form-urlencoded"
        answer = requests.post(
            f"{self.address}/webhooks/{token}",
            data=body,
            headers={"Content-Type": step.get("type", content_type)},
            timeout=10,
        )
        assert answer.status_code == 200, answer.text

    def _settle(self) -> None:
        while settle_due(self.runtime):
            pass

    def _tell(self, clinic: Clinic, zone: ZoneInfo) -> Told:
        with self.runtime.db.reading() as session:

            def rows(kind: type) -> list[Any]:
                found = sa.select(kind).where(kind.clinic_id == clinic.id).order_by(kind.id)
                return list(session.scalars(found))

            matches = {(each.subject_kind, each.subject_id): each for each in rows(Match)}
            keys = {each.id: each.conversation_key for each in rows(Conversation)}
            return {
                "calls": [_tell_call(each, matches.get(("call", each.id))) for each in rows(Call)],
                "texts": [
                    _tell_texts(each, keys, matches.get(("transcript", each.id)))
                    for each in rows(Transcript)
                ],
                "callbacks": [
                    {"number": each.number, "state": each.state.value} for each in rows(Callback)
                ],
                "entries": [_tell_entry(each) for each in rows(Entry)],
                "quarantined": [
                    {"reason": each.reason or ""}
                    for each in rows(Event)
                    if each.status is EventStatus.QUARANTINED
                ],
            }


def _moment(day: date, at: time | datetime, zone: ZoneInfo) -> datetime:
    local = at if isinstance(at, datetime) else datetime.combine(day, at)
    return local.replace(tzinfo=local.tzinfo or zone)


def _tell_call(call: Call, match: Match | None) -> dict[str, Any]:
    summary = summary_from_json(call.summary)
    legs = [f"{leg.extension} {' and '.join(_parts(leg)) or 'named'}" for leg in summary.legs]
    told: dict[str, Any] = {
        "uuid": call.call_uuid,
        "direction": call.direction,
        "outcome": call.outcome,
        "because": "; ".join(summary.evidence),
        "number": call.number or summary.number_raw,
        "line": summary.line,
        "legs": legs,
        "queues": list(summary.queues),
        "ring_groups": list(summary.ring_groups),
        "missing": list(summary.missing),
        "filtered": call.filtered_by or "",
        "match": _tell_match(match),
    }
    if summary.waited_seconds is not None:
        told["waited"] = summary.waited_seconds
    if summary.talked_seconds is not None:
        told["talked"] = summary.talked_seconds
    return {key: value for key, value in told.items() if value or value == 0}


def _parts(leg: Any) -> list[str]:
    return ["rang"] * leg.has_rung + ["answered"] * leg.has_answered


def _tell_texts(window: Transcript, keys: Mapping[int, str], match: Match | None) -> dict[str, Any]:
    messages = window.summary["messages"]
    told = {
        "conversation": keys[window.conversation_id],
        "day": window.local_day.isoformat(),
        "number": window.number,
        "line": window.summary["line"],
        "texts": len(messages),
        "repeats": sum(len(each["repeats"]) for each in messages),
        "filtered": window.filtered_by or "",
        "match": _tell_match(match),
    }
    return {key: value for key, value in told.items() if value}


def _tell_match(match: Match | None) -> str:
    return f"{match.kind} {match.client}".strip() + f": {match.rule}" if match else ""


def _tell_entry(entry: Entry) -> dict[str, Any]:
    told = {
        "kind": entry.kind.value,
        "client": entry.client,
        "state": entry.state.value,
        "title": entry.content["title"],
        "body": entry.content["body"],
    }
    if "due_at" in entry.content:
        told["due"] = entry.content["due_at"]
    return {key: value for key, value in told.items() if value}
