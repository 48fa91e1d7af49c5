"""Trying a description out against the real PMS, step by step, each with what was exchanged.

Nothing is written unless a client is named for it, and then everything is removed again.
"""

import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from ...numbers import NumberKind, read_numbers
from ..base import Connector, Kind, PmsClient
from .steps import LEFT, Odd, Step, take_step
from .trial_writing import try_writing

RECENT = timedelta(days=1)


def try_out(
    connector: Connector, region: str, number: str | None, client_id: str | None, now: datetime
) -> Iterator[Step]:
    """Sign in, list, search and follow; on a client that is named write, read, change and remove
    what Ringnote writes. `number` (E.164) is searched for, else a number of the first client that
    has one, read as in `region`."""
    accounts: list[str] = []
    yield take_step("Sign in", lambda: _sign_in(connector, accounts))
    if accounts:
        yield from _try_reading(connector, region, number, now)
        yield from try_writing(connector, client_id, now) if client_id else ()


def _try_reading(
    connector: Connector, region: str, number: str | None, now: datetime
) -> Iterator[Step]:
    listed: list[PmsClient] = []
    able = connector.capabilities
    yield take_step("List the first page of clients", lambda: _list(connector, listed))
    sought = number or _find_number(listed, region)
    if not able.search_by_phone:
        yield Step("Search by number", LEFT.format(name="find_clients"), None)
    elif sought is None:
        yield Step("Search by number", "left out: no number is known; give --number", None)
    else:
        ids = {each.id for each in listed if number is None and _has(each, sought, region)}
        yield take_step("Search by number", lambda: _search(connector, sought, ids))
    if able.delta_sync:
        yield take_step("Follow the changes of a day", lambda: _follow(connector, now - RECENT))
    else:
        yield Step("Follow the changes", LEFT.format(name="changed_clients"), None)
    if able.find_by_reference and listed:
        yield take_step(
            "Look for a note that is not there", lambda: _find_none(connector, listed[0].id)
        )


def _sign_in(connector: Connector, accounts: list[str]) -> str:
    result = connector.check()
    accounts.append(result.account)
    if result.missing:
        raise Odd(f"signed in, but the account may not {'; nor '.join(result.missing)}")
    return f"signed in to {result.account}"


def _list(connector: Connector, listed: list[PmsClient]) -> str:
    page = next(iter(connector.iter_clients(None)), None)
    listed += [each for each in (page.clients if page else ()) if not each.is_deleted]
    if not listed:
        raise Odd("there is no client on it: look at items, or add one in the PMS")
    with_number = sum(1 for each in listed if each.phones)
    if not with_number:
        raise Odd(f"none of {len(listed)} clients has a number: look at client.phones")
    if not any(each.name for each in listed):
        raise Odd(f"none of {len(listed)} clients has a name: look at client.name")
    return f"{len(listed)} clients, {with_number} of them with a number"


def _search(connector: Connector, number: str, ids: set[str]) -> str:
    found = {each.id for each in connector.find_clients(number)}
    if lacking := ids - found:
        raise Odd(
            f"{len(lacking)} of the clients listed before that have this number are not found by"
            " it: look at find_clients, and at its spellings"
        )
    return f"found {len(found)}"


def _follow(connector: Connector, since: datetime) -> str:
    page = next(iter(connector.iter_clients({"since": since.isoformat()})), None)
    changed = page.clients if page else ()
    stamps = [each.updated_at for each in changed if each.updated_at]
    if stamps and max(stamps) < since - RECENT:
        raise Odd("what it tells changed long before: look at since and client.updated_at")
    return f"{len(changed)} on the first page"


def _find_none(connector: Connector, client_id: str) -> str:
    mark = f"rn-none-{secrets.token_hex(5)}"
    if connector.find_by_reference(Kind.NOTE, client_id, mark):
        raise Odd("a note was found for a reference that none has: look at find_note")
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
