"""The part of a trial that reads: clients are listed and searched, a reference is looked up."""

import secrets
from collections.abc import Iterator, Sequence

from ..numbers import NumberKind, read_numbers
from .base import Connector, Kind, PmsClient
from .trial_steps import Odd, Step, leave_out, take_step


def try_reading(
    connector: Connector, region: str, number: str | None, *, may_be_empty: bool
) -> Iterator[Step]:
    """List a page of clients, search for `number` (E.164), else for one of theirs, read as in
    `region`, and look for a note that is not there. A PMS without any client is not as it should
    be, unless it `may_be_empty`."""
    listed: list[PmsClient] = []
    able = connector.capabilities
    yield take_step(
        "List the first page of clients",
        lambda: _list(connector, listed, may_be_empty=may_be_empty),
    )
    sought = number or _find_number(listed, region)
    if not able.search_by_phone:
        yield leave_out("Search by number", "find_clients")
    elif sought is None:
        yield Step("Search by number", "left out: no number is known to search for", None)
    else:
        ids = {each.id for each in listed if number is None and _has(each, sought, region)}
        yield take_step("Search by number", lambda: _search(connector, sought, ids))
    if able.find_by_reference and listed:
        yield take_step(
            "Look for a note that is not there", lambda: _find_none(connector, listed[0].id)
        )


def _list(connector: Connector, listed: list[PmsClient], *, may_be_empty: bool) -> str:
    page = next(iter(connector.iter_clients(None)), None)
    listed += [each for each in (page.clients if page else ()) if not each.is_deleted]
    if not listed and may_be_empty:
        return "there is no client in the PMS yet"
    if not listed:
        raise Odd("there is no client on it", "items, or add one in the PMS")
    with_number = sum(1 for each in listed if each.phones)
    if not with_number:
        raise Odd(f"none of {len(listed)} clients has a number", "client.phones")
    if not any(each.name for each in listed):
        raise Odd(f"none of {len(listed)} clients has a name", "client.name")
    count = "1 client" if len(listed) == 1 else f"{len(listed)} clients"
    return f"{count}, {with_number} of them with a number"


def _search(connector: Connector, number: str, ids: set[str]) -> str:
    found = {each.id for each in connector.find_clients(number)}
    if lacking := ids - found:
        raise Odd(
            f"{len(lacking)} of the clients listed before that have this number are not found by"
            " it",
            "find_clients, and at its spellings",
        )
    return f"found {len(found)}"


def _find_none(connector: Connector, client_id: str) -> str:
    mark = f"rn-none-{secrets.token_hex(5)}"
    if connector.find_by_reference(Kind.NOTE, client_id, mark):
        raise Odd("a note was found for a reference that none has", "find_note")
    return "none is found, as it should be"


def _find_number(listed: Sequence[PmsClient], region: str) -> str | None:
    numbers = (number for each in listed for number in _numbers(each, region))
    return next(numbers, None)


def _has(client: PmsClient, number: str, region: str) -> bool:
    return number in _numbers(client, region)


def _numbers(client: PmsClient, region: str) -> list[str]:
    return [
        read.e164
        for phone in client.phones
        for read in read_numbers(phone.number, region)
        if read.kind is NumberKind.PHONE
    ]
