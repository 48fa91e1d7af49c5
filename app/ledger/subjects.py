"""What settling a call and settling a conversation share: facts, match and the policy in force."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..directory.accounts import awaits_clients
from ..directory.lookup import is_being_asked
from ..directory.match import keep_decision, match_number, read_matching
from ..directory.ownership import Decided
from ..models import (
    Call,
    Clinic,
    Event,
    EventStatus,
    Line,
    Match,
    Policy,
    SubjectKind,
)
from ..numbers import NumberKind, read_number
from ..once import once
from ..signals import announce, number_unmatched
from ..telephony.facts import EventType, Fact, Grounds
from ..telephony.summaries import CallSummary, summary_from_json
from .backlog import follow_backlog, leave_backlog, renew_digest
from .party import Party
from .rules import Names, Rules, read_stored
from .strangers import decide_stranger, leave_outdated

UNDECIDED = ("none", "several")
ANSWERED = ("answered", "answered_then_voicemail")
LOOKED_AT = 5
"""Former calls of a client among which somebody is looked for who answered."""

# Statements are built once: every settling needs them, and building them takes longer than they do.
CLINIC_AND_PRESENT = sa.select(Clinic, Database.CLOCK).where(Clinic.id == sa.bindparam("clinic_id"))
FACTS = (
    sa.select(Event.id, Event.received_at, Event.event_type, Event.fields)
    .where(
        Event.clinic_id == sa.bindparam("clinic_id"),
        Event.subject_kind == sa.bindparam("kind"),
        Event.subject_key == sa.bindparam("key"),
        Event.status == EventStatus.ACCEPTED,
    )
    .order_by(Event.received_at, Event.id)
)
LINES = sa.select(Line.number).where(Line.clinic_id == sa.bindparam("clinic_id"))
MATCH = (
    sa.select(Match)
    .where(Match.subject_kind == sa.bindparam("kind"), Match.subject_id == sa.bindparam("id"))
    # A person who decides it meanwhile waits, or is waited for: neither overwrites the other.
    .with_for_update()
)
NEWEST = sa.select(Policy).where(Policy.clinic_id == sa.bindparam("clinic_id"))
NEWEST = NEWEST.order_by(Policy.version.desc()).limit(1)
PINNED = NEWEST.where(Policy.version == sa.bindparam("version"))


def clinic_and_now(session: Session, db: Database, clinic_id: int) -> tuple[Clinic, datetime]:
    """Where and when it is settled: the clinic, and the database's present."""
    what = "clinic", clinic_id
    clinic, present = once(session, what, lambda: _read_clinic(session, db, clinic_id))
    # Of several clinics, what is settled in one transaction is settled at one time.
    return clinic, once(session, "present", lambda: present)


def _read_clinic(session: Session, db: Database, clinic_id: int) -> tuple[Clinic, datetime]:
    if not db.tells_time:
        return session.get_one(Clinic, clinic_id), db.clock()
    clinic, present = session.execute(CLINIC_AND_PRESENT, {"clinic_id": clinic_id}).one()
    return clinic, present


def read_facts(session: Session, clinic_id: int, kind: SubjectKind, key: str) -> list[Fact]:
    """The accepted, known events of a subject, in order of receipt."""
    rows = session.execute(FACTS, {"clinic_id": clinic_id, "kind": kind, "key": key})
    return [Fact(name, at, EventType(type_), fields) for name, at, type_, fields in rows if type_]


def as_fact(event: Event) -> Fact | None:
    """What the folds take of an event; None of one that they do not take."""
    is_taken = event.status is EventStatus.ACCEPTED and event.subject_kind is not None
    if not is_taken or event.event_type is None:
        return None
    return Fact(event.id, event.received_at, EventType(event.event_type), event.fields)


def read_grounds(session: Session, clinic: Clinic) -> Grounds:
    """What the folds must know of the clinic."""
    lines = session.scalars(LINES, {"clinic_id": clinic.id})
    return Grounds(region=clinic.region, lines=frozenset(lines))


def see_line(
    session: Session, db: Database, clinic: Clinic, number: str, label: str, now: datetime
) -> None:
    """Remember a line that events name as the clinic's own. Does not commit."""
    session.execute(
        db.insert(Line)
        .values(clinic_id=clinic.id, number=number, label=label, source="seen", created_at=now)
        .on_conflict_do_nothing(index_elements=[Line.clinic_id, Line.number])
    )


