"""Settling one conversation: its windows, their matches and their transcripts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..db import Database
from ..models import Clinic, Conversation, EntryKind, Match, SubjectKind, Transcript
from ..numbers import NumberKind
from ..runtime import Runtime
from ..telephony.conversations import Kept, Window, fold_windows
from .backlog import is_in_digest, renew_digest_of
from .callbacks import settle_callbacks
from .callers import Cause
from .compose import compose_transcript, voice_of
from .party import party_of_window
from .patience import text_patience
from .policy import cut_of, decide_texts, stranger_record
from .reconcile import Desired, reconcile
from .rules import Rules
from .subjects import (
    clinic_and_now,
    get_rules,
    known_kind,
    match_subject,
    read_facts,
    read_grounds,
    written_to,
)


def settle_conversation(
    session: Session, runtime: Runtime, clinic_id: int, key: str
) -> datetime | None:
    """Bring the transcripts of this conversationID up to date; returns when the next text of it
    may ask for a callback, if one may.

    The caller holds the subject's lock. Does not commit.
    """
    clinic, now = clinic_and_now(session, runtime.db, clinic_id)
    conversation = _conversation(session, clinic, key, now)
    facts = read_facts(session, clinic.id, SubjectKind.CONVERSATION, key)
    grounds = read_grounds(session, clinic)
    version, newest = get_rules(session, clinic.id, None)

    def rules_of(pinned: int | None) -> Rules:
        return get_rules(session, clinic.id, pinned)[1]

    standing = _standing(session, conversation)
    kept = [_kept(each, rules_of(each.policy_version)) for each in standing]
    again_at: list[datetime] = []
    for window in fold_windows(facts, conversation.timezone, grounds, cut_of(newest), kept):
        found = _find(standing, window)
        if found is None or not found.frozen_at:
            transcript, has_changed = _store(session, conversation, window, found, version, now)
            rules = rules_of(transcript.policy_version)
            is_new = found is None
            _write(session, runtime, clinic, conversation, transcript, window, rules, now, is_new)
            if window.number_kind is NumberKind.PHONE:
                again_at += _call_back(
                    session, runtime.db, clinic, transcript, window, rules, has_changed, now
                )
    return min(again_at, default=None)


def _write(
    session: Session,
    runtime: Runtime,
    clinic: Clinic,
    conversation: Conversation,
    transcript: Transcript,
    window: Window,
    rules: Rules,
    now: datetime,
    is_new: bool,
) -> None:
    subject = ("transcript", transcript.id)
    kind = rule = ""
    match = None
    if window.filtered_by is None:
        party = party_of_window(window)
        match = match_subject(session, runtime.db, clinic, subject, party, now, is_new=is_new)
        kind, rule = known_kind(session, match), match.rule
    else:
        renew_digest_of(session, runtime.db, subject)
    filtered = transcript.filtered_by = decide_texts(rules, window, kind, rule)
    clients = written_to(match) or [stranger_record(rules, "transcripts", kind)]
    desired = []
    if filtered is None and not is_in_digest(match):
        voice = voice_of(rules, conversation.timezone, clinic.region)
        content = compose_transcript(window, conversation.conversation_key, voice, rules)
        desired = [Desired(EntryKind.TRANSCRIPT, client, content) for client in clients]
    reconcile(session, runtime.db, clinic.id, subject, desired, now, is_new=is_new)


def _call_back(
    session: Session,
    db: Database,
    clinic: Clinic,
    transcript: Transcript,
    window: Window,
    rules: Rules,
    has_changed: bool,
    now: datetime,
) -> list[datetime]:
    """Have the callback of whoever texted know of it; a day told before tells it nothing new, but
    that nobody answered. Returns when texts of it may still ask for one."""
    subject = ("transcript", transcript.id)
    match = session.scalars(
        sa.select(Match).where(Match.subject_kind == subject[0], Match.subject_id == subject[1])
    ).first()
    client = match.client if match else ""
    patience = text_patience(rules, clinic.timezone)
    is_kept = bool(client) and transcript.filtered_by is None
    theirs = [each.at for each in window.messages if each.is_inbound and is_kept]
    due = [at + within for at in theirs if (within := patience(at)) is not None]
    may_ask = bool(due)
    if has_changed or may_ask or (match and match.decided_at == now):
        cause = Cause.of(subject, window.number, client, window.messages[0].at)
        settle_callbacks(session, db, clinic, cause, may_ask, now)
    return [each for each in due if each > now]


def _conversation(session: Session, clinic: Clinic, key: str, now: datetime) -> Conversation:
    conversation = session.scalars(
        sa.select(Conversation).where(
            Conversation.clinic_id == clinic.id, Conversation.conversation_key == key
        )
    ).first()
    if conversation is None:
        conversation = Conversation(
            clinic_id=clinic.id, conversation_key=key, timezone=clinic.timezone, created_at=now
        )
        session.add(conversation)
        session.flush()
    return conversation


def _find(standing: Sequence[Transcript], window: Window) -> Transcript | None:
    ids = {message.event_id for message in window.messages}
    mine = [each for each in standing if each.number == (window.number or window.number_raw)]
    return next((each for each in mine if ids & _event_ids(each)), None) or next(
        (each for each in mine if each.starts_at == window.starts_at), None
    )


def _store(
    session: Session,
    conversation: Conversation,
    window: Window,
    transcript: Transcript | None,
    policy_version: int,
    now: datetime,
) -> tuple[Transcript, bool]:
    """The window's row, and whether anything in it is new."""
    if transcript is None:
        # Its filter is named: to be set to None again then is no change.
        transcript = Transcript(
            clinic_id=conversation.clinic_id,
            conversation_id=conversation.id,
            number=window.number or window.number_raw,
            starts_at=window.starts_at,
            ends_at=window.ends_at,
            local_day=window.local_day,
            settled_at=now,
            filtered_by=None,
        )
        session.add(transcript)
    transcript.policy_version = transcript.policy_version or policy_version
    transcript.ends_at = window.ends_at
    transcript.last_text_at = window.messages[-1].at
    summary = _summary(window)
    has_changed = transcript.summary != summary
    transcript.summary = summary
    session.flush()
    return transcript, has_changed


def _standing(session: Session, conversation: Conversation) -> Sequence[Transcript]:
    query = sa.select(Transcript).where(Transcript.conversation_id == conversation.id)
    return session.scalars(query.order_by(Transcript.starts_at, Transcript.id)).all()


def _kept(transcript: Transcript, rules: Rules) -> Kept:
    by = transcript.summary.get("cut_by", "day")
    return Kept(_event_ids(transcript), by, cut_of(rules).repeats)


def _event_ids(transcript: Transcript) -> frozenset[str]:
    told = transcript.summary.get("messages", ())
    return frozenset(each for text in told for each in (text["event_id"], *text["repeats"]))


def _summary(window: Window) -> dict[str, Any]:
    return {
        "number_raw": window.number_raw,
        "line": window.line,
        "cut_by": window.cut_by,
        "messages": [
            {
                "event_id": message.event_id,
                "at": message.at.isoformat(),
                "is_inbound": message.is_inbound,
                "text": message.text,
                "is_attachment": message.is_attachment,
                "repeats": list(message.repeats),
            }
            for message in window.messages
        ],
    }
