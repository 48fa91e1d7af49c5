"""Cliniko's patients as clients: walked as a whole, and followed by their changes.

Used by the connector in `cliniko.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import Temporary
from .base import ClientPage, Phone, PmsClient

Json = dict[str, Any]
Read = Callable[[str, str, Mapping[str, str], int], tuple[list[Json], bool]]
"""Reads a page, from 1, of a list, by its path and the name of its records, as a query selects it.
Whether there is another page comes along."""

LOOK_BACK = timedelta(minutes=1)
"""How far a delta looks back, for what was being written while the last one was told."""
EVER = "1970-01-01T00:00:00Z"
GONE = {"deleted": "deleted_at", "archived": "archived_at"}
"""The lists of patients who are no longer there, and when they went."""
ODD_ANSWER = "Cliniko answered in a form that its documentation does not know"


class Patients:
    """Reads patients by `read`."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def walk(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
        """Pages of all patients, or of those changed, merged, archived or deleted since then."""
        place = {"stage": "changed", "start": EVER}
        if cursor and "stage" in cursor:
            place = dict(cursor)
        elif cursor:
            place = {"stage": "deleted", "since": cursor["since"]}
        while "stage" in place:
            step = self._changed if place["stage"] == "changed" else self._gone
            clients, place = step(place)
            yield ClientPage(clients, place)

    def _gone(self, place: Mapping[str, str]) -> tuple[tuple[PmsClient, ...], dict[str, str]]:
        # Whether it counts as a change of a patient to go is not documented, so all who ever went
        # are read, and those told who went lately.
        stage, since, number = place["stage"], place["since"], int(place.get("page", "1"))
        patients, has_more = self._read(f"patients/{stage}", "patients", {}, number)
        start = _earlier(since)
        recent = [each for each in patients if str(each.get(GONE[stage]) or "") >= start]
        clients = tuple(_gone_client(each) for each in recent)
        if has_more:
            return clients, {"stage": stage, "since": since, "page": str(number + 1)}
        if stage == "deleted":
            return clients, {"stage": "archived", "since": since}
        return clients, {"stage": "changed", "since": since, "start": start}

    def _changed(self, place: Mapping[str, str]) -> tuple[tuple[PmsClient, ...], dict[str, str]]:
        start, number = place["start"], int(place.get("page", "1"))
        query = {"q[]": f"updated_at:>={start}", "sort": "updated_at"}
        patients, has_more = self._read("patients", "patients", query, number)
        clients = tuple(map(_client, patients))
        stamps = [str(each["updated_at"]) for each in patients]
        if stamps != sorted(stamps):
            raise Temporary(ODD_ANSWER)
        newest = max([place.get("since", EVER), *stamps[-1:]])
        if not has_more:
            return clients, {"since": newest}
        # A patient who changes meanwhile goes to the end of the list, and all behind move up a
        # place: so it is begun anew from the last one told, instead of going on by pages.
        goes_on = {"since": newest, "start": stamps[-1]} if stamps and stamps[-1] > start else {}
        page = "1" if goes_on else str(number + 1)
        return clients, {**place, **goes_on, "page": page}


def id_at(address: object) -> str:
    """The id at the end of a record's address."""
    found = str(address or "").rpartition("/")[2]
    if not found.isdecimal():
        raise Temporary(ODD_ANSWER)
    return found


def _client(patient: Json) -> PmsClient:
    try:
        names = (str(patient.get(part) or "") for part in ("first_name", "last_name"))
        return PmsClient(
            id=str(patient["id"]),
            name=" ".join(filter(None, names)),
            phones=tuple(
                Phone(str(each["number"]), str(each.get("phone_type") or ""))
                for each in patient.get("patient_phone_numbers") or []
            ),
            updated_at=datetime.fromisoformat(str(patient["updated_at"])).astimezone(UTC),
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        raise Temporary(ODD_ANSWER) from None


def _gone_client(patient: Json) -> PmsClient:
    """Of one who was deleted, little more is told than the address."""
    merged = patient.get("merged_with_patient") or {}
    try:
        return PmsClient(
            id=id_at(patient["links"]["self"]),
            name="",
            is_deleted=True,
            merged_into=id_at(merged["links"]["self"]) if merged else None,
        )
    except (KeyError, TypeError):
        raise Temporary(ODD_ANSWER) from None


def _earlier(stamp: str) -> str:
    try:
        moment = max(datetime.fromisoformat(stamp), datetime.fromisoformat(EVER) + LOOK_BACK)
    except ValueError:
        raise Temporary(ODD_ANSWER) from None
    return (moment - LOOK_BACK).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
