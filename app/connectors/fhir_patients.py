"""FHIR's Patients as clients: found by number, walked as a whole, and followed by their changes.

Used by the connector in `fhir.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin

from ..errors import Temporary
from .base import ClientPage, Phone, PmsClient
from .fhir_resources import ODD_ANSWER, Resource, resources_in
from .spellings import spell

Get = Callable[..., Resource]
"""Reads a URL (and a query) as JSON."""

PAGE = "200"
MAX_PAGES_OF_A_NUMBER = 20
LOOK_BACK = timedelta(minutes=1)
"""How far a delta looks back, for what was being written while the last one was told."""
ELEMENTS = "name,telecom,active,link"


def find_patients(get: Get, root: str, number: str) -> list[PmsClient]:
    """The patients that have this number (E.164) in any usual spelling."""
    # A comma means "or", so one that a value holds would have to be escaped; none does.
    query = {"phone": ",".join(spell(number)), "_count": PAGE}
    found: list[PmsClient] = []
    url: str | None = f"{root}/Patient"
    for _ in range(MAX_PAGES_OF_A_NUMBER):
        bundle = get(url, query)
        found += _clients(bundle)
        url, query = _next(bundle, root), {}
        if url is None:
            break
    return [client for client in found if not client.is_deleted]


def walk_patients(get: Get, root: str, cursor: Mapping[str, str] | None) -> Iterator[ClientPage]:
    """Pages of all patients, or of those changed since `cursor`, in the order of their changes."""
    place = dict(cursor or {})
    newest = place.get("newest", "")
    url, query = place.get("next") or f"{root}/Patient", None
    if "next" not in place:
        query = {"_sort": "_lastUpdated", "_count": PAGE, "_elements": ELEMENTS}
        query |= {"_lastUpdated": f"ge{_earlier(newest)}"} if newest else {}
    while True:
        bundle = get(url, query)
        clients = _clients(bundle)
        stamps = (client.updated_at.isoformat() for client in clients if client.updated_at)
        newest = max([newest, *stamps])
        more, query = _next(bundle, root), None
        if more is None:
            yield ClientPage(clients, {"newest": newest} if newest else {})
            return
        url = more
        yield ClientPage(clients, {"next": url, "newest": newest})


def _clients(bundle: Resource) -> tuple[PmsClient, ...]:
    try:
        return tuple(map(_client, resources_in(bundle, "Patient")))
    except (TypeError, KeyError, AttributeError, ValueError):
        raise Temporary(ODD_ANSWER) from None


def _client(patient: Resource) -> PmsClient:
    updated_at = patient.get("meta", {}).get("lastUpdated")
    replaced_by = [
        link["other"]["reference"].rpartition("/")[2]
        for link in patient.get("link", [])
        if link.get("type") == "replaced-by"
    ]
    return PmsClient(
        id=str(patient["id"]),
        name=_name(patient.get("name", [])),
        phones=tuple(
            Phone(str(each["value"]), str(each.get("use", "")))
            for each in patient.get("telecom", [])
            if each.get("system") in ("phone", "sms") and each.get("value")
        ),
        updated_at=datetime.fromisoformat(updated_at).astimezone(UTC) if updated_at else None,
        is_deleted=patient.get("active") is False or bool(replaced_by),
        merged_into=replaced_by[0] if replaced_by else None,
    )


def _name(names: list[Resource]) -> str:
    if not names:
        return ""
    name = next((each for each in names if each.get("use") in ("official", "usual")), names[0])
    return str(
        name.get("text") or " ".join([*name.get("given", []), name.get("family", "")])
    ).strip()


def _next(bundle: Resource, root: str) -> str | None:
    """The address of the next page. Raises Temporary for one elsewhere, where no token may go."""
    for link in bundle.get("link", []):
        if link.get("relation") == "next" and link.get("url"):
            url = urljoin(f"{root}/", str(link["url"]))
            if not url.startswith((f"{root}/", f"{root}?")):
                raise Temporary("the FHIR server's next page is at an address that is not its own")
            return url
    return None


def _earlier(stamp: str) -> str:
    return (datetime.fromisoformat(stamp) - LOOK_BACK).isoformat()
