"""ezyVet's contacts as clients: found by number, walked as a whole, and followed by their changes.

A contact's numbers are records of their own, its contact details. Used by the connector in
`ezyvet.py`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..errors import Temporary
from .base import ClientPage, Phone, PmsClient
from .spellings import spell

Json = dict[str, Any]
PAGE = 200
MOST_PAGES = 20
"""Of what belongs to one number or to one page of contacts: more only where a filter is not
heeded."""
LOOK_BACK_SECONDS = 60
"""How far a delta looks back, for what was being written while the last one was told."""
CONTACTS, DETAILS = "contact", "contactdetail"
ODD_ANSWER = "ezyVet answered in a form that its documentation does not know"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and whether there is another."""

    items: list[Json]
    has_more: bool


Read = Callable[[str, Mapping[str, str], int], Page]
"""Reads a page, from 1, of a resource, as a query selects it."""


class Contacts:
    """Reads contacts by `read`; `name_fields` make up their names."""

    def __init__(self, read: Read, name_fields: Sequence[str]) -> None:
        self._read = read
        self._name_fields = name_fields

    def find(self, number: str) -> list[PmsClient]:
        """The contacts that have this number (E.164) in any usual spelling."""
        spelt = spell(number)
        details = self._all(DETAILS, {"active": "1", "value": one_of(spelt)})
        owners = {_owner(each) for each in details if each.get("value") in spelt}
        if not owners:
            return []
        return [each for each in self._by_ids(sorted(owners)) if not each.is_deleted]

    def walk(self, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
        """Pages of all contacts, or of those changed since `cursor`, by themselves or by a contact
        detail: whether ezyVet counts that as a change of the contact is not known."""
        place = {"stage": CONTACTS, **(cursor or {})}
        while "stage" in place:
            page = self._read(place["stage"], _changed(place), int(place.get("page", "1")))
            clients = self._clients(place["stage"], page.items)
            place = _after(place, page)
            yield ClientPage(clients, place)

    def _clients(self, stage: str, items: list[Json]) -> tuple[PmsClient, ...]:
        if not items:
            return ()
        if stage == DETAILS:
            return self._by_ids(sorted({_owner(each) for each in items}))
        return self._with_numbers(items)

    def _by_ids(self, ids: Sequence[str]) -> tuple[PmsClient, ...]:
        found = self._all(CONTACTS, {"id": one_of(ids)})
        return self._with_numbers([each for each in found if str(each["id"]) in ids])

    def _with_numbers(self, contacts: list[Json]) -> tuple[PmsClient, ...]:
        ids = [str(each["id"]) for each in contacts]
        phones: dict[str, list[Phone]] = {each: [] for each in ids}
        for detail in self._all(DETAILS, {"active": "1", "contact_id": one_of(ids)}):
            value = str(detail.get("value") or "")
            if _owner(detail) in phones and "@" not in value and any(map(str.isdigit, value)):
                phones[_owner(detail)].append(Phone(value, str(detail.get("name") or "")))
        return tuple(self._client(each, phones[str(each["id"])]) for each in contacts)

    def _client(self, contact: Json, phones: Sequence[Phone]) -> PmsClient:
        parts = (str(contact.get(name) or "").strip() for name in self._name_fields)
        return PmsClient(
            id=str(contact["id"]),
            name=" ".join(filter(None, parts)),
            phones=tuple(phones),
            updated_at=datetime.fromtimestamp(_stamp(contact), UTC),
            is_deleted=str(contact.get("active", "1")) in ("0", "False"),
        )

    def _all(self, resource: str, query: Mapping[str, str]) -> list[Json]:
        found: list[Json] = []
        for number in range(1, MOST_PAGES + 1):
            page = self._read(resource, query, number)
            found += page.items
            if not page.has_more:
                return found
        raise Temporary("ezyVet does not heed what it is asked for: see connection test")


def one_of(values: Sequence[str]) -> str:
    """The filter for any of these values."""
    return json.dumps({"in": list(values)})


def _changed(place: Mapping[str, str]) -> dict[str, str]:
    if "since" not in place:
        return {}
    stamp = max(int(place["since"]) - LOOK_BACK_SECONDS, 0)
    return {"modified_at": json.dumps({"gt": str(stamp)})}


def _after(place: Mapping[str, str], page: Page) -> dict[str, str]:
    """Where a walk goes on after this page; without a stage where it has come to its end."""
    # What changes during the walk may belong on a page that was told already, so the next delta is
    # of all since it began. Nothing of its first page can have changed later than that.
    newest = str(max([int(place.get("since", "0")), *map(_stamp, page.items)]))
    kept = {"began": newest, **{name: place[name] for name in ("since", "began") if name in place}}
    if page.has_more:
        return {**kept, "stage": place["stage"], "page": str(int(place.get("page", "1")) + 1)}
    if "since" in place and place["stage"] == CONTACTS:
        return {**kept, "stage": DETAILS}
    return {"since": kept["began"]}


def _owner(detail: Json) -> str:
    return str(detail.get("contact_id") or "")


def _stamp(record: Json) -> int:
    """When it was changed last, in seconds since 1970."""
    try:
        return int(record["modified_at"])
    except (KeyError, TypeError, ValueError):
        raise Temporary(ODD_ANSWER) from None
