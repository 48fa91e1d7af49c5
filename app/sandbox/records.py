"""What stands on the records of the pretend PMS's clients: notes and tasks."""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from .clients import Clients
from .file import File, Refused

ADDED = frozenset({"id", "created_at", "updated_at"})
"""What the PMS adds to the fields it was sent."""
Json = dict[str, Any]


class Records:
    """The notes and tasks of one PMS; `kind` is 'note' or 'task'. Every method commits."""

    def __init__(self, file: File, clients: Clients) -> None:
        self._file = file
        self._clients = clients

    def add(self, kind: str, content: Mapping[str, Any], key: str) -> tuple[Json, bool]:
        """Write a note or task once for `key` ('' for none). Returns it, and whether it is new."""
        with self._file.changing():
            if key and (known := self._answered(kind, key)):
                return known, False
            client_id, reference = content["client_id"], content["reference"]
            self._require_living_client(client_id)
            now = self._file.stamp()
            place = self._file.execute(
                "INSERT INTO record (id, kind, client_id, reference, content, created_at,"
                " updated_at) VALUES (lower(hex(randomblob(8))), ?, ?, ?, ?, ?, ?)",
                (kind, client_id, reference, json.dumps(dict(content)), now, now),
            )
            record_id = f"{kind[0].upper()}{1000 + place}"
            self._file.execute("UPDATE record SET id = ? WHERE seq = ?", (record_id, place))
            if key:
                self._file.execute("INSERT INTO answered VALUES (?, ?, ?)", (kind, key, record_id))
            return self.get(kind, record_id), True

    def get(self, kind: str, record_id: str) -> Json:
        """One note or task that is not deleted. Raises Refused (404)."""
        rows = self._file.rows(
            "SELECT * FROM record WHERE id = ? AND kind = ? AND deleted = 0", record_id, kind
        )
        if not rows:
            raise Refused(404, "not_found", f"no {kind} has this id")
        return as_record(rows[0])

    def change(self, kind: str, record_id: str, changed: Mapping[str, Any]) -> Json:
        """Replace the named fields of a note or task and return it whole. Raises Refused (404)."""
        with self._file.changing():
            row = self.get(kind, record_id)
            content = {name: value for name, value in row.items() if name not in ADDED}
            now = self._file.stamp()
            content.update(changed)
            if kind == "task" and changed.get("status", row["status"]) != row["status"]:
                content["completed_at"] = now if changed["status"] == "done" else None
            self._file.execute(
                "UPDATE record SET content = ?, reference = ?, updated_at = ? WHERE id = ?",
                (json.dumps(content), content["reference"], now, record_id),
            )
            return self.get(kind, record_id)

    def remove(self, kind: str, record_id: str) -> None:
        """Delete a note or task. Raises Refused (404)."""
        with self._file.changing():
            self.get(kind, record_id)
            self._file.execute(
                "UPDATE record SET deleted = 1, updated_at = ? WHERE id = ?",
                (self._file.stamp(), record_id),
            )

    def after(
        self, kind: str, after: int, limit: int, *, client_id: str = "", reference: str = ""
    ) -> list[tuple[int, Json]]:
        """Notes or tasks in the order of writing, each with its place in it."""
        rows = self._file.rows(
            "SELECT * FROM record WHERE seq > ?1 AND kind = ?2 AND deleted = 0"
            " AND (?3 = '' OR client_id = ?3) AND (?4 = '' OR reference = ?4)"
            " ORDER BY seq LIMIT ?5",
            after,
            kind,
            client_id,
            reference,
            limit,
        )
        return [(row["seq"], as_record(row)) for row in rows]

    def newest(self, limit: int, client_id: str = "") -> list[Json]:
        """Notes and tasks together, the newest first; `kind` tells which."""
        rows = self._file.rows(
            "SELECT record.*, client.name AS client_name FROM record"
            " JOIN client ON client.id = record.client_id"
            " WHERE record.deleted = 0 AND (?1 = '' OR client_id = ?1)"
            " ORDER BY record.seq DESC LIMIT ?2",
            client_id,
            limit,
        )
        return [
            {**as_record(row), "kind": row["kind"], "client_name": row["client_name"]}
            for row in rows
        ]

    def _answered(self, kind: str, key: str) -> Json | None:
        # A record deleted since is shown all the same: the answer to a key never changes its id.
        rows = self._file.rows(
            "SELECT record.* FROM answered JOIN record ON record.id = answered.record_id"
            " WHERE answered.kind = ? AND answered.key = ?",
            kind,
            key,
        )
        return as_record(rows[0]) if rows else None

    def _require_living_client(self, client_id: str) -> None:
        try:
            client = self._clients.get(client_id)
        except Refused:
            raise Refused(422, "unknown_client", "client_id: no client has this id") from None
        if client["deleted"]:
            raise Refused(409, "client_deleted", "client_id: this client was deleted")


def as_record(row: sqlite3.Row) -> Json:
    """A note or task as the API shows it."""
    return {
        "id": row["id"],
        **json.loads(row["content"]),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
