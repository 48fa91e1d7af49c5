"""Settling a digest: one note to each client that tells of what waited on a number."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..directory.accounts import find_connection_in_use
from ..models import Call, Clinic, Conversation, Digest, EntryKind, Match, Transcript
from ..runtime import Runtime
from ..telephony.conversations import Message
from ..telephony.summaries import summary_from_json
from .compose import compose_digest, voice_of
from .policy import decide_call
from .reconcile import Desired, reconcile
from .subjects import clinic_and_now, get_rules
from .views import Waited


def settle_digest(session: Session, runtime: Runtime, clinic_id: int, number: str) -> None:
    """Bring the notes of this number's digest up to date; nothing comes by itself later.

    Holds after whatever it tells of was settled. The caller holds the subject's lock. Does not
    commit.
    """
    mine = [Digest.clinic_id == clinic_id, Digest.number == number]
    digest = session.scalars(sa.select(Digest).where(*mine)).first()
    if digest is None:
        return
    clinic, now = clinic_and_now(session, runtime.db, clinic_id)
    told: dict[str, list[Waited]] = defaultdict(list)
    for client, waited in (*_calls(session, clinic, digest), *_texts(session, digest)):
        told[client].append(waited)
    desired = [
        _note(session, clinic, number, client, _not_before_start(session, clinic, told[client]))
        for client in sorted(told)
    ]
    reconcile(session, runtime.db, clinic_id, ("digest", digest.id), desired, now)


def _note(
    session: Session, clinic: Clinic, number: str, client: str, told: Sequence[Waited]
) -> Desired:
    ordered = sorted(told, key=lambda each: (each.at, each.page, each.key))
    _, rules = get_rules(session, clinic.id, ordered[-1].policy_version)
    voice = voice_of(rules, clinic.timezone, clinic.region)
    return Desired(EntryKind.NOTE, client, compose_digest(number, ordered, voice, rules))


def _not_before_start(session: Session, clinic: Clinic, told: list[Waited]) -> list[Waited]:
    """Without what the connection leaves alone; all of it where that is all there is, so that the
    note is left alone as any other."""
    connection = find_connection_in_use(session, clinic.id)
    since = connection.since if connection else None
    return [each for each in told if since is None or each.at >= since] or told


def _calls(session: Session, clinic: Clinic, digest: Digest) -> Iterator[tuple[str, Waited]]:
    """The calls that become a note, each with its client."""
    query = (
        sa.select(Call, Match)
        .join(Match, sa.and_(Match.subject_kind == "call", Match.subject_id == Call.id))
        .where(*_is_told_by(digest), Call.settled_at.is_not(None), Call.leg_of.is_(None))
    )
    for call, match in session.execute(query):
        summary = summary_from_json(call.summary)
        _, rules = get_rules(session, clinic.id, call.policy_version)
        if decide_call(rules, summary, match.kind, match.rule, clinic.timezone).note:
            version, at = call.policy_version, summary.started_at
            yield match.client, Waited(at, "call", call.call_uuid, version, summary)


def _texts(session: Session, digest: Digest) -> Iterator[tuple[str, Waited]]:
    """The texts of the windows that become a transcript, each with its client."""
    query = (
        sa.select(Transcript, Conversation.conversation_key, Match.client)
        .join(Conversation, Conversation.id == Transcript.conversation_id)
        .join(Match, sa.and_(Match.subject_kind == "transcript", Match.subject_id == Transcript.id))
        .where(*_is_told_by(digest), Transcript.filtered_by.is_(None))
    )
    for window, key, client in session.execute(query):
        for text in window.summary["messages"]:
            at = datetime.fromisoformat(text["at"])
            message = Message(
                text["event_id"], at, text["is_inbound"], text["text"], text["is_attachment"]
            )
            version = window.policy_version
            yield client, Waited(at, "conversation", key, version, message)


def _is_told_by(digest: Digest) -> list[sa.ColumnElement[bool]]:
    return [Match.digest_id == digest.id, Match.kind == "client"]
