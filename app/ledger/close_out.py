"""A clinic's day reckoned up: every call and every window of texts under exactly one disposition.

Reads only. What came in is held against what stands: an event that nothing accounts for, neither a
call nor a window nor a due mark, is told by its id. There must be none.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import (
    Call,
    Callback,
    Clinic,
    Conversation,
    DueMark,
    EntryState,
    Event,
    EventStatus,
    SubjectKind,
    Transcript,
)
from ..numbers import NumberKind
from ..telephony.calls import REUSED_AFTER
from ..telephony.summaries import Outcome, summary_from_json
from .compose import voice_of
from .entries import Told, tell_clinic
from .rows import Subject, read_entries
from .standing import dispose
from .subjects import get_rules
from .wording import Voice, tell_how_far

DISPOSITIONS = ("open", "filtered", *(state.value for state in EntryState))
PART = "a part of another call, to which its events are counted"
NOTHING_ASKED = "the policy asks for nothing"
UNANSWERED = (Outcome.MISSED, Outcome.VOICEMAIL, Outcome.ANSWERED_THEN_VOICEMAIL)

Key = tuple[SubjectKind, str]


@dataclass(frozen=True, slots=True)
class Day:
    """One day by the clinic's clock: from its midnight to the next, in UTC; 23 to 25 hours."""

    day: date
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, day: date, timezone: str) -> "Day":
        zone = ZoneInfo(timezone)
        midnight = datetime.combine(day, time.min, zone).astimezone(UTC)
        next_one = datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC)
        return cls(day, midnight, next_one)


def close_day(session: Session, clinic: Clinic, day: date) -> Told:
    """The day's close-out as a dict that JSON takes, but for datetimes and the date."""
    within = Day.of(day, clinic.timezone)
    _, policy = get_rules(session, clinic.id, None)
    calls = _calls(session, clinic, within)
    windows = _windows(session, clinic, day)
    events, pending, unexplained = _account(session, clinic, within)
    disposed = Counter(dict.fromkeys(DISPOSITIONS, 0))
    rules: Counter[str] = Counter()
    subjects: list[tuple[Subject, Call | Transcript]] = [
        *((("call", call.id), call) for call in calls),
        *((("transcript", window.id), window) for window in windows),
    ]
    entries = read_entries(session, [subject for subject, _ in subjects])
    for subject, row in subjects:
        states = [each.entry.state for each in entries[subject]]
        disposition = dispose(row.settled_at is not None, row.filtered_by, states)
        disposed[disposition] += 1
        if disposition == "filtered":
            rules[_rule(row)] += 1
    disposed["open"] += len(pending)
    pending_calls = sum(kind is SubjectKind.CALL for kind, _ in pending)
    return {
        "clinic": tell_clinic(clinic),
        "day": day,
        "starts_at": within.starts_at,
        "ends_at": within.ends_at,
        "calls": len(calls) + pending_calls,
        "texts": len(windows) + len(pending) - pending_calls,
        "dispositions": {name: disposed[name] for name in DISPOSITIONS},
        "filtered_by": [{"rule": rule, "count": n} for rule, n in rules.most_common()],
        "outcomes": _outcomes(calls),
        "callbacks": _callbacks(session, clinic, within),
        "withheld": _withheld(calls, voice_of(policy, clinic.timezone, clinic.region)),
        "events": events,
        "unexplained": unexplained,
    }


def _calls(session: Session, clinic: Clinic, within: Day) -> Sequence[Call]:
    query = sa.select(Call).where(
        Call.clinic_id == clinic.id,
        Call.started_at >= within.starts_at,
        Call.started_at < within.ends_at,
    )
    return session.scalars(query.order_by(Call.started_at, Call.id)).all()


def _windows(session: Session, clinic: Clinic, day: date) -> Sequence[Transcript]:
    query = sa.select(Transcript).where(
        Transcript.clinic_id == clinic.id, Transcript.local_day == day
    )
    return session.scalars(query.order_by(Transcript.id)).all()


def _rule(row: Call | Transcript) -> str:
    if isinstance(row, Call) and row.leg_of is not None:
        return PART
    return row.filtered_by or NOTHING_ASKED


def _outcomes(calls: Sequence[Call]) -> dict[str, int]:
    counted = Counter(call.outcome for call in calls if call.leg_of is None and call.settled_at)
    return {each.value: counted[each.value] for each in Outcome}


def _withheld(calls: Sequence[Call], voice: Voice) -> list[Told]:
    """Who called without a number and was not answered: nobody can call them back."""
    found = []
    for call in calls:
        summary = summary_from_json(call.summary) if call.summary and call.settled_at else None
        is_withheld = summary is not None and summary.number_kind is NumberKind.WITHHELD
        if summary and is_withheld and summary.outcome in UNANSWERED:
            found.append(
                {
                    "call_uuid": call.call_uuid,
                    "at": call.started_at,
                    "line": voice.names.lines.get(summary.line, summary.line_name) or summary.line,
                    "outcome": summary.outcome.value,
                    "how_far": tell_how_far(summary, voice),
                }
            )
    return found