def match_subject(
    session: Session,
    db: Database,
    clinic: Clinic,
    subject: tuple[str, int],
    party: Party,
    now: datetime,
    *,
    is_new: bool,
) -> Match:
    """The subject's match: the one decided before, or one decided now and kept with its rule.

    `is_new`: the subject was added in this transaction, so that it has none. Does not commit.
    """
    given = {"kind": subject[0], "id": subject[1]}
    match = None if is_new else session.scalars(MATCH, given).first()
    known_as = party.known_as
    is_known = match is not None and match.number == known_as
    if match and is_known and match.kind not in UNDECIDED:
        renew_digest(session, db, match)
        return match
    decided = _decide(session, db, clinic, party, now)
    if is_known:
        decided = leave_outdated(decided, party.at, now, read_matching(session, clinic.id))
    if match is None or (match.number, match.kind) != (known_as, decided.kind):
        _announce(session, clinic.id, known_as, decided.kind)
    if match is None:
        match = Match(clinic_id=clinic.id, subject_kind=subject[0], subject_id=subject[1])
    elif not is_known:
        leave_backlog(session, db, match)
    match.number = known_as
    keep_decision(match, decided, now)
    follow_backlog(session, db, match, waits=known_kind(session, match) in UNDECIDED)
    session.add(match)
    session.flush()
    return match


def written_to(match: Match | None) -> list[str]:
    """The clients whose records it is noted on; none while it waits for one."""
    return [match.client, *match.candidates] if match and match.kind == "client" else []


def _decide(session: Session, db: Database, clinic: Clinic, party: Party, now: datetime) -> Decided:
    if party.kind is NumberKind.WITHHELD:
        return Decided(kind="withheld", rule="the number was withheld")
    national = read_number(party.number, clinic.region).national if party.number else ""
    decided = match_number(session, clinic.id, party.known_as, national, now, party.name)
    if decided.kind == "none":
        return decide_stranger(session, db, clinic, party, decided)
    return decided


def known_kind(session: Session, match: Match) -> str:
    """The kind of a match as the policy takes it: '' while the PMS may still know the number."""
    if match.kind != "none":
        return match.kind
    clinic_id = match.clinic_id
    is_open = is_being_asked(session, clinic_id, match.number) or awaits_clients(session, clinic_id)
    return "" if is_open else "none"


def _announce(session: Session, clinic_id: int, number: str, kind: str) -> None:
    # While the PMS is being asked, it is for its answer to tell.
    if kind == "several" or (kind == "none" and not is_being_asked(session, clinic_id, number)):
        announce(session, number_unmatched, clinic_id, number=number, kind=kind)


def get_rules(session: Session, clinic_id: int, version: int | None) -> tuple[int, Rules]:
    """The policy pinned by its version, or the newest; with its version."""
    what = "rules", clinic_id, version
    found = once(session, what, lambda: _read_rules(session, clinic_id, version))
    # What is pinned to the newest asks for it by its version.
    return once(session, ("rules", clinic_id, found[0]), lambda: found)


def _read_rules(session: Session, clinic_id: int, version: int | None) -> tuple[int, Rules]:
    query = NEWEST if version is None else PINNED
    policy = session.scalars(query, {"clinic_id": clinic_id, "version": version}).first()
    return (policy.version, read_stored(policy.rules)) if policy else (0, Rules())


def read_names(session: Session, clinic_ids: Collection[int]) -> dict[int, Names]:
    """What each of these clinics calls its queues, extensions and lines now."""
    newest = (
        sa.select(Policy.clinic_id, sa.func.max(Policy.version).label("version"))
        .where(Policy.clinic_id.in_(clinic_ids))
        .group_by(Policy.clinic_id)
        .subquery()
    )
    is_newest = sa.and_(Policy.clinic_id == newest.c.clinic_id, Policy.version == newest.c.version)
    rows = session.execute(sa.select(Policy.clinic_id, Policy.rules).join(newest, is_newest))
    known = {clinic_id: read_stored(rules).names for clinic_id, rules in rows}
    return {clinic_id: known.get(clinic_id, Names()) for clinic_id in clinic_ids}


def list_answered_by(
    session: Session, clinic_id: int, number: str, client: str, before: datetime
) -> list[str]:
    """The extensions that last answered this number or client, the latest first: of one call the
    one that spoke last, then by extension."""
    theirs = sa.select(Match.subject_id).where(
        Match.clinic_id == clinic_id,
        Match.subject_kind == "call",
        Match.client == client,
        Match.client != "",
    )
    calls = session.scalars(
        sa.select(Call)
        .where(
            Call.clinic_id == clinic_id,
            Call.outcome.in_(ANSWERED),
            Call.started_at < before,
            sa.or_(Call.number == number, Call.id.in_(theirs)),
        )
        .order_by(Call.started_at.desc(), Call.id.desc())
        .limit(LOOKED_AT)
    )
    found = [summary_from_json(call.summary) for call in calls]
    return [extension for summary in found for extension in _latest_first(summary)]


def _latest_first(summary: CallSummary) -> list[str]:
    answered = [leg.extension for leg in summary.answered_by]
    return sorted(answered, key=lambda each: (each != summary.spoke_last, each))


def lines_in_order(facts: Sequence[Fact]) -> list[tuple[str, str]]:
    """The (didNumber, didDescription) pairs that these facts name."""
    return sorted(
        {
            (fact.fields["did_number"], fact.fields.get("did_description", ""))
            for fact in facts
            if fact.type is EventType.INBOUND_CALL and fact.fields.get("did_number")
        }
    )
