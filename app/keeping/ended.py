"""Purging what has ended and is kept for a while only: tries, sessions, tokens, rules, look-ups."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..delivery.retries import NOT_TRIED
from ..models import (
    ApiToken,
    Attempt,
    BrowserSession,
    Lookup,
    NumberRule,
    Retried,
    Retry,
    SignInLink,
    SignInTries,
    WebhookToken,
)
from .turn import Turn

BATCH = 500
TRIES_KEPT = timedelta(days=1)


def purge_attempts(turn: Turn, before: datetime) -> None:
    """Delete the tries to write an entry that began before `before`, with what was kept of them."""
    after = 0
    while True:
        with turn.step() as session:
            # The oldest by id, that is by time: no index by time is kept for this alone. A younger
            # one among them is of a clock that was ahead, and keeps none behind it from going.
            oldest = session.execute(
                sa.select(Attempt.id, Attempt.started_at)
                .where(Attempt.id > after)
                .order_by(Attempt.id)
                .limit(BATCH)
            ).all()
            ids = [row.id for row in oldest if row.started_at < before]
            session.execute(sa.delete(Attempt).where(Attempt.id.in_(ids)))
        turn.purged["attempts"] += len(ids)
        if not ids:
            return
        after = oldest[-1].id


def purge_ended(turn: Turn, before: datetime) -> None:
    """Delete what ended before `before`: tokens, webhook addresses, rules, answered look-ups; and
    the retries that were asked for before it, unless some of their entries wait for their turn."""
    _purge(turn, "tokens", ApiToken, ApiToken.expires_at < before)
    _purge(turn, "tokens", WebhookToken, WebhookToken.expires_at < before)
    is_over = sa.or_(NumberRule.revoked_at < before, NumberRule.expires_at < before)
    _purge(turn, "rules", NumberRule, is_over)
    is_answered = sa.and_(Lookup.due_at.is_(None), Lookup.answered_at < before)
    _purge(turn, "lookups", Lookup, is_answered)
    with turn.step() as session:
        is_under_way = sa.exists().where(Retried.retry_id == Retry.id, NOT_TRIED)
        over = sa.select(Retry.id).where(Retry.asked_at < before, ~is_under_way)
        retries = session.scalars(over.order_by(Retry.id).limit(BATCH)).all()
    _purge(turn, "retried", Retried, Retried.retry_id.in_(retries))
    _purge(turn, "retries", Retry, Retry.id.in_(retries))


def purge_sign_ins(turn: Turn, now: datetime) -> None:
    """Delete sessions and links that have ended by `now`, and tries that count no more."""
    _purge(turn, "sessions", BrowserSession, BrowserSession.expires_at <= now)
    _purge(turn, "links", SignInLink, SignInLink.expires_at <= now)
    _purge(turn, "tries", SignInTries, SignInTries.last_at < now - TRIES_KEPT)


def _purge(turn: Turn, what: str, table: Any, is_over: sa.ColumnElement[bool]) -> None:
    gone = BATCH
    while gone == BATCH:
        with turn.step() as session:
            gone = _purge_some(session, table, is_over)
        turn.purged[what] += gone


def _purge_some(session: Session, table: Any, is_over: sa.ColumnElement[bool]) -> int:
    key = sa.inspect(table).primary_key
    found = [tuple(row) for row in session.execute(sa.select(*key).where(is_over).limit(BATCH))]
    if found:
        # The condition again: what was looked at may have begun anew meanwhile.
        session.execute(sa.delete(table).where(sa.tuple_(*key).in_(found), is_over))
    return len(found)
