"""The pretend PMS's clients: found by number in any spelling, by name, or by what changed."""

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from .file import File, Refused

TAIL_DIGITS = 10
"""Enough to tell numbers apart whether or not they carry their country code."""
SUFFIX = re.compile(r"(?i)\s*(?:x|ext\.?|#)\s*\d+\s*$")
Json = dict[str, Any]


class Clients:
    """The clients of one PMS; every method commits by itself."""

    def __init__(self, file: File) -> None:
        self._file = file

    def add(self, clients: Iterable[Mapping[str, Any]]) -> list[str]:
        """Add clients (`name`, `phones`, `patients` as the API shows them); returns their ids."""
        with self._file.changing():
            return [self._add(client) for client in clients]

    def add_once(self, client: Mapping[str, Any], key: str) -> tuple[Json, bool]:
        """Add a client once for `key` ('' for none). Returns it, and whether it is new."""
        with self._file.changing():
            asked = "SELECT record_id FROM answered WHERE kind = 'client' AND key = ?"
            if key and (known := self._file.rows(asked, key)):
                return self.get(known[0]["record_id"]), False
            client_id = self._add(client)
            if key:
                self._file.execute("INSERT INTO answered VALUES ('client', ?, ?)", (key, client_id))
            return self.get(client_id), True

    def change(self, client_id: str, **changed: Any) -> None:
        """Replace `name`, `phones` or `patients` of a client."""
        with self._file.changing():
            self._change(client_id, changed)

    def remove(self, client_id: str) -> None:
        """Mark a client as deleted; a delta still tells of it."""
        with self._file.changing():
            self.get(client_id)
            self._file.execute(
                "UPDATE client SET deleted = 1, updated_at = ? WHERE id = ?",
                (self._file.stamp(), client_id),
            )

    def merge(self, client_id: str, into: str) -> None:
        """Merge a client into another, who has its numbers, animals and records from then on.

        A delta still tells of it, with `merged_into`. Raises Refused unless both are living.
        """
        with self._file.changing():
            merged, survivor = self._get_living(client_id), self._get_living(into)
            if client_id == into:
                raise Refused(422, "invalid", "a client cannot be merged into itself")
            known = {spelled(phone["number"])[0] for phone in survivor["phones"]}
            news = [each for each in merged["phones"] if spelled(each["number"])[0] not in known]
            patients = [each for each in merged["patients"] if each not in survivor["patients"]]
            self._change(
                into,
                {
                    "phones": survivor["phones"] + news,
                    "patients": survivor["patients"] + patients,
                },
            )
            self._file.execute(
                "UPDATE record SET client_id = ?1, content = json_set(content, '$.client_id', ?1)"
                " WHERE client_id = ?2",
                (into, client_id),
            )
            self._file.execute(
                "UPDATE client SET deleted = 1, merged_into = ?, updated_at = ? WHERE id = ?",
                (into, self._file.stamp(), client_id),
            )

    def get(self, client_id: str) -> Json:
        """One client, deleted or not. Raises Refused (404)."""
        rows = self._file.rows("SELECT * FROM client WHERE id = ?", client_id)
        if not rows:
            raise Refused(404, "not_found", "no client has this id")
        return as_client(rows[0])

    def count(self) -> int:
        row = self._file.rows("SELECT count(*) AS n FROM client WHERE deleted = 0")[0]
        return int(row["n"])

    def by_phone(self, number: str) -> list[Json]:
        """Clients with this number in any spelling, not the deleted ones."""
        digits, _ = spelled(number)
        rows = self._file.rows(
            "SELECT DISTINCT client.*, phone.number AS spelling FROM client"
            " JOIN phone ON phone.client_id = client.id"
            " WHERE phone.tail = ? AND client.deleted = 0 ORDER BY client.seq",
            digits[-TAIL_DIGITS:],
        )
        found = {row["id"]: row for row in rows if is_same_number(row["spelling"], number)}
        return [as_client(row) for row in found.values()]

    def after(self, after: tuple[str, str], limit: int, *, with_deleted: bool) -> list[Json]:
        """Clients in the order of their last change, past (updated_at, id)."""
        rows = self._file.rows(
            "SELECT * FROM client WHERE (updated_at, id) > (?, ?) AND deleted <= ?"
            " ORDER BY updated_at, id LIMIT ?",
            *after,
            int(with_deleted),
            limit,
        )
        return [as_client(row) for row in rows]

    def search(self, text: str, limit: int, offset: int = 0) -> list[Json]:
        """Clients whose name, animals or number hold `text`, by name."""
        digits, _ = spelled(text)
        rows = self._file.rows(
            "SELECT * FROM client WHERE deleted = 0 AND (instr(lower(name), lower(?1))"
            " OR instr(lower(patients), lower(?1)) OR (length(?2) >= 3 AND id IN"
            " (SELECT client_id FROM phone WHERE instr(tail, ?3))))"
            " ORDER BY name, seq LIMIT ?4 OFFSET ?5",
            text,
            digits,
            digits[-TAIL_DIGITS:],
            limit,
            offset,
        )
        return [as_client(row) for row in rows]

    def _get_living(self, client_id: str) -> Json:
        client = self.get(client_id)
        if client["deleted"]:
            raise Refused(409, "conflict", "this client was deleted or merged")
        return client

    def _change(self, client_id: str, changed: Mapping[str, Any]) -> None:
        client = {**self.get(client_id), **changed}
        self._file.execute(
            "UPDATE client SET name = ?, phones = ?, patients = ?, updated_at = ? WHERE id = ?",
            (
                client["name"],
                json.dumps(client["phones"]),
                json.dumps(client["patients"]),
                self._file.stamp(),
                client_id,
            ),
        )
        self._index_phones(client_id, client["phones"])

    def _add(self, client: Mapping[str, Any]) -> str:
        place = self._file.rows("SELECT coalesce(max(seq), 0) + 1 AS seq FROM client")[0]["seq"]
        client_id = f"C{1000 + place}"
        self._file.execute(
            "INSERT INTO client (seq, id, name, phones, patients, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                place,
                client_id,
                client["name"],
                json.dumps(client["phones"]),
                json.dumps(client["patients"]),
                self._file.stamp(),
            ),
        )
        self._index_phones(client_id, client["phones"])
        return client_id

    def _index_phones(self, client_id: str, phones: Iterable[Mapping[str, str]]) -> None:
        self._file.execute("DELETE FROM phone WHERE client_id = ?", (client_id,))
        for phone in phones:
            digits, _ = spelled(phone["number"])
            self._file.execute(
                "INSERT INTO phone VALUES (?, ?, ?)",
                (client_id, phone["number"], digits[-TAIL_DIGITS:]),
            )


def spelled(number: str) -> tuple[str, bool]:
    """A number's digits, without an extension, and whether they begin with a country code."""
    number = SUFFIX.sub("", number.strip())
    digits = re.sub(r"\D", "", number)
    if number.startswith("+"):
        return digits, True
    for prefix in ("011", "00"):
        if digits.startswith(prefix) and len(digits) > len(prefix) + TAIL_DIGITS - 2:
            return digits.removeprefix(prefix), True
    return digits, False


def is_same_number(one: str, other: str) -> bool:
    """Whether two spellings can be of one number."""
    (one_digits, one_is_whole), (other_digits, other_is_whole) = spelled(one), spelled(other)
    if not one_digits or (one_is_whole and other_is_whole):
        return one_digits == other_digits != ""
    return one_digits[-TAIL_DIGITS:] == other_digits[-TAIL_DIGITS:]


def as_client(row: sqlite3.Row) -> Json:
    """A client as the API shows it."""
    return {
        "id": row["id"],
        "name": row["name"],
        "phones": json.loads(row["phones"]),
        "patients": json.loads(row["patients"]),
        "updated_at": row["updated_at"],
        "deleted": bool(row["deleted"]),
        **({"merged_into": row["merged_into"]} if row["merged_into"] else {}),
    }
