"""Settling one callUuid: its calls, their matches, their notes and their callback."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import (
    Call,
    Clinic,
    EntryKind,
    SubjectKind,
)
from ..numbers import NumberKind, read_number
from ..runtime import Runtime
from ..signals import announce, call_settled
from ..telephony.calls import fold_call, settles_at, split_off, split_reused
from ..telephony.facts import Correction, Fact
from ..telephony.summaries import CallSummary, summary_from_json, summary_to_json
from .backlog import is_in_digest, renew_digest_of
from .callbacks import settle_callbacks
from .callers import Cause
from .compose import compose_call, voice_of
from .corrections import read_corrections
from .legs import become_leg, call_legs, read_leg_facts
from .party import party_of_call
from .policy import decide_call, stranger_record
from .reconcile import Desired, reconcile
from .subjects import (
    clinic_and_now,
    get_rules,
    known_kind,
    lines_in_order,
    match_subject,
    read_facts,
    read_grounds,
    see_line,
    written_to,
)

CALLS = sa.select(Call).where(
    Call.clinic_id == sa.bindparam("clinic_id"), Call.call_uuid == sa.bindparam("call_uuid")
)


def settle_call(
    session: Session, runtime: Runtime, clinic_id: int, call_uuid: str
) -> datetime | None:
    """Bring everything that follows from this callUuid's events up to date. Does not commit.

    The caller holds the subject's lock. Returns when to settle again, None if nothing more is to
    come by itself.
    """
    db = runtime.db
    clinic, now = clinic_and_now(session, db, clinic_id)
    calls = _calls(session, clinic, call_uuid)
    facts = _unfrozen(read_facts(session, clinic.id, SubjectKind.CALL, call_uuid), calls)
    grounds = read_grounds(session, clinic)
    for did, label in lines_in_order(facts):
        number = read_number(did, clinic.region).e164
        if number and number not in grounds.lines:
            see_line(session, db, clinic, number, label, now)
            grounds = replace(grounds, lines=grounds.lines | {number})
    corrections = read_corrections(session, clinic.id, call_uuid)
    grace = timedelta(seconds=runtime.settings.missed_grace_seconds)
    again_at = None
    groups = split_reused(facts)
    for call in calls.values():
        if call.frozen_at and call.number:
            # What it was stays as it is; what people do about its callback goes on.
            cause = Cause.of(("call", call.id), call.number, "", call.started_at)
            settle_callbacks(session, db, clinic, cause, False, now)
    first = _first_ordinal(calls)
    for place, group in enumerate(groups):
        ordinal = first + place
        known = calls.get(ordinal)
        before = _known(known) if known else None
        mine = _within(corrections, group, groups[place + 1 :])
        whole = [*group, *(read_leg_facts(session, known) if known else ())]
        due_at = settles_at(whole, grace)
        summary = fold_call(whole, mine, grounds)
        # What settles at once must not wait for the clock of the machine that received it.
        is_due = bool((known and known.settled_at) or mine)
        is_due = is_due or due_at <= max(now, summary.last_event_at)
        call = known or _add(session, clinic, call_uuid, ordinal, summary, now if is_due else None)
        may_be_leg = is_due or bool(summary.answered_by)
        leg_of = become_leg(session, db, call, summary) if may_be_leg else None
        if leg_of:
            is_due, part = True, f"a part of call {leg_of}, to which its events are counted"
            summary = replace(summary, filtered_by=part)
        if known or leg_of:
            _store(session, call, summary, now if is_due else None)
        call_legs(session, db, call, summary)
        if not is_due:
            again_at = due_at if again_at is None else min(again_at, due_at)
            continue
        _write(session, runtime, clinic, call, summary, now, is_new=known is None)
        if _known(call) != before:
            _announce(session, call)
    return again_at


def _write(
    session: Session,
    runtime: Runtime,
    clinic: Clinic,
    call: Call,
    summary: CallSummary,
    now: datetime,
    *,
    is_new: bool,
) -> None:
    _, rules = get_rules(session, clinic.id, call.policy_version)
    match = None
    if summary.filtered_by is None:
        party = party_of_call(summary)
        subject = "call", call.id
        match = match_subject(session, runtime.db, clinic, subject, party, now, is_new=is_new)
    else:
        renew_digest_of(session, runtime.db, ("call", call.id))
    kind = known_kind(session, match) if match else ""
    rule = match.rule if match else ""
    wants = decide_call(rules, summary, kind, rule, clinic.timezone)
    call.filtered_by = wants.filtered_by
    clients = written_to(match) or [stranger_record(rules, "notes", kind)]
    voice = voice_of(rules, clinic.timezone, clinic.region)
    content = compose_call(summary, call.call_uuid, voice, rules)
    has_own = wants.note and not is_in_digest(match)
    notes = [Desired(EntryKind.NOTE, client, content) for client in clients if has_own]
    reconcile(session, runtime.db, clinic.id, ("call", call.id), notes, now, is_new=is_new)
    client = match.client if match else ""
    cause = Cause.of(("call", call.id), call.number, client, call.started_at)
    settle_callbacks(session, runtime.db, clinic, cause, wants.callback, now)


def _calls(session: Session, clinic: Clinic, call_uuid: str) -> dict[int, Call]:
    found = session.scalars(CALLS, {"clinic_id": clinic.id, "call_uuid": call_uuid})
    return {call.ordinal: call for call in found}


def _unfrozen(facts: list[Fact], calls: Mapping[int, Call]) -> list[Fact]:
    """The facts that may be folded. Calls are frozen in their order: the earlier ones first."""
    frozen = [call for call in calls.values() if call.frozen_at]
    if not frozen:
        return facts
    return split_off(facts, max(summary_from_json(call.summary).last_event_at for call in frozen))


def _first_ordinal(calls: Mapping[int, Call]) -> int:
    """The ordinal of the first call that is folded. Those before it are frozen, or gone."""
    folded = [ordinal for ordinal, call in calls.items() if not call.frozen_at]
    return min(folded, default=max(calls, default=0) + 1)


def _add(
    session: Session,
    clinic: Clinic,
    call_uuid: str,
    ordinal: int,
    summary: CallSummary,
    settled_at: datetime | None,
) -> Call:
    # Its filter is named: to be set to None again then is no change.
    call = Call(clinic_id=clinic.id, call_uuid=call_uuid, ordinal=ordinal, filtered_by=None)
    _store(session, call, summary, settled_at)
    session.add(call)
    session.flush()
    return call


def _store(session: Session, call: Call, summary: CallSummary, settled_at: datetime | None) -> None:
    if settled_at:
        # It is pinned to the policy by which it is first settled.
        call.policy_version, _ = get_rules(session, call.clinic_id, call.policy_version)
        call.settled_at = call.settled_at or settled_at
    call.summary = summary_to_json(summary)
    call.direction = summary.direction.value
    call.outcome = summary.outcome.value
    call.number = summary.number if summary.number_kind is NumberKind.PHONE else ""
    call.started_at = summary.started_at


def _known(call: Call) -> tuple[object, ...]:
    return call.settled_at, call.summary, call.filtered_by


def _announce(session: Session, call: Call) -> None:
    announce(
        session,
        call_settled,
        call.clinic_id,
        call_id=call.id,
        call_uuid=call.call_uuid,
        direction=call.direction,
        outcome=call.outcome,
        filtered_by=call.filtered_by,
    )


def _within(
    corrections: Sequence[Correction],
    group: Sequence[Fact],
    later: Sequence[Sequence[Fact]],
) -> list[Correction]:
    """The corrections that were made of this use of the callUuid, not of a later one."""
    starts, ends = group[0].at, later[0][0].at if later else None
    return [each for each in corrections if starts <= each.at and (ends is None or each.at < ends)]
