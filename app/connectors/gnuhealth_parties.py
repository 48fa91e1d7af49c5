"""Tryton's parties as clients: found by number, walked as a whole, and followed by their changes.

Used by the connector in `gnuhealth.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ..errors import Temporary
from .base import ClientPage, Phone, PmsClient
from .tryton import EVERYBODY, ODD_ANSWER, Tryton, read_moment, to_tryton

SEARCH_READ = "model.party.party.search_read"
PAGE = 200
LOOK_BACK = timedelta(minutes=1)
"""How far a delta looks back, for what was being written while the last one was told."""
STAMPS = (
    "write_date",
    "create_date",
    "contact_mechanisms.write_date",
    "contact_mechanisms.create_date",
)
FIELDS = [
    "name",
    "active",
    "replaced_by",
    "contact_mechanisms.type",
    "contact_mechanisms.value",
    *STAMPS,
]
PHONES = ("phone", "mobile")

Party = dict[str, Any]


def find_parties(tryton: Tryton, spelt: Sequence[str]) -> list[PmsClient]:
    """The active parties that have a number in one of these spellings."""
    domain = [["contact_mechanisms.value_compact", "in", list(spelt)]]
    found = tryton.read(SEARCH_READ, domain, 0, PAGE, None, FIELDS)
    return [_client(party) for party in _parties(found)]


def walk_parties(tryton: Tryton, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
    """Pages of all parties, or of those changed since `cursor`, by their ids."""
    place = dict(cursor or {})
    since, newest = place.get("since", ""), place.get("newest", "")
    after = int(place.get("after", "0"))
    while True:
        domain: list[Any] = [["id", ">", after]]
        if since:
            start = to_tryton(datetime.fromisoformat(since) - LOOK_BACK)
            domain.append(["OR", *([name, ">=", start] for name in STAMPS)])
        found = _parties(
            tryton.read(SEARCH_READ, domain, 0, PAGE, [["id", "ASC"]], FIELDS, context=EVERYBODY)
        )
        clients = tuple(_client(party) for party in found)
        stamps = (each.updated_at.isoformat() for each in clients if each.updated_at)
        newest = max([newest, since, *stamps])
        if len(found) < PAGE:
            yield ClientPage(clients, {"since": newest} if newest else {})
            return
        after = int(found[-1]["id"])
        here = {"after": str(after), "newest": newest} | ({"since": since} if since else {})
        yield ClientPage(clients, here)


def _parties(found: Any) -> list[Party]:
    if not isinstance(found, list) or not all(
        isinstance(party, dict) and isinstance(party.get("id"), int) for party in found
    ):
        raise Temporary(ODD_ANSWER)
    return found


def _client(party: Party) -> PmsClient:
    means = party.get("contact_mechanisms.") or []
    stamps = [party.get("write_date"), party.get("create_date")]
    stamps += [each.get(name) for each in means for name in ("write_date", "create_date")]
    replaced_by = party.get("replaced_by")
    return PmsClient(
        id=str(party["id"]),
        name=str(party.get("name") or ""),
        phones=tuple(
            Phone(str(each["value"]), str(each["type"]))
            for each in means
            if each.get("type") in PHONES and each.get("value")
        ),
        updated_at=max(filter(None, map(read_moment, stamps)), default=None),
        is_deleted=not party.get("active", True) or replaced_by is not None,
        merged_into=str(replaced_by) if replaced_by is not None else None,
    )
