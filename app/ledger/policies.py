"""A clinic's policy through its versions: set, shown, compared. Commands call it.

Every version is kept: what a call led to is pinned to the version that decided it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..directory.waiting import mark_waiting
from ..errors import InputError
from ..models import Clinic, Line, Policy
from ..toml_reading import Fault, Lines, locate, read_toml
from .policy_checks import Surroundings, find_faults, find_warnings, normalised
from .policy_text import toml_value, write_policy
from .rules import Rules, read_stored
from .templates import own_templates
from .words_checks import find_word_faults


@dataclass(frozen=True, slots=True)
class Checked:
    """What a policy's file came to: `rules` to be set, unless there are faults."""

    rules: Rules | None
    faults: Sequence[Fault]
    warnings: Sequence[Fault]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one setting between two versions; both as TOML writes them, '' for nothing."""

    place: str
    before: str
    after: str


def check_policy(session: Session, clinic: Clinic, text: str) -> Checked:
    """Look through a policy's TOML for a clinic, naming every fault at once. Changes nothing."""
    rules, faults = read_toml(text, Rules)
    if rules is None:
        return Checked(None, faults, ())
    lines, around = Lines(text), _surroundings(session, clinic)
    faults = locate([*faults, *find_faults(rules, around), *find_word_faults(rules)], lines)
    warnings = locate(find_warnings(rules, around), lines)
    return Checked(None if faults else normalised(rules, clinic.region), faults, warnings)


def set_policy(
    session: Session, db: Database, clinic: Clinic, rules: Rules, now: datetime, by: str
) -> tuple[Policy, list[Change]]:
    """Make these rules the newest version, unless they are; it, and what it changes.

    What is settled already stays with the version that decided it; what waits for a match is
    decided anew at once where the rules of matching are others. Does not commit.
    """
    # Two who set it at once would both take the same number. Webhooks of the clinic go on coming.
    held = sa.select(Clinic).where(Clinic.id == clinic.id).with_for_update(key_share=True)
    session.scalars(held).one()
    newest = get_policy(session, clinic)
    changes = compare(read_stored(newest.rules), rules)
    if not changes:
        return newest, []
    policy = Policy(
        clinic_id=clinic.id,
        version=newest.version + 1,
        rules=rules.model_dump(mode="json"),
        created_at=now,
        created_by=by,
    )
    session.add(policy)
    clinic.is_watch_only = rules.watch_only
    session.flush()
    if read_stored(newest.rules).matching != rules.matching:
        mark_waiting(session, db, clinic.id)
    return policy, changes


def get_policy(session: Session, clinic: Clinic, version: int | None = None) -> Policy:
    """A version of a clinic's policy, else the newest. Raises InputError if there is none."""
    policies = list_policies(session, clinic)
    found = [each for each in policies if version in (None, each.version)]
    if not found:
        there = f"there are 1 to {policies[-1].version}" if policies else "there is none"
        raise InputError(f"{clinic.name} has no version {version} of its policy; {there}.")
    return found[-1]


def list_policies(session: Session, clinic: Clinic) -> list[Policy]:
    """All versions, in order."""
    query = sa.select(Policy).where(Policy.clinic_id == clinic.id).order_by(Policy.version)
    return list(session.scalars(query))


def list_history(session: Session, clinic: Clinic) -> list[tuple[Policy, list[Change]]]:
    """All versions with what each changed, the newest first."""
    versions = list_policies(session, clinic)
    rules = [read_stored(each.rules) for each in versions]
    changes = [[], *(compare(before, after) for before, after in pairwise(rules))]
    return list(reversed(list(zip(versions, changes, strict=True))))


def write_version(clinic: Clinic, policy: Policy) -> str:
    """A version as a TOML file with comments, which can be edited and set again."""
    at = policy.created_at.astimezone(ZoneInfo(clinic.timezone))
    heading = (
        f"The policy of {clinic.name}, version {policy.version},"
        f" set by {policy.created_by} at {at:%Y-%m-%d %H:%M:%S %Z}.",
        "What is left out of this file is as Ringnote has it by default.",
    )
    return write_policy(read_stored(policy.rules), heading, own_templates())


def compare(before: Rules, after: Rules) -> list[Change]:
    """What is different, setting by setting, in the order in which they are written."""
    olds, news = (dict(_flat("", each.model_dump(mode="json"))) for each in (before, after))
    places = [*olds, *(place for place in news if place not in olds)]
    return [
        Change(place, olds.get(place, ""), news.get(place, ""))
        for place in places
        if olds.get(place, "") != news.get(place, "")
    ]


def _flat(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _flat(f"{place}.{name}" if place else name, each)
    elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
        for number, each in enumerate(value, start=1):
            yield from _flat(f"{place} {number}", each)
    elif value is not None:
        yield place, toml_value(value)


def _surroundings(session: Session, clinic: Clinic) -> Surroundings:
    lines = session.scalars(sa.select(Line).where(Line.clinic_id == clinic.id))
    named = {name for line in lines for name in (line.number, line.label) if name}
    return Surroundings(clinic.region, frozenset(named))
