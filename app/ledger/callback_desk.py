"""Callbacks as a front desk reads them: in the clinic's clock and numbers. Reads only.

Each is what a listing tells, with `desk`: what was asked, written and tried, in short.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Call, CallbackMember, Clinic, Conversation, Transcript
from ..telephony.summaries import CallSummary, Outcome, summary_from_json
from .callback_listing import list_callbacks
from .callbacks import ASKS, ROLES
from .compose import voice_of
from .entries import Told
from .episodes import Kind
from .policy import counted_as
from .rows import Clinics
from .rules import Rules
from .standing import span
from .subjects import get_rules
from .views import tell_tally
from .wording import Voice

SHOWN_TEXTS = 3


@dataclass
class _Known:
    """What belongs to one callback, in order."""

    asking: list[tuple[str, CallSummary]] = field(default_factory=list)
    """With their callUuids."""
    tried: list[CallSummary] = field(default_factory=list)
    messages: list[Mapping[str, Any]] = field(default_factory=list)
    conversation: str = ""
    """The conversationID of the last texts."""
    asked_in: str = ""
    """That of the last texts that asked: the task is among what came of them."""


@dataclass(frozen=True, slots=True)
class _Desk:
    """How a clinic counts and speaks."""

    voice: Voice
    rules: Rules


def list_for_desk(
    session: Session, clinics: Clinics, state: str | None, limit: int, now: datetime
) -> list[Told]:
    """Callbacks as `list_callbacks` has them, each with its `desk`."""
    told = list_callbacks(session, clinics, state, limit)
    known = _read_known(session, [each["id"] for each in told])
    desks = {number: _desk(session, number) for number in {each["clinic"]["id"] for each in told}}
    return [
        {**each, "desk": _tell(each, known[each["id"]], desks[each["clinic"]["id"]], now)}
        for each in told
    ]


def _desk(session: Session, clinic_id: int) -> _Desk:
    clinic, (_, rules) = session.get_one(Clinic, clinic_id), get_rules(session, clinic_id, None)
    return _Desk(voice_of(rules, clinic.timezone, clinic.region), rules)


def _tell(told: Told, known: _Known, desk: _Desk, now: datetime) -> Told:
    voice, opened_at = desk.voice, told["opened_at"]
    texts = [each for each in known.messages if _at(each) >= opened_at]
    wrote = [each for each in texts if each["is_inbound"]]
    return {
        "number": voice.number(told["number"], told["number"]),
        "caller": known.asking[-1][1].caller_name if known.asking else "",
        "call": known.asking[-1][0] if known.asking else "",
        "conversation": known.conversation,
        "asked_in": known.asked_in,
        "tally": _tally([summary for _, summary in known.asking], desk, now),
        "since": voice.lately(opened_at, now),
        "waits": span((now - opened_at).total_seconds()),
        "due": voice.lately(told["due_at"], now) if told["due_at"] else "",
        "is_overdue": bool(told["due_at"] and told["due_at"] < now),
        "closed": voice.lately(told["closed_at"], now) if told["closed_at"] else "",
        "wrote": [
            {"when": voice.lately(_at(each), now), "text": each["text"]}
            for each in wrote[-SHOWN_TEXTS:]
        ],
        "called": len(known.tried),
        "last_called": voice.lately(known.tried[-1].started_at, now) if known.tried else "",
        "called_by": voice.people(known.tried[-1].legs) if known.tried else "",
        "texted": len(texts) - len(wrote),
    }


def _tally(asking: Sequence[CallSummary], desk: _Desk, now: datetime) -> str:
    if not asking:
        return ""
    missed = sum(counted_as(desk.rules, each) is Outcome.MISSED for each in asking)
    when = desk.voice.lately(asking[-1].started_at, now)
    return tell_tally(asking, missed, 0, when, desk.voice)


def _at(message: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(message["at"])


def _read_known(session: Session, callback_ids: Sequence[int]) -> Mapping[int, _Known]:
    known: dict[int, _Known] = defaultdict(_Known)
    calls = (
        sa.select(CallbackMember.callback_id, CallbackMember.role, Call.call_uuid, Call.summary)
        .join(Call, Call.id == CallbackMember.subject_id)
        .where(
            CallbackMember.callback_id.in_(callback_ids),
            CallbackMember.subject_kind == "call",
            CallbackMember.role.in_([ASKS, ROLES[Kind.DIALLED]]),
        )
        .order_by(Call.started_at, Call.id)
    )
    for callback_id, role, uuid, summary in session.execute(calls):
        mine, call = known[callback_id], summary_from_json(summary)
        if role == ASKS:
            mine.asking.append((uuid, call))
        else:
            mine.tried.append(call)
    windows = (
        sa.select(
            CallbackMember.callback_id,
            CallbackMember.role,
            Transcript.summary,
            Conversation.conversation_key,
        )
        .join(Transcript, Transcript.id == CallbackMember.subject_id)
        .join(Conversation, Conversation.id == Transcript.conversation_id)
        .where(
            CallbackMember.callback_id.in_(callback_ids),
            CallbackMember.subject_kind == "transcript",
        )
        .order_by(Transcript.starts_at, Transcript.id)
    )
    for callback_id, role, summary, key in session.execute(windows):
        mine = known[callback_id]
        mine.messages += summary.get("messages", [])
        mine.conversation = key
        if role == ASKS:
            mine.asked_in = key
    return known
