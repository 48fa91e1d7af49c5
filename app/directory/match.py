"""Whom a number belongs to: looked up in the tables, decided by a pure function.

Settling calls it inside its transaction; nothing here asks the PMS.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import phonenumbers
import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Client, ClientNumber, Clinic, NumberRule

MERGE_STEPS = 10
"""How far a chain of merged clients is followed."""
WRITTEN_ABROAD = ("+", "00", "011")


@dataclass(frozen=True, slots=True)
class Decided:
    """Whom a number belongs to.

    `kind` is 'client' (then `client` is the PMS's id), 'several' (then `candidates` are),
    'none', 'withheld' or 'ignored'; `rule` says in words what decided.
    """

    kind: str
    client: str = ""
    candidates: tuple[str, ...] = ()
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a person said of the number: 'map', 'not' or 'ignore'.

    `stands_for` is the client that `client` is now, after merges; '' if it is gone.
    """

    kind: str
    by: str
    client: str = ""
    stands_for: str = ""
    why: str = ""

    @property
    def in_words(self) -> str:
        """Who said it, and why if that was said."""
        return f"{self.by}: {self.why}" if self.why else self.by


@dataclass(frozen=True, slots=True)
class Owner:
    """A client that has the number: as E.164 (`is_exact`), or as a national number."""

    client: str
    stands_for: str
    is_exact: bool = True


def decide(rulings: Sequence[Ruling], owners: Iterable[Owner]) -> Decided:
    """Decide from the rulings in force, newest first, and the owners in any order."""
    denied: set[str] = set()
    for ruling in rulings:
        if ruling.kind == "ignore":
            return Decided("ignored", rule=f"ignored by {ruling.in_words}")
        if ruling.kind == "not":
            denied.add(ruling.client)
        elif ruling.stands_for and not denied & {ruling.client, ruling.stands_for}:
            return Decided("client", ruling.stands_for, rule=f"mapped by {ruling.in_words}")
    left = [
        owner
        for owner in owners
        if owner.stands_for and not denied & {owner.client, owner.stands_for}
    ]
    exact = {owner.stands_for for owner in left if owner.is_exact}
    if exact:
        return _among(exact, "this number")
    return _among({owner.stands_for for owner in left}, "this number without a country code")


def match_number(
    session: Session, clinic_id: int, number: str, national: str, now: datetime
) -> Decided:
    """Look a number up in the directory and decide.

    `number` is E.164, or as it came where it cannot be read (then `national` is ''); '' is a
    withheld one. Reads the tables only.
    """
    if not number:
        return Decided("withheld", rule="the number is withheld")
    rules = session.execute(
        sa.select(NumberRule.kind, NumberRule.client, NumberRule.made_by, NumberRule.why)
        .where(
            NumberRule.clinic_id == clinic_id,
            NumberRule.number == number,
            NumberRule.revoked_at.is_(None),
            sa.or_(NumberRule.expires_at.is_(None), NumberRule.expires_at > now),
        )
        .order_by(NumberRule.made_at.desc(), NumberRule.id.desc())
    ).all()
    rows = _owner_rows(session, clinic_id, number, national)
    asked = {rule.client for rule in rules if rule.kind == "map"}
    asked |= {row.external_id for row in rows if row.merged_into}
    now_are = _follow_merges(session, clinic_id, asked)
    return decide(
        [
            Ruling(rule.kind, rule.made_by, rule.client, now_are.get(rule.client, ""), rule.why)
            for rule in rules
        ],
        [
            Owner(
                row.external_id, now_are.get(row.external_id, row.external_id), row.number == number
            )
            for row in rows
        ],
    )


def _among(clients: set[str], what: str) -> Decided:
    if not clients:
        return Decided("none", rule="no client has this number")
    if len(clients) == 1:
        return Decided("client", min(clients), rule=f"one client has {what}")
    return Decided(
        "several",
        candidates=tuple(sorted(clients)),
        rule=f"{len(clients)} clients share {what}",
    )


def _owner_rows(
    session: Session, clinic_id: int, number: str, national: str
) -> list[sa.Row[str, str | None, str, str]]:
    here = ClientNumber.clinic_id == clinic_id
    either = sa.and_(here, ClientNumber.number == number)
    if national:
        either = sa.or_(either, sa.and_(here, ClientNumber.national == national))
    rows = session.execute(
        sa.select(Client.external_id, Client.merged_into, ClientNumber.number, ClientNumber.raw)
        .join(Client, Client.id == ClientNumber.client_id)
        .where(either, sa.or_(Client.deleted_at.is_(None), Client.merged_into.is_not(None)))
    ).all()
    if all(row.number == number for row in rows):
        return list(rows)
    if not _is_domestic(session, clinic_id, number, national):
        return [row for row in rows if row.number == number]
    # A number the PMS keeps with its country code is another phone, whatever digits they share.
    return [row for row in rows if row.number == number or not row.raw.startswith(WRITTEN_ABROAD)]


def _is_domestic(session: Session, clinic_id: int, number: str, national: str) -> bool:
    region = session.scalars(sa.select(Clinic.region).where(Clinic.id == clinic_id)).one()
    return number == f"+{phonenumbers.country_code_for_region(region)}{national}"


def _follow_merges(session: Session, clinic_id: int, asked: set[str]) -> dict[str, str]:
    """Each client's living self: itself, the one it was merged into, or '' if that is gone.

    A client that the directory does not know is taken for living: the PMS or a person named it.
    """
    now_are = {client: client for client in asked}
    open_ends = set(asked)
    for _ in range(MERGE_STEPS):
        if not open_ends:
            return now_are
        found = {
            row.external_id: row.merged_into or ("" if row.deleted_at else row.external_id)
            for row in session.execute(
                sa.select(Client.external_id, Client.merged_into, Client.deleted_at).where(
                    Client.clinic_id == clinic_id, Client.external_id.in_(sorted(open_ends))
                )
            )
        }
        moved = {end: found.get(end, end) for end in open_ends}
        now_are = {client: moved.get(end, end) for client, end in now_are.items()}
        open_ends = {after for before, after in moved.items() if after and after != before}
    return {client: "" if end in open_ends else end for client, end in now_are.items()}
