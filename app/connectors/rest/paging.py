"""Lists that come in pages, each style of them walked in one way: by a place that resumes.

A place is a text: a page's number, how many items to pass over, a mark, or the path of an address.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from ...errors import CredentialsRejected, RecordGone, Temporary
from ...http import Answer
from .answers import odd, read_list, read_text
from .filling import Variables
from .requests import Listing, Paging
from .sending import Sender

NEXT_LINK = re.compile(r"<([^<>]*)>(?=[^<>]*;\s*rel=\"?next\b)", re.IGNORECASE)
BY_ADDRESS = ("next_url", "link")
THE_SAME = "the PMS told the same page twice: look at `paging` in its description"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `place` leads to the next one; None for the last."""

    items: list[Any]
    place: str | None
    headers: Mapping[str, str]


def walk_pages(
    sender: Sender, listing: Listing, given: Variables, place: str | None = None
) -> Iterator[Page]:
    """The pages of a list from a place on, else from its beginning. Raises the tree of
    ConnectorError, Temporary for pages that repeat."""
    at: str | None = place if place is not None else _first(listing.paging)
    seen: set[str] = set()
    before: list[Any] = []
    while at is not None:
        seen.add(at)
        page = _read(sender, listing, given, at)
        if page.place in seen or (page.items and page.items == before):
            raise Temporary(THE_SAME)
        yield page
        at, before = page.place, page.items


def _read(sender: Sender, listing: Listing, given: Variables, at: str) -> Page:
    paging = listing.paging
    by_address = at and paging is not None and paging.kind in BY_ADDRESS
    url = _origin(sender.base) + at if by_address else None
    try:
        answer = sender.send(listing, {**given, **_variables(paging, at)}, url)
    except RecordGone:
        if not listing.empty_when_404:
            raise
        return Page([], None, {})
    items = read_list(listing.items, answer.json, "its list")
    place = _next(paging, at, items, answer, url or sender.base) if paging else None
    return Page(items, place, answer.headers)


def _first(paging: Paging | None) -> str:
    if paging is None or paging.kind not in ("page", "offset"):
        return ""
    return str(paging.first) if paging.kind == "page" else "0"


def _variables(paging: Paging | None, at: str) -> Variables:
    kind = paging.kind if paging else ""
    return {
        "page": int(at) if kind == "page" else "",
        "offset": int(at) if kind == "offset" else "",
        "cursor": at if kind == "cursor" else "",
        "size": paging.size if paging and paging.size else "",
    }


def _next(paging: Paging, at: str, items: list[Any], answer: Answer, asked: str) -> str | None:
    match paging.kind:
        case "page" | "offset":
            if not items or len(items) < (paging.size or 0):
                return None
            return str(int(at) + (1 if paging.kind == "page" else len(items)))
        case "cursor":
            return read_text(paging.next, answer.json, "where its list goes on") or None
        case "next_url":
            found = read_text(paging.next, answer.json, "where its list goes on")
        case "link":
            link = NEXT_LINK.search(answer.headers.get("Link", ""))
            found = link[1] if link else ""
    return _path(found, asked) if found else None


def _path(address: str, asked: str) -> str:
    """Path and query of an address of the same host, where alone the secrets may go. Its scheme is
    ours: behind a proxy a PMS often takes itself to be at http."""
    try:
        there, here = urlsplit(urljoin(asked, address)), urlsplit(asked)
    except ValueError:
        raise odd("where its list goes on") from None
    if there.hostname != here.hostname:
        raise CredentialsRejected("the PMS's list goes on at another host than base_url's")
    return f"{there.path}?{there.query}" if there.query else there.path


def _origin(base: str) -> str:
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}"
