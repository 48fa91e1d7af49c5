"""What a clinic lived through lately, read for rehearsals and previews. Reads only."""

from collections import defaultdict
from datetime import datetime
from functools import partial

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Call, Clinic, Conversation, Decision, Match, SubjectKind, Transcript
from ..telephony.summaries import summary_from_json
from .episodes import Happening
from .happenings import DECIDED
from .rehearsal import Past, PastCall, PastTexts
from .subjects import UNDECIDED, known_kind, list_answered_by, read_facts, read_grounds


def read_past(session: Session, clinic: Clinic, since: datetime) -> Past:
    """The settled calls, and the conversations with texts, since then.

    Whoever answered before is asked of the session, which must be open for as long as that is.
    """
    return Past(
        timezone=clinic.timezone,
        grounds=read_grounds(session, clinic),
        calls=_calls(session, clinic, since),
        texts=_texts(session, clinic, since),
        decided=_decided(session, clinic, since),
        answered_by=partial(list_answered_by, session, clinic.id),
    )


def count_past(session: Session, clinic: Clinic, since: datetime) -> int:
    """How many calls and transcripts it would be."""
    calls = sa.select(sa.func.count()).where(Call.clinic_id == clinic.id, Call.started_at >= since)
    texts = sa.select(sa.func.count()).where(
        Transcript.clinic_id == clinic.id, Transcript.last_text_at >= since
    )
    return session.scalars(calls).one() + session.scalars(texts).one()


def _calls(session: Session, clinic: Clinic, since: datetime) -> list[PastCall]:
    query = (
        sa.select(Call, Match)
        .outerjoin(Match, sa.and_(Match.subject_kind == "call", Match.subject_id == Call.id))
        .where(
            Call.clinic_id == clinic.id,
            Call.started_at >= since,
            Call.settled_at.is_not(None),
            Call.leg_of.is_(None),
        )
        .order_by(Call.started_at, Call.id)
    )
    found = []
    for call, match in session.execute(query):
        kind, rule, client = _matched(session, match)
        summary = summary_from_json(call.summary)
        waited = match is not None and match.has_waited
        found.append(PastCall(call.id, call.call_uuid, summary, kind, rule, client, waited))
    return found


def _texts(session: Session, clinic: Clinic, since: datetime) -> list[PastTexts]:
    query = (
        sa.select(Conversation, Transcript, Match)
        .join(Transcript, Transcript.conversation_id == Conversation.id)
        .outerjoin(
            Match, sa.and_(Match.subject_kind == "transcript", Match.subject_id == Transcript.id)
        )
        .where(Conversation.clinic_id == clinic.id, Transcript.last_text_at >= since)
        .order_by(Conversation.id, Transcript.starts_at)
    )
    matches: dict[str, dict[str, tuple[str, str, str]]] = {}
    waited: dict[str, set[str]] = defaultdict(set)
    for conversation, window, match in session.execute(query):
        key = conversation.conversation_key
        matches.setdefault(key, {})[window.number] = _matched(session, match)
        if match is not None and match.has_waited:
            waited[key].update(text["event_id"] for text in window.summary["messages"])
    found = []
    for key, known in matches.items():
        facts = read_facts(session, clinic.id, SubjectKind.CONVERSATION, key)
        recent = [each for each in facts if each.at >= since]
        found.append(PastTexts(key, recent, known, frozenset(waited[key])))
    return found


def _decided(session: Session, clinic: Clinic, since: datetime) -> list[Happening]:
    query = sa.select(Decision).where(
        Decision.clinic_id == clinic.id,
        Decision.subject_kind == "callback",
        Decision.kind.in_(DECIDED),
        Decision.made_at >= since,
    )
    return [
        Happening(
            each.made_at,
            DECIDED[each.kind],
            each.subject_key,
            of=frozenset((kind, number) for kind, number in each.value["of"]),
            by=each.made_by,
            why=each.why,
        )
        for each in session.scalars(query)
    ]


def _matched(session: Session, match: Match | None) -> tuple[str, str, str]:
    if match is None:
        return "", "", ""
    kind = known_kind(session, match)
    return kind, match.rule, match.client if match.kind not in UNDECIDED else ""
