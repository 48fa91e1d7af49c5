"""What is wrong with a clinic's numbers in its PMS, the costliest first. Reads only.

What a flaw costs is told from the traffic: the calls and texts that waited, or were nobody's,
because of it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import phonenumbers
import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Call, Client, ClientNumber, Clinic, Line, Match
from .flaws import LABELLED, SHORT, UNREADABLE

AT_ONCE = 1000
TAIL_DIGITS = 7
"""Of a caller's number: what is left of it where the area code is missing or wrong."""
WAITED = ("none", "several")
HAS_FLAWS = sa.cast(Client.flaws, sa.Text).not_in(("[]", "null"))
SAYS = {
    "shared": "several clients have this number",
    SHORT: "the area code is missing",
    UNREADABLE: "no number can be read from it",
    "abroad": "the number is of another country",
    "own_line": "the clinic's own number",
    "without_number": "the client has no number",
    LABELLED: "there are words inside the number",
}
"""What each kind of finding says, those that are surely wrong before those that may be meant."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend. `waited` calls and texts were held up by it; `calls` came in all.

    `client` is '' and `name` the number of clients where it concerns several, `clients` are some.
    """

    kind: str
    client: str
    name: str
    field: str
    waited: int
    calls: int
    clients: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        """What is wrong, in words."""
        return SAYS[self.kind]


@dataclass(frozen=True, slots=True)
class _Traffic:
    """What called: how often by number, how often in vain by number, by its end, by its name."""

    calls: Mapping[str, int]
    waited: Mapping[str, int]
    strangers: Mapping[str, int]
    """Of those that nobody has: by the last digits."""
    names: Mapping[tuple[str, ...], int]
    """Of those that nobody has: by the words of the caller's name."""


def find_flaws(session: Session, clinic: Clinic) -> list[Finding]:
    """Everything there is to mend, what held up most first; then by kind and client."""
    traffic = _read_traffic(session, clinic.id)
    found = [
        *_shared(session, clinic.id, traffic),
        *_of_numbers(session, clinic, traffic),
        *_of_fields(session, clinic.id, traffic),
        *_without_number(session, clinic.id, traffic),
    ]
    kinds = list(SAYS)
    found.sort(key=lambda each: (-each.waited, -each.calls, kinds.index(each.kind), each.client))
    return found


def _read_traffic(session: Session, clinic_id: int) -> _Traffic:
    calls: Counter[str] = Counter()
    waited: Counter[str] = Counter()
    strangers: Counter[str] = Counter()
    query = sa.select(Match.number, Match.kind, sa.func.count()).where(
        Match.clinic_id == clinic_id, Match.number != ""
    )
    for number, kind, count in session.execute(query.group_by(Match.number, Match.kind)):
        calls[number] += count
        waited[number] += count if kind in WAITED else 0
        if kind == "none":
            strangers[number[-TAIL_DIGITS:]] += count
    return _Traffic(calls, waited, strangers, _names_of_strangers(session, clinic_id))


def _names_of_strangers(session: Session, clinic_id: int) -> Counter[tuple[str, ...]]:
    shown = Call.summary["caller_name"].as_string()
    rows = session.execute(
        sa.select(shown, sa.func.count())
        .join(Match, sa.and_(Match.subject_kind == "call", Match.subject_id == Call.id))
        .where(Match.clinic_id == clinic_id, Match.kind == "none")
        .group_by(shown)
    )
    names: Counter[tuple[str, ...]] = Counter()
    for name, count in rows:
        if len(words := _words(name or "")) > 1:
            names[words] += count
    return names


def _shared(session: Session, clinic_id: int, traffic: _Traffic) -> Iterator[Finding]:
    several = (
        sa.select(ClientNumber.number)
        .join(Client, Client.id == ClientNumber.client_id)
        .where(ClientNumber.clinic_id == clinic_id, Client.deleted_at.is_(None))
        .group_by(ClientNumber.number)
        .having(sa.func.count() > 1)
    )
    owners: dict[str, list[str]] = defaultdict(list)
    for number, client in session.execute(
        sa.select(ClientNumber.number, Client.external_id)
        .join(Client, Client.id == ClientNumber.client_id)
        .where(
            ClientNumber.clinic_id == clinic_id,
            Client.deleted_at.is_(None),
            ClientNumber.number.in_(several),
        )
        .order_by(Client.external_id)
    ):
        owners[number].append(client)
    for number, clients in owners.items():
        waited, calls = traffic.waited[number], traffic.calls[number]
        name = f"{len(clients)} clients"
        yield Finding("shared", "", name, number, waited, calls, tuple(clients))


def _of_numbers(session: Session, clinic: Clinic, traffic: _Traffic) -> Iterator[Finding]:
    """Numbers that are read, but of another country, or the clinic's own."""
    country = f"+{phonenumbers.country_code_for_region(clinic.region)}"
    own = sa.select(Line.number).where(Line.clinic_id == clinic.id)
    is_own = ClientNumber.number.in_(own)
    rows = session.execute(
        _numbers(clinic.id)
        .add_columns(is_own.label("is_own"))
        .where(sa.or_(is_own, ~ClientNumber.number.startswith(country, autoescape=True)))
        .execution_options(yield_per=AT_ONCE)
    )
    for row in rows:
        calls = traffic.calls[row.number]
        if row.is_own:
            yield Finding("own_line", row.external_id, row.name, row.raw, calls, calls)
        else:
            waited = traffic.strangers[row.number[-TAIL_DIGITS:]]
            yield Finding("abroad", row.external_id, row.name, row.raw, waited, calls)


def _of_fields(session: Session, clinic_id: int, traffic: _Traffic) -> Iterator[Finding]:
    """Fields from which nothing was read, or a number with words in it."""
    rows = session.execute(
        sa.select(Client.external_id, Client.name, Client.flaws)
        .where(
            Client.clinic_id == clinic_id,
            Client.deleted_at.is_(None),
            HAS_FLAWS,
        )
        .execution_options(yield_per=AT_ONCE)
    )
    for row in rows:
        for flaw in row.flaws or ():
            digits = "".join(sign for sign in flaw["raw"] if sign.isdecimal())
            tail = digits[-TAIL_DIGITS:]
            waited = traffic.strangers[tail] if flaw["kind"] != LABELLED else 0
            yield Finding(flaw["kind"], row.external_id, row.name, flaw["raw"], waited, waited)


def _without_number(session: Session, clinic_id: int, traffic: _Traffic) -> Iterator[Finding]:
    has_one = sa.select(ClientNumber.id).where(ClientNumber.client_id == Client.id).exists()
    rows = session.execute(
        sa.select(Client.external_id, Client.name)
        .where(
            Client.clinic_id == clinic_id,
            Client.deleted_at.is_(None),
            ~has_one,
            ~sa.func.coalesce(HAS_FLAWS, sa.false()),
        )
        .execution_options(yield_per=AT_ONCE)
    )
    for row in rows:
        waited = traffic.names[_words(row.name)]
        yield Finding("without_number", row.external_id, row.name, "", waited, waited)


def _numbers(clinic_id: int) -> sa.Select[*tuple[Any, ...]]:
    return (
        sa.select(Client.external_id, Client.name, ClientNumber.number, ClientNumber.raw)
        .join(Client, Client.id == ClientNumber.client_id)
        .where(ClientNumber.clinic_id == clinic_id, Client.deleted_at.is_(None))
    )


def _words(name: str) -> tuple[str, ...]:
    """A name's words in one order: phone networks write the last name first."""
    return tuple(sorted(name.casefold().replace(",", " ").split()))