def _callbacks(session: Session, clinic: Clinic, within: Day) -> dict[str, int]:
    opened = sa.and_(Callback.opened_at >= within.starts_at, Callback.opened_at < within.ends_at)
    closed = sa.and_(Callback.closed_at >= within.starts_at, Callback.closed_at < within.ends_at)
    stood = sa.and_(
        Callback.opened_at < within.ends_at,
        sa.or_(Callback.closed_at.is_(None), Callback.closed_at >= within.ends_at),
    )
    is_kept = sa.and_(Callback.clinic_id == clinic.id, Callback.state != "withdrawn")
    query = sa.select(
        *(
            sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)
            for condition in (opened, closed, stood)
        )
    ).where(is_kept)
    counts = session.execute(query).one()
    return dict(zip(("opened", "closed", "left_open"), counts, strict=True))


def _account(
    session: Session, clinic: Clinic, within: Day
) -> tuple[dict[str, int], set[Key], list[str]]:
    """The day's events counted, the subjects that have no row yet, and the ids of events that
    nothing accounts for."""
    counts = dict.fromkeys(("received", "quarantined", "unknown"), 0)
    uncovered: dict[Key, list[tuple[str, datetime]]] = defaultdict(list)
    rows = session.execute(
        sa.select(
            Event.id, Event.received_at, Event.status, Event.subject_kind, Event.subject_key
        ).where(
            Event.clinic_id == clinic.id,
            Event.received_at >= within.starts_at,
            Event.received_at < within.ends_at,
        )
    )
    for event_id, received_at, status, kind, key in rows:
        counts["received"] += 1
        if status is EventStatus.QUARANTINED:
            counts["quarantined"] += 1
        elif kind is None or key is None:
            counts["unknown"] += 1
        else:
            uncovered[kind, key].append((event_id, received_at))
    spans = _drop_covered(session, clinic, uncovered)
    marked = _marked(session, clinic, uncovered)
    unexplained = sorted(
        event_id for key, events in uncovered.items() if key not in marked for event_id, _ in events
    )
    pending = {
        key
        for key, events in uncovered.items()
        if key in marked and any(not _joins(at, spans.get(key, ())) for _, at in events)
    }
    return counts, pending, unexplained


Span = tuple[datetime, datetime]


def _joins(at: datetime, spans: Iterable[Span]) -> bool:
    """Whether what came then is of a call that has a row already."""
    return any(begin - REUSED_AFTER <= at <= end + REUSED_AFTER for begin, end in spans)


def _drop_covered(
    session: Session, clinic: Clinic, events: dict[Key, list[tuple[str, datetime]]]
) -> dict[Key, list[Span]]:
    """Take out the events that a call or window tells of; when the calls began and ended."""
    spans: dict[Key, list[Span]] = defaultdict(list)
    keys = {kind: [key for each, key in events if each is kind] for kind in SubjectKind}
    calls = sa.select(Call).where(
        Call.clinic_id == clinic.id, Call.call_uuid.in_(keys[SubjectKind.CALL])
    )
    for call in session.scalars(calls):
        if call.summary:
            ended = datetime.fromisoformat(call.summary["last_event_at"])
            spans[SubjectKind.CALL, call.call_uuid].append((call.started_at, ended))
    told = set(_told_texts(session, clinic, keys[SubjectKind.CONVERSATION]))
    for key, several in list(events.items()):
        left = [
            (event_id, at)
            for event_id, at in several
            if event_id not in told and not any(b <= at <= e for b, e in spans.get(key, ()))
        ]
        if left:
            events[key] = left
        else:
            del events[key]
    return spans


def _told_texts(session: Session, clinic: Clinic, keys: Sequence[str]) -> Iterable[str]:
    query = (
        sa.select(Transcript.summary)
        .join(Conversation, Conversation.id == Transcript.conversation_id)
        .where(Conversation.clinic_id == clinic.id, Conversation.conversation_key.in_(keys))
    )
    for summary in session.scalars(query):
        for message in summary.get("messages", ()):
            yield message["event_id"]
            yield from message["repeats"]


def _marked(session: Session, clinic: Clinic, keys: Iterable[Key]) -> set[Key]:
    wanted = {key for _, key in keys}
    rows = session.execute(
        sa.select(DueMark.subject_kind, DueMark.subject_key).where(
            DueMark.clinic_id == clinic.id, DueMark.subject_key.in_(wanted)
        )
    )
    return {(kind, key) for kind, key in rows}
