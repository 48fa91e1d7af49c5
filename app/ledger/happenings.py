"""What is known of callers, read from the tables as happenings. Reads only; callbacks ask it."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Call, Decision, Match, Transcript
from ..telephony.summaries import CallSummary, summary_from_json
from .episodes import Happening, Kind, read_call, read_message
from .policy import decide_call
from .rules import Rules
from .subjects import get_rules, known_kind

DECIDED = {"close": Kind.CLOSED, "reopen": Kind.REOPENED}


@dataclass(frozen=True, slots=True)
class Callers:
    """The numbers (E.164) and clients of a clinic that are looked at together, and since when."""

    clinic_id: int
    timezone: str
    numbers: Set[str]
    clients: Set[str]
    since: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """All that happened with some callers; by call id the calls' summaries, the versions of the
    policy they are pinned to, the kinds of their matches and their callUuids."""

    happenings: Sequence[Happening]
    summaries: dict[int, CallSummary]
    policies: dict[int, int | None]
    kinds: dict[int, str]
    keys: dict[int, str]


def read_known(session: Session, callers: Callers) -> Known:
    """What happened with these callers since then."""
    happenings: list[Happening] = []
    summaries: dict[int, CallSummary] = {}
    policies: dict[int, int | None] = {}
    kinds: dict[int, str] = {}
    keys: dict[int, str] = {}

    @cache
    def rules_of(version: int | None) -> Rules:
        return get_rules(session, callers.clinic_id, version)[1]

    for call, match in _calls(session, callers):
        summary = summaries[call.id] = summary_from_json(call.summary)
        policies[call.id], keys[call.id] = call.policy_version, call.call_uuid
        rules = rules_of(call.policy_version)
        kind = kinds[call.id] = known_kind(session, match) if match else ""
        rule = match.rule if match else ""
        happening = read_call(
            call.id,
            summary,
            _client(match),
            asks=decide_call(rules, summary, kind, rule, callers.timezone).callback,
            closes=rules.callbacks.closes_when_reached,
        )
        happenings += [happening] if happening else []
    happenings += _texts(session, callers)
    happenings += _decisions(session, callers)
    return Known(happenings, summaries, policies, kinds, keys)


def _client(match: Match | None) -> str:
    return match.client if match else ""


def _calls(session: Session, callers: Callers) -> Iterator[tuple[Call, Match | None]]:
    theirs = sa.select(Call.id).where(
        Call.clinic_id == callers.clinic_id,
        Call.number.in_(callers.numbers),
        Call.started_at >= callers.since,
    )
    query = (
        sa.select(Call, Match)
        .outerjoin(Match, sa.and_(Match.subject_kind == "call", Match.subject_id == Call.id))
        .where(
            Call.id.in_(theirs.union(_matched("call", callers))),
            Call.settled_at.is_not(None),
            Call.started_at >= callers.since,
            Call.number != "",
        )
    )
    for row in session.execute(query):
        yield row[0], row[1]


def _texts(session: Session, callers: Callers) -> Iterator[Happening]:
    theirs = sa.select(Transcript.id).where(
        Transcript.clinic_id == callers.clinic_id,
        Transcript.number.in_(callers.numbers),
        Transcript.last_text_at >= callers.since,
    )
    query = (
        sa.select(Transcript, Match)
        .outerjoin(
            Match,
            sa.and_(Match.subject_kind == "transcript", Match.subject_id == Transcript.id),
        )
        .where(
            Transcript.id.in_(theirs.union(_matched("transcript", callers))),
            Transcript.last_text_at >= callers.since,
        )
    )
    for window, match in session.execute(query):
        for message in window.summary.get("messages", ()):
            happening = read_message(window.id, window.number, message, _client(match))
            if happening.at >= callers.since:
                yield happening


def _matched(kind: str, callers: Callers) -> sa.Select[int]:
    """The ids of what was matched to these clients: they may call from another number."""
    return sa.select(Match.subject_id).where(
        Match.clinic_id == callers.clinic_id,
        Match.client.in_(callers.clients),
        Match.subject_kind == kind,
    )


def _decisions(session: Session, callers: Callers) -> Iterator[Happening]:
    query = sa.select(Decision).where(
        Decision.clinic_id == callers.clinic_id,
        Decision.subject_kind == "callback",
        Decision.subject_key.in_(callers.numbers),
        Decision.kind.in_(DECIDED),
        Decision.made_at >= callers.since,
    )
    for each in session.scalars(query):
        of = frozenset((kind, number) for kind, number in each.value["of"])
        kind = DECIDED[each.kind]
        yield Happening(each.made_at, kind, each.subject_key, of=of, by=each.made_by, why=each.why)
