"""Whom a number belongs to: looked up in the tables, decided by a pure function.

Settling calls it inside its transaction; nothing here asks the PMS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import phonenumbers
import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Client, ClientNumber, Clinic, Match, NumberRule, Policy
from ..once import once
from .accounts import read_foreign_times
from .matching import Matching
from .merges import follow_merges
from .ownership import Decided, Owner, Ruling, decide

Found = sa.Row[*tuple[Any, ...]]
WRITTEN_ABROAD = ("+", "00", "011")
OF_FORMER = "no client of this PMS account has this number; one of a former account has, or had"

# Statements are built once: every match needs them, and building them takes longer than they do.
RULES = (
    sa.select(
        NumberRule.id,
        NumberRule.kind,
        NumberRule.client,
        NumberRule.made_by,
        NumberRule.made_at,
        NumberRule.why,
    )
    .where(
        NumberRule.clinic_id == sa.bindparam("clinic_id"),
        NumberRule.number == sa.bindparam("number"),
        NumberRule.revoked_at.is_(None),
        sa.or_(NumberRule.expires_at.is_(None), NumberRule.expires_at > sa.bindparam("now")),
    )
    .order_by(NumberRule.made_at.desc(), NumberRule.id.desc())
)
HERE = ClientNumber.clinic_id == sa.bindparam("clinic_id")
BY_NUMBER = sa.and_(HERE, ClientNumber.number == sa.bindparam("number"))
BY_NATIONAL = sa.and_(HERE, ClientNumber.national == sa.bindparam("national"))
OWNERS = (
    sa.select(
        Client.id,
        Client.external_id,
        Client.name,
        Client.merged_into,
        Client.updated_at,
        Client.seen_at,
        ClientNumber.number,
        ClientNumber.raw,
        ClientNumber.label,
    )
    .join(Client, Client.id == ClientNumber.client_id)
    .where(sa.or_(Client.deleted_at.is_(None), Client.merged_into.is_not(None)))
)
OWNERS_BY_NUMBER = OWNERS.where(BY_NUMBER)
OWNERS_BY_EITHER = OWNERS.where(sa.or_(BY_NUMBER, BY_NATIONAL))


def match_number(
    session: Session,
    clinic_id: int,
    number: str,
    national: str,
    now: datetime,
    caller_name: str = "",
) -> Decided:
    """Look a number up in the directory and decide, by the clinic's newest policy.

    `number` is E.164, or as it came where it cannot be read (then `national` is ''); '' is a
    withheld one. Reads the tables only.
    """
    if not number:
        return Decided("withheld", rule="the number is withheld")
    foreign = read_foreign_times(session, clinic_id)
    given = {"clinic_id": clinic_id, "number": number}
    all_rules = session.execute(RULES, given | {"now": now}).all()
    rules = [each for each in all_rules if each.kind == "ignore" or not foreign.hold(each.made_at)]
    all_rows = _owner_rows(session, clinic_id, number, national)
    rows = [each for each in all_rows if not foreign.hold_client(each)]
    asked = {rule.client for rule in rules if rule.kind in ("map", "pick")}
    asked |= {row.external_id for row in rows if row.merged_into}
    now_are = follow_merges(session, clinic_id, asked)
    rulings = [
        Ruling(
            rule.kind, rule.made_by, rule.client, now_are.get(rule.client, ""), rule.why, rule.id
        )
        for rule in rules
    ]
    owners = [_owner(row, now_are, is_exact=row.number == number) for row in rows]
    decided = decide(rulings, owners)
    if decided.kind == "none" and (len(rows), len(rules)) != (len(all_rows), len(all_rules)):
        return replace(decided, rule=OF_FORMER)
    if decided.kind != "several":
        return decided
    matching = read_matching(session, clinic_id)
    if matching.shared == "most_recently_active":
        owners = _with_activity(session, clinic_id, owners)
    return decide(rulings, owners, matching, caller_name)


def keep_decision(match: Match, decided: Decided, now: datetime) -> None:
    """Write what was decided into a match, with what decided it."""
    match.kind, match.client, match.rule = decided.kind, decided.client, decided.rule
    match.candidates, match.number_rule_id = list(decided.candidates), decided.by_rule
    match.decided_at = now


def read_matching(session: Session, clinic_id: int) -> Matching:
    """How the clinic's newest policy has numbers matched."""
    return once(session, ("matching", clinic_id), lambda: _read_matching(session, clinic_id))


def _read_matching(session: Session, clinic_id: int) -> Matching:
    newest = sa.select(Policy.rules).where(Policy.clinic_id == clinic_id)
    rules = session.scalars(newest.order_by(Policy.version.desc()).limit(1)).first()
    return Matching.model_validate((rules or {}).get("matching", {}))


def _owner(row: Found, now_are: Mapping[str, str], *, is_exact: bool) -> Owner:
    return Owner(
        client=row.external_id,
        stands_for=now_are.get(row.external_id, row.external_id),
        is_exact=is_exact,
        name=row.name,
        label=row.label,
        seniority=row.id,
        changed_at=row.updated_at,
    )


def _with_activity(session: Session, clinic_id: int, owners: Sequence[Owner]) -> list[Owner]:
    """The owners with the key of their latest match: who was heard of later has the greater."""
    clients = sorted({owner.stands_for for owner in owners})
    query = (
        sa.select(Match.client, sa.func.max(Match.id))
        .where(Match.clinic_id == clinic_id, Match.client.in_(clients))
        .group_by(Match.client)
    )
    latest = {row[0]: row[1] for row in session.execute(query)}
    return [replace(owner, last_active=latest.get(owner.stands_for, 0)) for owner in owners]


def _owner_rows(session: Session, clinic_id: int, number: str, national: str) -> list[Found]:
    given = {"clinic_id": clinic_id, "number": number}
    if national:
        rows = session.execute(OWNERS_BY_EITHER, given | {"national": national}).all()
    else:
        rows = session.execute(OWNERS_BY_NUMBER, given).all()
    if all(row.number == number for row in rows):
        return list(rows)
    if not _is_domestic(session, clinic_id, number, national):
        return [row for row in rows if row.number == number]
    # A number the PMS keeps with its country code is another phone, whatever digits they share.
    return [row for row in rows if row.number == number or not row.raw.startswith(WRITTEN_ABROAD)]


def _is_domestic(session: Session, clinic_id: int, number: str, national: str) -> bool:
    region = session.scalars(sa.select(Clinic.region).where(Clinic.id == clinic_id)).one()
    return number == f"+{phonenumbers.country_code_for_region(region)}{national}"
