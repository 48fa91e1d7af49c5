"""A described PMS's clients: found by number, walked as a whole, and followed by their changes."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any

from ...clock import utc_now
from ...errors import CredentialsRejected, RecordGone
from ..base import ClientPage, Phone, PmsClient
from ..spellings import may_have
from .answers import is_true, odd, read_id, read_moment, read_several, read_text, read_texts
from .description import Description
from .filling import Variables, fill_text, number_forms
from .paging import Page, walk_pages
from .requests import Changes, Listing
from .sending import Sender

Cursor = Mapping[str, str]
MOST_PAGES = 5
"""Of whom has a number: there would be more only where a PMS does not heed what is asked."""
EVER = datetime(1970, 1, 1, tzinfo=UTC)


class Clients:
    """Reads the clients of one account."""

    def __init__(self, described: Description, sender: Sender) -> None:
        self._described = described
        self._sender = sender

    def find(self, number: str) -> list[PmsClient]:
        """The clients that have this number (E.164), as far as their numbers are told."""
        search = self._described.find_clients
        if search is None:
            raise NotImplementedError("find_clients is not described")
        forms = number_forms(number)
        found: dict[str, PmsClient] = {}
        for spelling in search.spellings:
            given = forms | {"phone": fill_text(spelling, {**self._sender.given, **forms})}
            for page in islice(self._pages(search, given), MOST_PAGES):
                found |= {each.id: each for each in map(self.read, page.items)}
        return [
            each
            for each in found.values()
            if not each.is_deleted and (search.exact or may_have(each, number))
        ]

    def walk(self, cursor: Cursor | None) -> Iterator[ClientPage]:
        """Pages of all clients, or of those changed since `cursor`."""
        place = dict(cursor or {})
        since = _moment(place.get("since")) or EVER
        listing = self._listing(is_delta="since" in place)
        by = listing.paging.kind if listing.paging else ""
        # Who mended the description meanwhile may have changed what a place is.
        at = place.get("place") if place.get("by") == by else None
        newest, began = _moment(place.get("newest")) or since, _moment(place.get("began"))
        kept = {"since": place["since"]} if "since" in place else {}
        for page in self._pages(listing, _since(listing, since), at):
            clients = tuple(map(self.read, page.items))
            newest = max([newest, *(each.updated_at for each in clients if each.updated_at)])
            began = began or _told_at(page)
            if page.place is None:
                yield ClientPage(clients, {"since": _end(listing, newest, began).isoformat()})
            else:
                here = {"newest": newest.isoformat(), "began": began.isoformat()}
                yield ClientPage(clients, {**kept, **here, "place": page.place, "by": by})

    def read(self, item: Any) -> PmsClient:
        """A client of a list, or of an answer. Raises Temporary for what is none."""
        record, what = self._described.client, "a client"
        zone = str(self._sender.given["timezone"])
        client_id = read_id(record.id, item, what)
        if is_true(record.is_deleted, item, what):
            merged = read_text(record.merged_into, item, what)
            return PmsClient(client_id, "", is_deleted=True, merged_into=merged or None)
        return PmsClient(
            client_id,
            read_text(record.name, item, what).strip(),
            tuple(_phones(read_several(record.phones, item, what))),
            tuple(read_texts(record.patients, item, what)),
            read_moment(record.updated_at, item, zone, what),
        )

    def _listing(self, *, is_delta: bool) -> Listing:
        whole, changes = self._described.list_clients, self._described.changed_clients
        found = (changes or whole) if is_delta else (whole or changes)
        if found is None:
            raise NotImplementedError("list_clients is not described")
        return found

    def _pages(
        self, listing: Listing, given: Variables, place: str | None = None
    ) -> Iterator[Page]:
        try:
            yield from walk_pages(self._sender, listing, given, place)
        except RecordGone as error:
            said = "base_url, or a path of the description, leads to nothing"
            raise CredentialsRejected(said, status=error.status) from None


def _since(listing: Listing, since: datetime) -> Variables:
    if not isinstance(listing, Changes):
        return {}
    overlap = timedelta(seconds=listing.overlap_seconds)
    return {"since": max(since, EVER + overlap) - overlap}


def _end(listing: Listing, newest: datetime, began: datetime) -> datetime:
    """From when on the next walk is to tell of changes."""
    is_sorted = isinstance(listing, Changes) and listing.sorted
    if is_sorted and newest < began + timedelta(days=1):
        return newest
    # What changed behind the walk's back, when it had passed, or bears a date of the future.
    return min(newest, began)


def _phones(found: Any) -> Iterator[Phone]:
    for each in found:
        if isinstance(each, str | int) and each:
            yield Phone(str(each))
        elif isinstance(each, dict):
            number, label = each.get("number"), each.get("label")
            if number:
                yield Phone(str(number), str(label or ""))
        elif each:
            raise odd("a client's numbers")


def _told_at(page: Page) -> datetime:
    """When it was told, by the PMS's clock where it says."""
    try:
        return parsedate_to_datetime(page.headers.get("Date", "")).astimezone(UTC)
    except (ValueError, TypeError):
        return utc_now()


def _moment(stamp: str | None) -> datetime | None:
    return datetime.fromisoformat(stamp) if stamp else None
