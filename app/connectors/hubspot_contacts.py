"""HubSpot's contacts as clients: found by number, walked as a whole, and followed by their changes.

Used by the connector in `hubspot.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from ..errors import Temporary
from .base import ClientPage, Phone, PmsClient
from .hubspot_requests import ODD_ANSWER, Json

Cursor = Mapping[str, str]

LIST_PAGE = 100
SEARCH_PAGE = 200
MOST_PAGES = 20
"""Of contacts who share a number."""
SEARCH_ENDS = 10_000
"""How many contacts one search tells of."""
LAG = timedelta(minutes=2)
"""How far a delta looks back, since a search does not know of what has just changed."""
NAMES = ("firstname", "lastname", "email", "lastmodifieddate", "hs_merged_object_ids")
EVER = "1970-01-01T00:00:00.000Z"


class Contacts:
    """Reads contacts through `call`, the connector's way to make a request."""

    def __init__(self, phone_properties: Sequence[str], call: Callable[..., Json]) -> None:
        self._phones = phone_properties
        self._properties = [*NAMES, *phone_properties]
        self._call = call

    def find(self, groups: Sequence[Sequence[Json]]) -> list[PmsClient]:
        """The contacts that any of these groups of filters finds."""
        found = []
        after = "0"
        for _ in range(MOST_PAGES):
            contacts, more = self._search(groups, after)
            found += [self._client(each) for each in contacts]
            if more is None:
                return found
            after = more
        raise Temporary("HubSpot tells of more and more contacts for one number")

    def walk(self, cursor: Cursor | None) -> Iterator[ClientPage]:
        """Pages of all contacts, or of those that changed or were archived since `cursor`."""
        place = dict(cursor or {})
        if "since" not in place:
            yield from self._walk_all(place)
            return
        # Those archived come first, since of a merged one the surviving contact tells more.
        if "start" not in place:
            yield from self._walk_archived(place)
        yield from self._walk_changed(place)

    def _walk_all(self, place: Cursor) -> Iterator[ClientPage]:
        newest, after = place.get("newest", ""), place.get("after", "")
        while True:
            contacts, more = self._list(after, archived=False)
            newest = _newest(newest, contacts)
            if more is None:
                yield ClientPage(self._clients(contacts), {"since": newest or EVER})
                return
            after = more
            yield ClientPage(self._clients(contacts), {"after": after, "newest": newest})

    def _walk_archived(self, place: Cursor) -> Iterator[ClientPage]:
        since, after = place["since"], place.get("archived", "")
        start = _earlier(since)
        while True:
            contacts, more = self._list(after, archived=True)
            if more and more == after:
                # No page is told of where none of it was archived lately: nobody else would notice.
                raise Temporary("HubSpot told the same page of archived contacts twice")
            recent = [each for each in contacts if str(each.get("archivedAt", "")) >= start]
            after = more or ""
            if more is None:
                yield ClientPage(self._clients(recent), {"since": since, "start": start})
                return
            if recent:
                yield ClientPage(self._clients(recent), {"since": since, "archived": after})

    def _walk_changed(self, place: Cursor) -> Iterator[ClientPage]:
        since = place["since"]
        newest = place.get("newest", since)
        start, after = place.get("start") or _earlier(since), place.get("after", "0")
        while True:
            changed = {
                "propertyName": "lastmodifieddate",
                "operator": "GTE",
                "value": _milliseconds(start),
            }
            contacts, more = self._search([[changed]], after)
            newest = _newest(newest, contacts)
            if more is None:
                yield ClientPage(self._clients(contacts), {"since": newest})
                return
            start, after = self._go_on(start, more, contacts)
            here = {"since": since, "newest": newest, "start": start, "after": after}
            yield ClientPage(self._clients(contacts), here)

    def _go_on(self, start: str, more: str, contacts: Sequence[Json]) -> tuple[str, str]:
        if int(more) < SEARCH_ENDS:
            return start, more
        last = str(contacts[-1].get("updatedAt", ""))
        if last <= start:
            raise Temporary("more than 10,000 contacts changed in HubSpot at one moment")
        return last, "0"

    def _list(self, after: str, *, archived: bool) -> tuple[list[Json], str | None]:
        query = {"limit": str(LIST_PAGE), "properties": ",".join(self._properties)}
        query |= {"archived": "true"} if archived else {}
        query |= {"after": after} if after else {}
        return _page(self._call("GET", "/contacts", query=query))

    def _search(
        self, groups: Sequence[Sequence[Json]], after: str
    ) -> tuple[list[Json], str | None]:
        body = {
            "filterGroups": [{"filters": list(filters)} for filters in groups],
            "properties": self._properties,
            "sorts": ["lastmodifieddate"],
            "limit": SEARCH_PAGE,
            "after": after,
        }
        return _page(self._call("POST", "/contacts/search", body, only_reads=True))

    def _clients(self, contacts: Sequence[Json]) -> tuple[PmsClient, ...]:
        told: list[PmsClient] = []
        for each in contacts:
            client = self._client(each)
            told.append(client)
            merged = str(each["properties"].get("hs_merged_object_ids") or "")
            told += [
                PmsClient(gone, "", is_deleted=True, merged_into=client.id)
                for gone in filter(None, merged.split(";"))
            ]
        return tuple(told)

    def _client(self, contact: Json) -> PmsClient:
        held = contact["properties"]
        name = " ".join(str(held[part]) for part in NAMES[:2] if held.get(part))
        return PmsClient(
            id=str(contact["id"]),
            name=name or str(held.get("email") or ""),
            phones=tuple(Phone(str(held[each]), each) for each in self._phones if held.get(each)),
            updated_at=_moment(contact.get("updatedAt")),
            is_deleted=bool(contact.get("archived")),
        )


def records(found: object) -> list[Json]:
    """The records that an answer lists. Raises Temporary if they are none."""
    if not isinstance(found, list) or not all(
        isinstance(each, dict)
        and isinstance(each.get("id"), str | int)
        and isinstance(each.get("properties"), dict)
        for each in found
    ):
        raise Temporary(ODD_ANSWER)
    return found


def _page(answer: Json) -> tuple[list[Json], str | None]:
    more = ((answer.get("paging") or {}).get("next") or {}).get("after")
    return records(answer.get("results")), str(more) if more else None


def _newest(newest: str, contacts: Sequence[Json]) -> str:
    return max([newest, *(str(each.get("updatedAt", "")) for each in contacts)])


def _earlier(stamp: str) -> str:
    moment = max(_moment(stamp), datetime.fromisoformat(EVER) + LAG) - LAG
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _milliseconds(stamp: str) -> str:
    return str(round(_moment(stamp).timestamp() * 1000))


def _moment(stamp: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(stamp))
    except ValueError:
        raise Temporary(ODD_ANSWER) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
