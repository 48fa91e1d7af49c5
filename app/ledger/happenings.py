"""What is known of callers, read from the tables as happenings. Reads only; callbacks ask it."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Call, Conversation, Decision, Match, Transcript
from ..telephony.summaries import CallSummary, summary_from_json
from .episodes import Happening, Kind, Subject, read_call, read_message
from .patience import text_patience, was_answered
from .policy import decide_call
from .rules import Rules
from .subjects import get_rules, known_kind
from .wording import name_people

DECIDED = {"close": Kind.CLOSED, "reopen": Kind.REOPENED}


def _matched(kind: str) -> sa.Select[int]:
    """The ids of what was matched to the clients: they may call from another number."""
    return sa.select(Match.subject_id).where(
        Match.clinic_id == sa.bindparam("clinic_id"),
        Match.client.in_(sa.bindparam("clients", expanding=True)),
        Match.subject_kind == kind,
    )


# Statements are built once: every settling that has to do with a callback needs them, and building
# them takes longer than they do.
CALLS = (
    sa.select(Call, Match)
    .outerjoin(Match, sa.and_(Match.subject_kind == "call", Match.subject_id == Call.id))
    .where(
        Call.id.in_(
            sa.select(Call.id)
            .where(
                Call.clinic_id == sa.bindparam("clinic_id"),
                Call.number.in_(sa.bindparam("numbers", expanding=True)),
            )
            .union(_matched("call"))
        ),
        Call.settled_at.is_not(None),
        Call.started_at >= sa.bindparam("since"),
        Call.number != "",
    )
)
TEXTS = (
    sa.select(Transcript, Match, Conversation.conversation_key)
    .join(Conversation, Conversation.id == Transcript.conversation_id)
    .outerjoin(
        Match, sa.and_(Match.subject_kind == "transcript", Match.subject_id == Transcript.id)
    )
    .where(
        Transcript.id.in_(
            sa.select(Transcript.id)
            .where(
                Transcript.clinic_id == sa.bindparam("clinic_id"),
                Transcript.number.in_(sa.bindparam("numbers", expanding=True)),
            )
            .union(_matched("transcript"))
        ),
        Transcript.last_text_at >= sa.bindparam("since"),
    )
)
DECISIONS = sa.select(Decision).where(
    Decision.clinic_id == sa.bindparam("clinic_id"),
    Decision.subject_kind == "callback",
    Decision.subject_key.in_(sa.bindparam("numbers", expanding=True)),
    Decision.kind.in_(DECIDED),
    Decision.made_at >= sa.bindparam("since"),
)


@dataclass(frozen=True, slots=True)
class Callers:
    """The numbers (E.164) and clients of a clinic that are looked at together, and since when."""

    clinic_id: int
    timezone: str
    numbers: Set[str]
    clients: Set[str]
    since: datetime

    def given(self) -> dict[str, object]:
        """What the statements are to be given of them."""
        return {
            "clinic_id": self.clinic_id,
            "numbers": list(self.numbers),
            "clients": list(self.clients),
            "since": self.since,
        }


@dataclass(frozen=True, slots=True)
class Known:
    """All that happened with some callers; the summaries of their calls by id; and of each call and
    window the version of the policy it is pinned to, the kind of its match, and its callUuid or
    conversationID."""

    happenings: list[Happening] = field(default_factory=list)
    summaries: dict[int, CallSummary] = field(default_factory=dict)
    policies: dict[Subject, int | None] = field(default_factory=dict)
    kinds: dict[Subject, str] = field(default_factory=dict)
    keys: dict[Subject, str] = field(default_factory=dict)


RulesOf = Callable[[int | None], Rules]
"""The rules of a version of the policy; None is the newest."""


def read_known(session: Session, callers: Callers, now: datetime) -> Known:
    """What happened with these callers since then."""
    known = Known()

    @cache
    def rules_of(version: int | None) -> Rules:
        return get_rules(session, callers.clinic_id, version)[1]

    for call, match in _calls(session, callers):
        subject = ("call", call.id)
        summary = known.summaries[call.id] = summary_from_json(call.summary)
        known.policies[subject], known.keys[subject] = call.policy_version, call.call_uuid
        rules = rules_of(call.policy_version)
        kind = known.kinds[subject] = known_kind(session, match) if match else ""
        rule = match.rule if match else ""
        happening = read_call(
            call.id,
            name_people(summary, rules.names),
            _client(match),
            asks=decide_call(rules, summary, kind, rule, callers.timezone).callback,
            closes=rules.callbacks.closes_when_reached,
        )
        known.happenings.extend([happening] if happening else [])
    texts = list(_texts(session, callers, known, rules_of))
    others = [*known.happenings, *(text for text, _ in texts)]
    known.happenings.extend(_asking(texts, others, now))
    known.happenings.extend(_decisions(session, callers))
    return known


def _asking(
    texts: Sequence[tuple[Happening, timedelta | None]], others: Iterable[Happening], now: datetime
) -> Iterator[Happening]:
    """The texts, of which those ask that nobody answered for as long as is said beside them."""
    for text, within in texts:
        is_late = within is not None and text.at + within <= now
        yield replace(text, asks=is_late and not was_answered(text, others, within or timedelta()))


def _client(match: Match | None) -> str:
    return match.client if match else ""


def _calls(session: Session, callers: Callers) -> Iterator[tuple[Call, Match | None]]:
    for row in session.execute(CALLS, callers.given()):
        yield row[0], row[1]


def _texts(
    session: Session, callers: Callers, known: Known, rules_of: RulesOf
) -> Iterator[tuple[Happening, timedelta | None]]:
    """Each text, and after how long without an answer it asks to be called back, if it does."""
    for window, match, key in session.execute(TEXTS, callers.given()):
        subject, client = ("transcript", window.id), _client(match)
        known.policies[subject], known.keys[subject] = window.policy_version, key
        known.kinds[subject] = known_kind(session, match) if match else ""
        is_kept = bool(client) and window.filtered_by is None
        patience = text_patience(rules_of(window.policy_version), callers.timezone)
        for message in window.summary.get("messages", ()):
            happening = read_message(window.id, window.number, message, client)
            if happening.at >= callers.since:
                may_ask = is_kept and happening.kind is Kind.TEXT_IN
                yield happening, patience(happening.at) if may_ask else None


def _decisions(session: Session, callers: Callers) -> Iterator[Happening]:
    for each in session.scalars(DECISIONS, callers.given()):
        of = frozenset((kind, number) for kind, number in each.value["of"])
        kind = DECIDED[each.kind]
        yield Happening(each.made_at, kind, each.subject_key, of=of, by=each.made_by, why=each.why)
