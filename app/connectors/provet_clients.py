"""Provet Cloud's clients: found by number, walked as a whole, and followed by their changes.

Used by the connector in `provet.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import Temporary
from .base import ClientPage, Phone, PmsClient
from .spellings import may_have

Json = dict[str, Any]
Pages = Callable[[str, Mapping[str, str]], Iterator[tuple[list[Json], str | None]]]
"""Reads a list, by its path or the address of one of its pages, and a query: records and the
address of the next page, page by page."""

MOST_PAGES = 5
"""Of whom has a number: there would be more only where a filter is not heeded."""
LOOK_BACK = timedelta(minutes=1)
"""How far a delta looks back, for what was being written while the last one was told."""
TAIL = 4
"""The last digits of a number, which hardly any spelling parts."""
ODD_ANSWER = "Provet Cloud answered in a form that its documentation does not know"


def find_clients(pages: Pages, phone_filter: str, number: str) -> list[PmsClient]:
    """The clients that have this number (E.164)."""
    is_partial = phone_filter.endswith("contains")
    found: list[PmsClient] = []
    query = {phone_filter: number[-TAIL:] if is_partial else number}
    for place, (records, _) in enumerate(pages("client/", query)):
        if place == MOST_PAGES:
            raise Temporary("Provet Cloud does not heed phone_filter: see connection test")
        found += map(read_client, records)
    return [
        each
        for each in found
        # Part of a number is many people's: without the whole of it nobody is told.
        if not each.is_deleted and may_have(each, number) and (each.phones or not is_partial)
    ]


def walk_clients(pages: Pages, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
    """Pages of all clients, archived ones included, or of those changed since `cursor`."""
    place = dict(cursor or {})
    since, began = place.get("since", ""), place.get("began", "")
    query = {} if "next" in place or not since else {"modified__gte": _earlier(since)}
    for records, more in pages(place.get("next", "client/"), query):
        clients = tuple(map(read_client, records))
        # Nothing of the first page can have changed after the walk began. What changes during it
        # may belong on a page that was told already, so the next delta is of all since then.
        stamps = (each.updated_at.isoformat() for each in clients if each.updated_at)
        began = began or max([since, *stamps])
        if more is None:
            yield ClientPage(clients, {"since": began} if began else {})
        else:
            yield ClientPage(clients, {"next": more, "since": since, "began": began})


def read_client(record: Json) -> PmsClient:
    """Raises Temporary for what is no client."""
    try:
        name = f"{record.get('firstname') or ''} {record.get('lastname') or ''}".strip()
        modified = datetime.fromisoformat(str(record["modified"]))
        return PmsClient(
            id=str(record["id"]),
            name=name or str(record.get("organization_name") or ""),
            phones=tuple(
                Phone(str(each["phone_number"]), str(each.get("description") or ""))
                for each in record.get("phone_numbers") or []
                if isinstance(each, dict) and each.get("phone_number")
            ),
            updated_at=modified.astimezone(UTC),
            is_deleted=record.get("archived") is True,
        )
    except (TypeError, KeyError, ValueError):
        raise Temporary(ODD_ANSWER) from None


def has_untold_numbers(record: Json) -> bool:
    """Whether it tells where the client's numbers are, and not which they are."""
    numbers = record.get("phone_numbers")
    return isinstance(numbers, list) and any(isinstance(each, str) for each in numbers)


def _earlier(stamp: str) -> str:
    moment = datetime.fromisoformat(stamp) - LOOK_BACK
    return moment.strftime("%Y-%m-%d %H:%M+00:00")
